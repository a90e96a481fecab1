# SPDX-License-Identifier: Apache-2.0
"""Public data sets behind one row type."""

from __future__ import annotations

from avguard.data.row import HEADS, Head, Kind, Media, Row, Span

__all__ = ["HEADS", "Head", "Kind", "Media", "Row", "Span"]
