# SPDX-License-Identifier: Apache-2.0
"""What the joint model is compared with: published kinds of detectors, trained and judged on the same windows."""
