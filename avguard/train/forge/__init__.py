# SPDX-License-Identifier: Apache-2.0
"""The forge: makes pseudo-fakes out of real clips, so that training needs no one else's fakes."""
