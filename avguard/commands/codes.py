# SPDX-License-Identifier: Apache-2.0
"""Exit codes of a judged file; errors have theirs in ``avguard.errors``."""

EXIT_CODES = {"real": 0, "fake": 1, "inconclusive": 2}
