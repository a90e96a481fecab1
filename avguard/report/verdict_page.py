# SPDX-License-Identifier: Apache-2.0
"""The page of one verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from avguard.report import charts
from avguard.report.card import card
from avguard.report.evidence import Strip, strip_figure
from avguard.report.html import Child, Safe, page, tag
from avguard.report.words import CREDENTIALS, HEADS, SENTENCES, because, in_time, meaning
from avguard.verdict import Quality, Verdict

CURVES = ("video", "audio", "sync")
MOST_SEGMENTS = 30


@dataclass(frozen=True)
class Subject:
    """The file that was judged, as the reader is to know it. ``checked_at``: free text; None leaves it out."""

    name: str
    size: int
    sha256: str
    checked_at: str | None = None


@dataclass(frozen=True)
class Context:
    """What surrounds a verdict: the bundle's calibration and card, content credentials, evidence if it was asked for.

    ``credentials``: a key of ``words.CREDENTIALS``, None when nobody looked. ``evidence``: None when not asked for.
    """

    calibration: Mapping[str, Any]
    card: str = ""
    credentials: str | None = None
    evidence: Sequence[Strip] | None = None
    evidence_note: str = ""
    version: str = field(default="")


def verdict_page(verdict: Verdict, subject: Subject, context: Context) -> str:
    """The whole document."""
    parts = [
        tag("div", tag("h1", subject.name), tag("span", "avguard report", class_="soft"), class_="top"),
        _verdict(verdict, subject, context.calibration),
        _timeline(verdict, context.calibration),
        _segments(verdict),
        _evidence(context),
        _unseen(verdict),
        _faces(verdict),
        _credentials(context.credentials),
        _calibration(context.calibration),
        _model(verdict, context.card),
        _footer(context.version),
    ]
    return page(f"{SENTENCES[verdict.label]}: {subject.name}", *(part for part in parts if part is not None))


def _verdict(verdict: Verdict, subject: Subject, calibration: Mapping[str, Any]) -> Safe:
    reasons = because(verdict.reasons, verdict.label)
    sentence = SENTENCES[verdict.label]
    facts = [charts.time_text(round(verdict.quality.duration_s, 1)), f"{subject.size:,} bytes", subject.checked_at]
    return tag(
        "section",
        tag("p", sentence[0].upper() + sentence[1:], class_="big"),
        tag("p", f"{reasons[0].upper()}{reasons[1:]}.") if reasons else None,
        tag("p", meaning(verdict.label)),
        _heads(verdict, calibration),
        tag("p", "In the shaded zone of a bar nothing is decided.", class_="soft"),
        tag("p", _offset(verdict)),
        tag("p", " · ".join(fact for fact in facts if fact), class_="soft"),
        tag("p", f"SHA-256 {subject.sha256}", class_="hash"),
        class_=f"verdict {verdict.label}",
    )


def _heads(verdict: Verdict, calibration: Mapping[str, Any]) -> Safe:
    rows: list[Child] = []
    real, fake = calibration["real_below"], calibration["fake_above"]
    rows.append(_head("Overall", verdict.score.overall, real, fake, verdict.label, ""))
    for head, name in HEADS.items():
        said = verdict.heads.get(head)
        label, reasons = (said.label, because(said.reasons)) if said else ("inconclusive", "")
        score, below, above = (
            getattr(verdict.score, head),
            calibration["head_real_below"],
            calibration["head_fake_above"],
        )
        rows.append(_head(name, score, below[head], above[head], label, reasons))
    return tag("div", *rows)


def _head(name: str, score: float | None, real: float, fake: float, label: str, reasons: str) -> Safe:
    words = "not judged" if score is None else SENTENCES[label]
    because_of = f" ({reasons})" if reasons else ""
    return tag(
        "div",
        tag("b" if name == "Overall" else "span", name),
        charts.bar(score, real, fake, label),
        tag("span", "–" if score is None else f"{score:.2f}", class_="score"),
        tag("span", words + because_of, class_="label soft"),
        class_="head",
    )


def _offset(verdict: Verdict) -> str:
    if verdict.offset_ms is None:
        return "Whether the voice comes early or late could not be told."
    said = in_time(verdict.offset_ms)
    shifted = " A shift alone can come from editing." if abs(verdict.offset_ms) >= 40 else ""
    return f"{said[0].upper()}{said[1:]}.{shifted}"


def _timeline(verdict: Verdict, calibration: Mapping[str, Any]) -> Safe:
    end_s = max(verdict.quality.duration_s, 0.1)
    parts: list[Child] = []
    for head in CURVES:
        segments = [segment for segment in verdict.segments if segment.modality == head]
        limit = calibration["segment_above"][head]
        parts.append(
            tag(
                "div", tag("span", tag("i", class_=f"key {head}"), HEADS[head]), _peak(verdict, head), class_="lanehead"
            )
        )
        parts.append(charts.lane(head, HEADS[head], verdict.timeline, end_s, limit, segments))
    return tag(
        "section",
        tag("h2", "When"),
        *parts,
        charts.time_axis(end_s),
        tag(
            "p",
            "Each curve is a probability of manipulation from 0 (bottom) to 1 (top). What lies above the dashed line "
            "is marked; marks lie at the foot of each lane. Grey: not judged.",
            class_="soft",
        ),
    )


def _peak(verdict: Verdict, head: str) -> Safe:
    values = [v for v in getattr(verdict.timeline, head) if v is not None]
    return tag("span", f"highest {max(values):.2f}" if values else "not judged", class_="soft")


def _segments(verdict: Verdict) -> Safe | None:
    if not verdict.segments:
        return None
    worst = sorted(verdict.segments, key=lambda segment: -segment.score)[:MOST_SEGMENTS]
    rows = [
        tag(
            "tr",
            tag(
                "td", f"{charts.time_text(round(s.start_s, 2))} – {charts.time_text(round(s.end_s, 2))}", class_="fixed"
            ),
            tag("td", HEADS.get(s.modality, s.modality)),
            tag("td", f"{s.score:.2f}", class_="number"),
        )
        for s in worst
    ]
    left = len(verdict.segments) - len(worst)
    return tag(
        "section",
        tag("h2", "Marked stretches"),
        tag("table", tag("tr", tag("th", "Time"), tag("th", "In"), tag("th", "Mean score", class_="number")), rows),
        tag("p", f"{left} more have lower scores.", class_="soft") if left else None,
        class_="long",
    )


def _evidence(context: Context) -> Safe | None:
    if context.evidence is None:
        return None
    note = "What the model was shown where its scores are highest: the aligned face, and the sound in bands."
    figures = [strip_figure(strip) for strip in context.evidence]
    none = None if figures else tag("p", "There is nothing to show: no window was judged.")
    extra = tag("p", context.evidence_note) if context.evidence_note else None
    return tag("section", tag("h2", "Evidence"), tag("p", note, class_="soft"), none, extra, *figures)


def _unseen(verdict: Verdict) -> Safe:
    quality = verdict.quality
    items = [
        f"A face was seen for {quality.face_s:.1f} of {quality.duration_s:.1f} s.",
        f"Speech was heard for {quality.speech_s:.1f} of {quality.duration_s:.1f} s.",
    ]
    for head, name in HEADS.items():
        said = verdict.heads.get(head)
        if said and getattr(verdict.score, head) is None:
            items.append(f"{name}: not judged, because {because(said.reasons) or 'there was nothing to judge'}.")
    items += [f"Warning: {warning}" for warning in verdict.warnings]
    items.append("Never judged: scenes without a face, who somebody is, why something was edited.")
    return tag(
        "section",
        tag("h2", "What could not be seen"),
        tag("ul", [tag("li", item) for item in items]),
        tag("table", tag("caption", "What there was to judge"), _qualities(quality)),
    )


def _qualities(quality: Quality) -> list[Child]:
    rows = [
        ("Distance between the eyes", quality.face_px, "{:.0f} px"),
        ("Turn of the head", quality.yaw, "{:.2f} eye distances"),
        ("Sharpness", quality.sharpness, "{:.1f}"),
        ("Brightness", quality.brightness, "{:.0f} of 255"),
        ("Highest frequency with sound", quality.bandwidth_hz, "{:.0f} Hz"),
        ("Loudness", quality.loudness_dbfs, "{:.1f} dBFS"),
    ]
    return [
        tag("tr", tag("td", name), tag("td", "–" if value is None else form.format(value), class_="number"))
        for name, value, form in rows
    ]


def _faces(verdict: Verdict) -> Safe | None:
    if len(verdict.tracks) < 2:
        return None
    rows = [
        tag(
            "tr",
            tag("td", f"{track.id}{' (judged as the speaker)' if track.primary else ''}"),
            tag("td", f"{charts.time_text(round(track.start_s, 1))} – {charts.time_text(round(track.end_s, 1))}"),
            *(tag("td", "–" if v is None else f"{v:.2f}", class_="number") for v in (track.video, track.sync)),
        )
        for track in verdict.tracks
    ]
    titles = tag(
        "tr", tag("th", "Face"), tag("th", "Seen"), *(tag("th", t, class_="number") for t in ("Picture", "Sync"))
    )
    note = "The clip's scores are those of the face whose lips move with the speech."
    return tag("section", tag("h2", "Faces"), tag("table", titles, rows), tag("p", note, class_="soft"), class_="long")


def _credentials(state: str | None) -> Safe | None:
    if state is None:
        return None
    note = tag("p", "Credentials are reported beside the verdict. They change no score.", class_="soft")
    return tag("section", tag("h2", "Content credentials"), tag("p", CREDENTIALS[state]), note)


def _calibration(calibration: Mapping[str, Any]) -> Safe:
    title = tag("h2", "How far a score can be trusted")
    known = calibration.get("reliability")
    if not known:
        none = "This model's bundle carries no reliability data, so how often a score is right is not known here."
        return tag("section", title, tag("p", none))
    names = {"overall": "Overall"} | HEADS
    figures = [
        tag(
            "figure",
            tag("b", names[head]),
            charts.reliability(bins, names[head]),
            tag("div", tag("span", "score 0"), tag("span", "1"), class_="ends"),
        )
        for head, bins in known["heads"].items()
        if bins
    ]
    note = (
        f"Measured on {known['clips']}. Across: the score that was given. Up: the share of those clips that was really "
        "manipulated, with its 95 % interval; larger dots: more clips. On the dashed line scores mean what they say."
    )
    return tag("section", title, tag("div", *figures, class_="plots"), tag("p", note, class_="soft"))


def _model(verdict: Verdict, text: str) -> Safe:
    rows = [("Model", verdict.model.id), ("Engine", verdict.model.engine), ("Licence", verdict.model.licence)]
    table = tag("table", [tag("tr", tag("td", name, class_="fixed"), tag("td", value)) for name, value in rows])
    spec = tag("p", f"Spec {verdict.model.spec_hash}", class_="hash")
    return tag("section", tag("h2", "The model"), table, spec, card(text), class_="card")


def _footer(version: str) -> Safe:
    return tag(
        "footer", f"Made by avguard {version}".strip() + " on the device that holds the file. Nothing was uploaded."
    )
