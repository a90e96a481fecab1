# SPDX-License-Identifier: Apache-2.0
"""Training: pseudo-fakes, augmentations, losses, teacher, student. Never imported by inference code."""
