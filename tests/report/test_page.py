# SPDX-License-Identifier: Apache-2.0
"""The pages in Chromium: hostile names stay text, nothing is requested, nothing is wider than a phone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest

from avguard import cli
from avguard.errors import ModelError
from avguard.models.manifest import check_calibration
from avguard.report.card import card
from avguard.report.html import tag
from avguard.report.summary_page import summary_page
from avguard.report.words import because
from avguard.scan.row import Failure, Row
from avguard.scan.summary import summarise
from tests import make_demo
from tests.models.bundles import copy_bundle, edit

NAME = "<img src=x onerror=alert(1)>'\"&\u202e.mp4"
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
RELIABILITY = {"clips": "<b>40</b> clips", "heads": {"overall": [[0.1, 0.2, 20], [0.9, 0.8, 20]]}}


TAG = "<img src=x onerror=alert(2)>"


def tagged(source: Path, path: Path) -> Path:
    """The same streams with hostile tags, of the file and of each stream."""
    with av.open(str(source)) as given, av.open(str(path), "w") as made:
        made.metadata.update(title=TAG, artist=TAG, comment=TAG)
        streams = {stream.index: made.add_stream_from_template(stream) for stream in given.streams}
        for stream in streams.values():
            stream.metadata.update(title=TAG, handler_name=TAG)
        for packet in given.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                made.mux(packet)
    assert path.read_bytes().count(TAG.encode()) >= 3
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checked clip with a hostile name, its page with evidence, and the page of a scan."""
    folder = tmp_path_factory.mktemp("pages")
    clip = tagged(make_demo.write_demo(folder / "talk.mp4", 2.6), folder / NAME)
    bundle = edit(copy_bundle(folder / "bundle"), lambda raw: raw["calibration"].update(reliability=RELIABILITY))
    page = ["--model", str(bundle), "--report", str(folder / "page.html"), "--include-evidence"]
    assert cli.main(["check", "--quiet", str(clip), *page]) in (0, 1, 2)
    rows = [
        Row(f"in/{NAME}", 9, "9-1", "00" * 32, "m#1", label="fake", score={"overall": 0.97, "video": 0.9}),
        Row("in/b.mp4", 9, "9-1", "11" * 32, "m#1", label="inconclusive", reasons=("no_face",), warnings=("<i>",)),
        Row("c.mp4", 9, "9-1", "22" * 32, "m#1", error=Failure("MediaError", 5, f"{NAME} is broken")),
    ]
    (folder / "summary.html").write_text(summary_page(summarise(rows), "<script>r.jsonl", "1"), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists() and not os.environ.get("CI"):
        pytest.skip("chromium is not installed: .ci/packages does it")
    with playwright.sync_playwright() as running:
        profile = str(tmp_path_factory.mktemp("profile"))
        context = running.chromium.launch_persistent_context(profile, executable_path=str(CHROMIUM), args=FLAGS)
        yield context
        context.close()


@pytest.mark.parametrize("name", ["page.html", "summary.html"])
def test_in_chromium(browser: Any, folder: Path, name: str) -> None:
    page = browser.new_page()
    requests: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append("a script ran"))
    for width in (320, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto((folder / name).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []
    assert {url.partition(":")[0] for url in requests} <= {"file", "data"}
    assert [url for url in requests if not url.startswith("data:")] == [(folder / name).as_uri()] * 2
    assert page.locator("script, iframe, link, form, img:not([src^='data:image/png'])").count() == 0
    assert "<img src=x onerror=alert(1)>" in page.inner_text("main")
    assert page.evaluate("getComputedStyle(document.querySelector('section')).borderTopStyle") == "solid"
    folded = "[...document.querySelectorAll('details p')].map(item => item.checkVisibility())"
    assert set(page.evaluate(folded)) <= {False}
    page.emulate_media(media="print")
    assert set(page.evaluate(folded)) <= {True}
    assert page.locator("details").count() == (2 if name == "page.html" else 0)
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.close()


def test_the_policy_stops_what_would_get_in(browser: Any, folder: Path, tmp_path: Path) -> None:
    text = (folder / "page.html").read_text(encoding="utf-8")
    hostile = "<script>document.title='run'</script><img src='http://127.0.0.1:9/x.png'></main>"
    (tmp_path / "hostile.html").write_text(text.replace("</main>", hostile), encoding="utf-8")
    page = browser.new_page()
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(str(request.failure)))
    page.goto((tmp_path / "hostile.html").as_uri())
    assert page.title() != "run"
    assert failed == ["csp"]
    page.close()


def test_what_the_page_says(folder: Path) -> None:
    text = (folder / "page.html").read_text(encoding="utf-8")
    for words in ("What could not be seen", "Evidence", "How far a score can be trusted", "The model", "SHA-256"):
        assert words in text
    assert text.count("data:image/png;base64,") == 2
    assert "&lt;b&gt;40&lt;/b&gt; clips" in text
    assert str(folder) not in text
    assert "\u202e" not in text
    assert "alert(2)" not in text


def test_the_shipped_model_says_how_far_its_scores_can_be_trusted(folder: Path) -> None:
    out = folder / "plain.html"
    assert cli.main(["check", "--quiet", str(folder / NAME), "--report", str(out), "--show-path"]) in (0, 1, 2)
    text = out.read_text(encoding="utf-8")
    assert "clips of the project&#x27;s test split" in text
    assert "data:image" not in text
    assert str(folder) in text


def test_without_reliability_the_page_says_so(folder: Path) -> None:
    out = folder / "unknown.html"
    bundle = edit(copy_bundle(folder / "unknown"), lambda raw: raw["calibration"].pop("reliability"))
    arguments = ["check", "--quiet", str(folder / NAME), "--model", str(bundle), "--report", str(out)]
    assert cli.main(arguments) in (0, 1, 2)
    assert "carries no reliability data" in out.read_text(encoding="utf-8")


def test_a_summary_of_a_scan(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.jsonl").write_bytes(Row("a.mp4", 1, "1-1", "00" * 32, "m", label="real").line())
    assert cli.main(["report", str(tmp_path / "r.jsonl")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'r.html'}\n"
    assert "1 files" in (tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "wrong", [3, {}, {"clips": 3, "heads": {}}, {"clips": "x", "heads": {"overall": [[2, 0, 1]]}}, {"heads": {}}]
)
def test_reliability_that_makes_no_sense_is_refused(tmp_path: Path, wrong: Any) -> None:
    bundle = copy_bundle(tmp_path / "b")
    calibration = json.loads((bundle / "manifest.json").read_text())["calibration"]
    check_calibration(calibration | {"reliability": RELIABILITY})
    with pytest.raises(ModelError, match="reliability"):
        check_calibration(calibration | {"reliability": wrong})


def test_text_is_escaped_everywhere() -> None:
    assert tag("p", "<&", title='"\n\x07') == '<p title="&quot;\n\\u0007">&lt;&amp;</p>'
    shown = card("# <h>\n\n- `<c>` **<s>**\n\n| <t> |\n|---|\n| <d> |\n\n<script>\n")
    assert "<h>" not in shown
    assert not {"<c>", "<s>", "<t>", "<d>", "<script>"} & set(shown.replace(">", "> ").split())


def test_sections_of_a_card_are_folded() -> None:
    assert card("# t\n\nbefore\n\n## <u>\n\ninside\n") == (
        "<h3>t</h3><p>before</p><details><summary>&lt;u&gt;</summary><p>inside</p></details>"
    )


def test_warnings_of_a_kind_are_counted_together() -> None:
    row = Row("a.mp4", 9, "9-1", "00" * 32, "m#1", label="real", warnings=("3 damaged packets were skipped",))
    other = replace(row, path="b.mp4", warnings=("12 damaged packets were skipped", "truncated: 9 bytes"))
    assert summarise([row, other]).warnings == {"damaged packets were skipped": 2, "truncated": 1}


@pytest.mark.parametrize("label", ["real", "fake"])
def test_what_a_decision_did_without_is_not_its_reason(label: str) -> None:
    assert because(("no_video",), "inconclusive") == "there is no picture"
    assert because(("no_video",), label) == "not all could be judged: there is no picture"
    assert because((), label) == ""
