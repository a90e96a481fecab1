# SPDX-License-Identifier: Apache-2.0
"""Turns trained torch models into artefacts a device can run; each carries the spec and its hash."""
