# SPDX-License-Identifier: Apache-2.0
"""Model bundles: what is in one, and how it is verified before anything parses it."""

from __future__ import annotations

from avguard.models.manifest import Manifest, load_manifest
from avguard.models.store import Bundle, bundle_in_use, default_path, open_bundle

__all__ = ["Bundle", "Manifest", "bundle_in_use", "default_path", "load_manifest", "open_bundle"]
