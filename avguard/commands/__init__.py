# SPDX-License-Identifier: Apache-2.0
"""The larger subcommands of the command line, one module each: arguments, wiring, and words for people."""
