# SPDX-License-Identifier: Apache-2.0
"""One self-contained HTML page: of a verdict, or of a whole scan. No script, no request, every string escaped."""
