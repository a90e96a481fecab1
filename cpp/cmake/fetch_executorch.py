# SPDX-License-Identifier: Apache-2.0
"""Build step: print the folder of the ExecuTorch C++ runtime, fetching it once into the user's cache.

Usage: fetch_executorch.py SYSTEM PROCESSOR (CMake's names). The runtime is taken from the executorch wheel alone, never
with its dependencies; its C++ libraries do not depend on Python, so one wheel per platform serves every Python.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

VERSION = "1.5.1"
PYTHON = "311"
SHA256 = {
    "manylinux_2_28_x86_64": "274c28c2fe2b76acb03f9fa381537425c40e0098dcf886baf6d97a1a55ffe300",
    "manylinux_2_28_aarch64": "8ee02348a3ea80ddf770822911ebf78da616b73afce0fbaaa79f23311c88c66a",
}
PLATFORMS = {
    ("Linux", "x86_64"): "manylinux_2_28_x86_64",
    ("Linux", "AMD64"): "manylinux_2_28_x86_64",
    ("Linux", "aarch64"): "manylinux_2_28_aarch64",
    ("Linux", "arm64"): "manylinux_2_28_aarch64",
}
LIBRARIES = ("libexecutorch.so", "libexecutorch_threadpool.so", "libexecutorch_backend_xnnpack.so")
LICENSE = f"executorch-{VERSION}.dist-info/licenses/LICENSE"


def cache_root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "avguard"


def download(platform: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--implementation", "cp", "--python-version", PYTHON]
    command += ["--abi", f"cp{PYTHON}", "--platform", platform, "--dest", str(folder), f"executorch=={VERSION}"]
    # CMake reads the answer from stdout, so pip talks on stderr.
    subprocess.run(command, check=True, stdout=sys.stderr)
    return next(folder.glob("executorch-*.whl"))


def verify(wheel: Path, expected: str) -> None:
    actual = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if actual != expected:
        sys.exit(f"{wheel.name} has sha256 {actual}, pinned is {expected}: refusing to build with it")


def wanted(name: str) -> bool:
    if name.endswith("/"):
        return False
    return name.startswith(("executorch/include/", "executorch/share/cmake/")) or name in {
        f"executorch/lib/{library}" for library in LIBRARIES
    }


def unpack(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if wanted(name)])
        (folder / "executorch" / "LICENSE.executorch").write_bytes(archive.read(LICENSE))


def fetch(platform: str) -> Path:
    """The unpacked package for ``platform``. Two builds at once are safe: the last rename wins or finds it done."""
    # The hash is in the name, so that a new pin never meets an old cache.
    final = cache_root() / f"executorch-{VERSION}-{platform}-{SHA256[platform][:8]}"
    if not final.exists():
        final.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=final.parent) as name:
            scratch = Path(name)
            wheel = download(platform, scratch)
            verify(wheel, SHA256[platform])
            unpack(wheel, scratch / "unpacked")
            try:
                (scratch / "unpacked").rename(final)
            except OSError:
                if not final.exists():
                    raise
    return final / "executorch"


def main(system: str, processor: str) -> None:
    platform = PLATFORMS.get((system, processor))
    if platform is None:
        known = ", ".join(f"{name} {cpu}" for name, cpu in PLATFORMS)
        sys.exit(f"no ExecuTorch wheel is pinned for {system} {processor} (pinned: {known}); give AVG_EXECUTORCH_DIR")
    try:
        print(fetch(platform).as_posix())
    except subprocess.CalledProcessError as error:
        sys.exit(f"pip could not download executorch {VERSION} for {platform} (exit status {error.returncode})")


if __name__ == "__main__":
    main(*sys.argv[1:])
