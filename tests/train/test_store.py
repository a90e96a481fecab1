# SPDX-License-Identifier: Apache-2.0
"""Shards: what was written is what is mapped, and the oldest windows go first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avguard.train.store import Pool, map_shard, write_shard


@pytest.mark.parametrize("shape", [(3,), (2, 5), (4, 3, 2, 2)])
def test_a_map_holds_what_was_written(tmp_path: Path, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    columns = {
        "clip": np.array(["a", "ünï"] * 2)[: shape[0]],
        "bytes": rng.integers(0, 256, shape, np.uint8),
        "halves": rng.normal(size=shape).astype(np.float16),
        "fortran": np.asfortranarray(rng.normal(size=shape)),
    }
    write_shard(tmp_path, "s", columns)
    found = map_shard(tmp_path / "s.npz")
    assert found.keys() == columns.keys()
    for name, values in columns.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)
        with pytest.raises(ValueError, match="read-only"):
            found[name][:] = found[name]


def test_the_oldest_windows_go_first(tmp_path: Path) -> None:
    for number in range(3):
        write_shard(tmp_path, f"{number}", {"start": np.full(4, number)})
    pool = Pool(tmp_path, limit=8)
    assert pool.refresh() == 12
    assert len(pool) == 8
    np.testing.assert_array_equal(pool.take("start", np.arange(8)), [1] * 4 + [2] * 4)
    assert pool.refresh() == 0
