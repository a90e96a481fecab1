# SPDX-License-Identifier: Apache-2.0
"""One set of numbers: the file, its dataclass, the generated header and the compiled core say the same."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from avguard import _core
from avguard.spec import load_spec, parse_spec

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("audio", "video", "motion", "window", "face")


@pytest.fixture(scope="module")
def raw() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOT / "avguard" / "spec.json").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def generator() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "cpp" / "gen" / "spec_header.py"))


def test_the_installed_spec_is_the_checkouts(raw: dict[str, Any]) -> None:
    assert json.loads(load_spec().text) == raw


def test_core_and_python_agree() -> None:
    assert _core.spec_hash == load_spec().hash
    assert _core.spec_json == load_spec().text
    assert hashlib.sha256(_core.spec_json.encode()).hexdigest() == _core.spec_hash


def test_the_text_is_canonical(raw: dict[str, Any]) -> None:
    spec = load_spec()
    assert spec.text == json.dumps(raw, sort_keys=True, separators=(",", ":"))
    shuffled = dict(reversed(raw.items()))
    assert parse_spec(shuffled).hash == spec.hash


def test_the_dataclass_holds_every_number(raw: dict[str, Any]) -> None:
    spec = dataclasses.asdict(load_spec())
    del spec["text"], spec["hash"]
    assert json.loads(json.dumps(spec)) == raw


def test_the_header_holds_every_number(raw: dict[str, Any], generator: dict[str, Any]) -> None:
    header: str = generator["header"](raw)
    assert f'hash[] = "{load_spec().hash}"' in header
    assert f'R"spec({load_spec().text})spec"' in header
    for room in ROOMS:
        body = re.search(rf"namespace {room} {{\n(.*?)\n}}\n", header, re.DOTALL)
        assert body is not None
        found = dict(re.findall(r"inline constexpr .+? (\w+) = (.+);", body[1]))
        assert found.keys() == raw[room].keys()
        for key, text in found.items():
            value = raw[room][key]
            assert json.loads(text.replace("{", "[").replace("}", "]")) == value, (room, key)
            assert ("double" in body[1].split(f" {key} =")[0].rpartition("\n")[2]) == isinstance(value, float)
    assert 'heads = {"video", "audio", "sync", "desync"};' in header


def test_the_header_refuses_what_has_no_form(generator: dict[str, Any]) -> None:
    for value in (None, {"a": 1}, [1, "a"], [1.5]):
        with pytest.raises(TypeError, match="has no C\\+\\+ form"):
            generator["constant"]("name", value)


@pytest.mark.parametrize("room", ROOMS)
def test_missing_and_unknown_keys_are_refused(raw: dict[str, Any], room: str) -> None:
    for key in raw[room]:
        short = copy.deepcopy(raw)
        del short[room][key]
        with pytest.raises(TypeError, match=key):
            parse_spec(short)
    more = copy.deepcopy(raw)
    more[room]["surplus"] = 1
    with pytest.raises(TypeError, match="surplus"):
        parse_spec(more)


def test_missing_and_unknown_rooms_are_refused(raw: dict[str, Any]) -> None:
    for key in ("format", "embedding_dims"):
        with pytest.raises(TypeError, match=key):
            parse_spec({k: v for k, v in raw.items() if k != key})
    with pytest.raises(TypeError, match="surplus"):
        parse_spec({**raw, "surplus": {}})


def test_any_changed_number_changes_the_hash(raw: dict[str, Any]) -> None:
    hashes = {load_spec().hash}
    for room in ROOMS:
        changed = copy.deepcopy(raw)
        key = next(key for key, value in raw[room].items() if isinstance(value, int | float))
        changed[room][key] += 1
        hashes.add(parse_spec(changed).hash)
    assert len(hashes) == len(ROOMS) + 1


def test_the_numbers_fit_together() -> None:
    spec = load_spec()
    audio, video, window = spec.audio, spec.video, spec.window
    assert audio.hop_samples * audio.frames_per_video_frame * 1_000_000 == video.period_us * audio.sample_rate_hz
    assert window.frames % window.steps == 0
    assert window.frames % video.face_every == 0
    assert window.frames % window.stride_frames == 0
    assert audio.window_samples <= audio.fft_size
    assert (audio.fft_size // 2) % audio.linear_bands == 0
    assert spec.motion.dims == 2 * len(spec.motion.lip_points) + 8
    assert len(set(spec.motion.lip_points)) == len(spec.motion.lip_points)
    assert video.mouth_left_px + video.mouth_px <= video.canvas_px
    assert video.mouth_top_px + video.mouth_px <= video.canvas_px


def test_no_other_file_repeats_the_hash() -> None:
    files = [*Path(ROOT / "avguard").rglob("*.py"), *Path(ROOT / "cpp").rglob("*.cc")]
    assert [path.name for path in files if load_spec().hash in path.read_text(encoding="utf-8")] == []
