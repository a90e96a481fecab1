# SPDX-License-Identifier: Apache-2.0
"""``python -m avguard`` is the ``avguard`` command."""

from __future__ import annotations

import sys

from avguard.cli import main

sys.exit(main())
