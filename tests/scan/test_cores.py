# SPDX-License-Identifier: Apache-2.0
"""A core for each worker: its own, allowed, for its decoder too; none where there are too few; nobody else is moved."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from avguard.scan import cores
from avguard.scan.find import find
from avguard.scan.row import Row
from avguard.scan.team import LocalTeam
from avguard.scan.worker import Identity, Settings, model_key
from tests.make_media import Film, Sound, write_clip
from tests.soak.crew import children

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes cannot choose cores here")

ALONE = """
import sys; sys.path[:] = eval(sys.argv[1])
import os
from avguard.scan import cores
last = max(os.sched_getaffinity(0))
os.sched_setaffinity(0, {last})
print(cores.choose(1) == [last], cores.choose(2))
"""


def test_every_worker_has_an_allowed_core_of_its_own() -> None:
    allowed = os.sched_getaffinity(0)
    for workers in range(1, len(allowed) + 1):
        chosen = cores.choose(workers)
        assert len(chosen) == len(set(chosen)) == workers
        assert set(chosen) <= allowed
    assert os.sched_getaffinity(0) == allowed


def test_with_fewer_cores_than_workers_none_is_kept_to() -> None:
    assert cores.choose(len(os.sched_getaffinity(0)) + 1) == []
    command = [sys.executable, "-I", "-c", ALONE, repr(sys.path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "True []\n"


def test_the_idlest_core_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([{0: 100, 1: 100, 2: 100}, {0: 101, 1: 109, 2: 105}])
    monkeypatch.setattr(cores, "_idle_ticks", lambda: next(looks))
    assert cores._idlest_first([0, 1, 2]) == [1, 2, 0]


def test_without_a_word_from_the_system_the_first_ones_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(cores._idle_ticks()) >= os.sched_getaffinity(0)
    monkeypatch.setattr(cores, "_idle_ticks", dict)
    assert cores._idlest_first([0, 1, 2]) == [0, 1, 2]


def test_a_process_that_is_gone_or_a_core_that_is_not_there_is_no_error() -> None:
    cores.hold(2**22 + 1, 0)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        before = os.sched_getaffinity(process.pid)
        cores.hold(process.pid, 4095)
        assert os.sched_getaffinity(process.pid) == before
        process.communicate(b"\n")


def threads_of(pid: int) -> list[int]:
    return [int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()]


def test_a_worker_and_its_decoder_keep_to_its_core(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", Film(seconds=2), Sound(seconds=2))
    (found,) = find([str(tmp_path)])
    allowed = os.sched_getaffinity(0)
    team = LocalTeam(Settings(model_key(None, "auto")), cores.choose(1))
    member, free = team.start(), team.start()
    team.ask(member, found)
    ((_, identity),) = team.wait([member], 60)
    assert isinstance(identity, Identity)
    team.ask(member, identity)
    decoders, answers = set(), []
    while not answers:
        answers = team.wait([member], 0.002)
        for pid in children(member.process.pid):
            # It may have ended since.
            try:
                decoders.add(frozenset(os.sched_getaffinity(pid)))
            except ProcessLookupError:
                continue
    assert isinstance(answers[0][1], Row)
    assert answers[0][1].error is None
    assert {frozenset(os.sched_getaffinity(thread)) for thread in threads_of(member.process.pid)} == {
        frozenset([member.core])
    }
    assert decoders == {frozenset([member.core])}
    assert (free.core, os.sched_getaffinity(free.process.pid)) == (None, allowed)
    assert os.sched_getaffinity(0) == allowed
    team.end(member)
    assert team.start().core == member.core
    team.close()
