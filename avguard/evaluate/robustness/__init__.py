# SPDX-License-Identifier: Apache-2.0
"""Robustness: the product on the same clips, damaged step by step, each damage the same for real and fake."""
