# SPDX-License-Identifier: Apache-2.0
"""Experiments: what is claimed about the joint model, each claim with the runs that could refute it."""
