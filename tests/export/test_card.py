# SPDX-License-Identifier: Apache-2.0
"""Sections of a model's card: put in once, replaced by the next of their title, and covered by the manifest's hash."""

from __future__ import annotations

from pathlib import Path

import pytest

from avguard.errors import UsageError
from avguard.models import open_bundle
from export.card import MEASURED, add_sections, with_measured, with_section
from tests.models.bundles import copy_bundle

CARD = "# model\n\nWords.\n\n## One\n\nold\n\n## Two\n\nkept\n"


def test_a_section_of_the_same_title_is_replaced_and_the_others_stay() -> None:
    made = with_section(CARD, "## One\n\nnew\n")
    assert "old" not in made
    assert made.index("kept") < made.index("new")
    assert with_section(made, "## One\n\nnew\n") == made


def test_a_new_section_comes_last() -> None:
    assert with_section(CARD, "## Three\n\nthird\n") == CARD + "\n## Three\n\nthird\n"
    assert with_section("# model\n", "## One\n\nfirst\n") == "# model\n\n## One\n\nfirst\n"


@pytest.mark.parametrize("text", ["", "no title\n", "# too high\n"])
def test_a_section_needs_its_title(text: str) -> None:
    with pytest.raises(UsageError, match="starts with"):
        with_section(CARD, text)


def test_the_bundle_still_opens(tmp_path: Path) -> None:
    bundle = copy_bundle(tmp_path / "bundle")
    add_sections(bundle, ["## Measured\n\n1 of 2\n"])
    assert b"1 of 2" in open_bundle(bundle).data["card.md"]


def test_measured_sections_stay_and_say_so_when_the_programs_are_others(tmp_path: Path) -> None:
    bundle = copy_bundle(tmp_path / "bundle")
    (bundle / "card.md").write_text(CARD)
    programs = {name: (bundle / name).read_bytes() for name in ("joint_fp32.pte", "joint_int8.pte")}
    fresh = "# model\n\nOther words.\n"
    assert with_measured(fresh, tmp_path / "nothing", programs) == fresh
    same = with_measured(fresh, bundle, programs)
    assert same == CARD.replace("Words", "Other words")
    other = with_measured(fresh, bundle, programs | {"joint_int8.pte": b"exported anew"})
    assert other.count(MEASURED) == 2
    assert other.index("## One") < other.index(MEASURED) < other.index("old")
    # Exported once more, they say the same: what they were measured on, not what stood there last.
    (bundle / "card.md").write_text(other)
    assert with_measured(fresh, bundle, programs | {"joint_int8.pte": b"and again"}) == other
