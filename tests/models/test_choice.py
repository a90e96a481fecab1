# SPDX-License-Identifier: Apache-2.0
"""Which bundle is used: the caller's, the environment's, the stored choice, the shipped one, in this order."""

from __future__ import annotations

from pathlib import Path

import pytest

from avguard.errors import ModelError, UsageError
from avguard.models import bundle_in_use, choice, default_path, open_bundle
from tests.models.bundles import copy_bundle, edit


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


def named(folder: Path, name: str) -> Path:
    return edit(copy_bundle(folder), lambda raw: raw.update(id=name))


def test_nobody_chose(home: Path) -> None:
    assert bundle_in_use() == (default_path(), "shipped with avguard")
    assert not (home / "config").exists()


def test_the_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = (named(home / name, f"{name}@1") for name in ("one", "two", "three"))
    file = choice.choose(one)
    assert file == home / "config" / "avguard" / "model.json"
    assert open_bundle().manifest.id == "one@1"
    monkeypatch.setenv(choice.VARIABLE, str(two))
    assert open_bundle().manifest.id == "two@1"
    assert open_bundle(three).manifest.id == "three@1"
    monkeypatch.delenv(choice.VARIABLE)
    choice.choose(None)
    assert bundle_in_use()[0] == default_path()
    choice.choose(None)


def test_a_choice_survives_a_change_of_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named(home / "mine", "mine@1")
    monkeypatch.chdir(home)
    choice.choose(Path("mine"))
    monkeypatch.chdir("/")
    assert open_bundle().manifest.id == "mine@1"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"model": 3}', "x", "[" * 9999])
def test_a_choice_that_makes_no_sense_is_not_passed_over(home: Path, text: str) -> None:
    path = choice.choose(home)
    path.write_text(text)
    with pytest.raises(ModelError, match="does not say which model"):
        open_bundle()


def test_a_chosen_bundle_that_is_gone_is_an_error(home: Path) -> None:
    choice.choose(home / "gone")
    with pytest.raises(ModelError, match="gone is not a model bundle"):
        open_bundle()


def test_relative_base_directories_are_ignored(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", "here")
    assert choice.choice_file() == home / ".config/avguard/model.json"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert choice.user_models() == home / ".local/share/avguard/models"


def test_without_a_home_the_shipped_one_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError

    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    assert bundle_in_use()[0] == default_path()
    with pytest.raises(UsageError, match=choice.VARIABLE):
        choice.choose(default_path())
