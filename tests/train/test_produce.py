# SPDX-License-Identifier: Apache-2.0
"""What a round of the producer is made of."""

from __future__ import annotations

from avguard.data.row import Row
from avguard.train.produce import rows_of_round


def rows(media: str, count: int) -> list[Row]:
    return [
        Row(f"{media}/{i}", media, "real", 0, 0, "", "here", f"{media}{i}", "train", 1.0)  # type: ignore[arg-type]
        for i in range(count)
    ]


def test_a_round_has_every_clip_and_another_part_of_the_sounds() -> None:
    clips, sounds = rows("clips", 10), rows("speech", 50)
    rounds = [rows_of_round(clips + sounds, 3, number) for number in range(10)]
    heard = []
    for chosen in rounds:
        assert sorted(row.path for row in chosen if row.media == "clips") == sorted(row.path for row in clips)
        heard.append({row.path for row in chosen if row.media == "speech"})
        assert len(heard[-1]) == 5
    assert set.union(*heard) == {row.path for row in sounds}
    assert rounds[0] == rows_of_round(clips + sounds, 3, 0)
    assert rounds[0] != rows_of_round(clips + sounds, 4, 0)


def test_sounds_alone_are_a_round_too() -> None:
    sounds = rows("speech", 7)
    assert sorted(row.path for row in rows_of_round(sounds, 0, 1)) == sorted(row.path for row in sounds)
