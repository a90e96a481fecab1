# SPDX-License-Identifier: Apache-2.0
"""What is to be scanned: files, folders, and addresses that fsspec can read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from avguard.errors import UsageError
from avguard.scan.row import Found

# In folders; a file that is named is taken whatever it is called.
SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".qt", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".flv", ".f4v"}
    | {".wmv", ".3gp", ".3g2", ".ogv", ".mxf", ".wav", ".mp3", ".m4a", ".aac", ".flac", ".ogg", ".opus", ".oga"}
    | {".wma", ".aif", ".aiff", ".amr", ".caf"}
)
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*(://|::)", re.IGNORECASE)
# What stores call the thing that changes with the content.
STAMPS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "updated", "created")


def find(paths: Sequence[str], *, remote: bool = False) -> list[Found]:
    """Every file once, in the order of ``paths``, folders sorted by name. A path that is missing is in the list too:
    it becomes a row with an error.

    Raises UsageError for an address unless ``remote``, and when fsspec or the store's package is not installed.
    """
    found: dict[str, Found] = {}
    for path in paths:
        if ADDRESS.match(path):
            if not remote:
                raise UsageError(f"{path} is an address, which reads from elsewhere. Add --remote if that is meant.")
            items = _at_address(path)
        elif _is_folder(path):
            items = _in_folder(Path(path))
        else:
            items = iter([_file(path)])
        for item in items:
            found.setdefault(item.path, item)
    return list(found.values())


def is_address(path: str) -> bool:
    """Whether fsspec is to read it."""
    return ADDRESS.match(path) is not None


def _file(path: str) -> Found:
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return Found(path, 0, "")
    return Found(path, status.st_size, f"{status.st_size}-{status.st_mtime_ns}")


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except ValueError:
        return False


def _in_folder(folder: Path) -> Iterator[Found]:
    try:
        listed = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        # Read as a file it becomes a row that says why.
        yield Found(str(folder), 0, "")
        return
    for entry in listed:
        if not entry.is_dir():
            if entry.suffix.lower() in SUFFIXES:
                yield _file(str(entry))
        # Links to folders are not followed: they can lead in circles.
        elif not entry.is_symlink():
            yield from _in_folder(entry)


def _at_address(address: str) -> Iterator[Found]:
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(address)
        listed: dict[str, Any] = system.find(path, detail=True)
        if not listed:
            listed = {path: system.info(path)}
    except ImportError as missing:
        raise UsageError(f"{address} needs a package ({missing}): pip install 'avguard[scan]'.") from None
    except FileNotFoundError:
        yield Found(address, 0, "")
        return
    except Exception as failure:  # every store has errors of its own
        raise UsageError(f"{address} cannot be listed ({type(failure).__name__}: {failure}).") from failure
    for name, info in sorted(listed.items()):
        if len(listed) > 1 and PurePosixPath(name).suffix.lower() not in SUFFIXES:
            continue
        size = int(info.get("size") or 0)
        stamp = next((str(info[key]) for key in STAMPS if info.get(key)), "")
        yield Found(_address_of(system, name, address), size, f"{size}-{stamp}" if stamp else "")


def _address_of(system: Any, name: str, address: str) -> str:  # noqa: ANN401 - fsspec has no types
    # A chain such as zip://x.mp4::s3://bucket/y.zip keeps what comes behind its first part.
    _, chained, rest = address.partition("::")
    return str(system.unstrip_protocol(name)) + chained + rest
