# SPDX-License-Identifier: Apache-2.0
"""``python -m avguard.train.experiments.film``: where in the picture; partial fakes of bona fide clips, as judged.

Of every bona fide clip of ``test`` that is long enough, a stretch of the face is forged (``forge.video``, families that
have a seam-free way in and out) and pasted back into the frames, by the inverse of the similarity that made the canvas
and through a soft mask. The clip as it is, decoded and written in the same way, is judged beside it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from avguard import Checker, Verdict, _core
from avguard.data.row import Row
from avguard.errors import AvguardError
from avguard.evaluate.localise import ClipSpans, average_precision_at, average_recall_at
from avguard.evaluate.manifest import read_manifest
from avguard.evaluate.robustness.material import Material, read, stamp, write
from avguard.line import open_extractor
from avguard.spec import load_spec
from avguard.train.experiments.partial import LONGEST_S, OVERLAPS, PROPOSALS, SHORTEST_S, segments_of
from avguard.train.forge.video import Clip, forge_video
from avguard.train.mesh import Floats, Pixels

SPEC = load_spec()
PERIOD_S = SPEC.video.period_us / 1e6
LONGEST_FRAMES, SHORTEST_FRAMES, LEAST_FORGED = 40, 16, 10
FAMILIES = (
    "self_blend", "time_shift_blend", "low_res_mouth", "other_moment_mouth", "lip_reenact", "face_swap", "over_smooth",
    "upsample_artefacts", "autoencoder_like",
)  # fmt: skip
# Mesh points that the canvas is fitted on: the corners of both eyes, and the base of the nose (cpp/src/face/align.cc).
RIGHT_EYE, LEFT_EYE, NOSE_BASE = (33, 133), (263, 362), 2
FEATHER_PX, EDGE_PX = 2.0, 3


@dataclass(frozen=True)
class Track:
    """The largest face of a film: frame numbers (n,), canvases (n,112,112,3), points (n,468,2) and poses (n,4)."""

    indices: NDArray[np.int64]
    canvases: Pixels
    points: Floats
    poses: Floats


@dataclass(frozen=True)
class Found:
    """What the product says of one clip in both forms."""

    family: str
    forged: ClipSpans
    plain_segments: int


def on_grid(clip: Material) -> NDArray[np.uint8]:
    """Frames (T,H,W,3) of ``clip`` at the spec's rate, each the latest that was shown by then."""
    times = np.array([float((frame.pts or 0) * (frame.time_base or 0)) for frame in clip.frames])
    shown = np.searchsorted(times, np.arange(0, times[-1] + 1e-6, PERIOD_S) + 1e-6, side="right") - 1
    pictures = {i: clip.frames[i].to_ndarray(format="rgb24") for i in sorted(set(shown.tolist()))}
    return np.stack([pictures[i] for i in shown.tolist()])


def film(pictures: NDArray[np.uint8], clip: Material) -> Material:
    """``clip`` with other pictures, at the spec's rate."""
    frames = [av.VideoFrame.from_ndarray(np.ascontiguousarray(p), "rgb24").reformat(format="yuv420p") for p in pictures]
    return replace(clip, frames=tuple(stamp(frame, i * PERIOD_S) for i, frame in enumerate(frames)))


def follow(pictures: NDArray[np.uint8], extractor: _core.Model) -> Track | None:
    """The track that is longest; None when no face was found."""
    session = _core.Session(extractor, expect_audio=False, extract=True)
    height, width = pictures.shape[1:3]
    for i, picture in enumerate(pictures):
        session.push_frame([np.ascontiguousarray(picture)], "rgb24", width, height, i * SPEC.video.period_us)
    session.finish()
    tracks = session.extracted()["tracks"]
    if not tracks:
        return None
    best = max(tracks, key=lambda track: len(track["indices"]))
    return Track(*(best[key] for key in ("indices", "canvases", "points", "poses")))


def canvas_maps(points: Floats, poses: Floats) -> NDArray[np.float64]:
    """Forward matrices (T,2,3) from picture to canvas: poses are of the picture's mesh, points of the canvas's."""
    anchors = np.stack([points[:, RIGHT_EYE].mean(1), points[:, LEFT_EYE].mean(1), points[:, NOSE_BASE]], 1)
    across = (anchors[:, 1] - anchors[:, 0]).astype(np.float64)
    angle_rad, log_unit = poses[:, 0].astype(np.float64), poses[:, 1].astype(np.float64)
    unit_px = np.exp(log_unit)
    scale = np.hypot(*across.T) / unit_px
    turn = np.arctan2(across[:, 1], across[:, 0]) - angle_rad
    a, b = scale * np.cos(turn), scale * np.sin(turn)
    linear = np.stack([np.stack([a, -b], -1), np.stack([b, a], -1)], 1)
    centre = poses[:, 2:].astype(np.float64) * unit_px[:, None]
    shift = anchors.mean(1) - (linear @ centre[:, :, None])[..., 0]
    return np.concatenate([linear, shift[:, :, None]], 2)


def soft_cover(before: Pixels, after: Pixels) -> Floats:
    """(T,112,112) in 0..1: one where a pixel was forged, fading out around it."""
    changed = (before != after).any(-1).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * EDGE_PX + 1, 2 * EDGE_PX + 1))
    covers = [cv2.GaussianBlur(cv2.dilate(c, disc).astype(np.float32), (0, 0), FEATHER_PX) for c in changed]
    # Nothing beyond the canvas is known: the cover ends before its edge.
    rim = np.zeros(changed.shape[1:], np.float32)
    rim[2 * EDGE_PX : -2 * EDGE_PX, 2 * EDGE_PX : -2 * EDGE_PX] = 1
    return np.stack(covers) * cv2.GaussianBlur(rim, (0, 0), FEATHER_PX)


def pasted(pictures: NDArray[np.uint8], before: Pixels, after: Pixels, maps: NDArray[np.float64]) -> NDArray[np.uint8]:
    """``pictures`` (T,H,W,3) with what changed of their canvases, by the maps from picture to canvas (T,2,3)."""
    size = (pictures.shape[2], pictures.shape[1])
    result = pictures.copy()
    for i, cover in enumerate(soft_cover(before, after)):
        # The matrix leads from where a pixel is wanted to where it is read: from the picture to the canvas.
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        face = cv2.warpAffine(after[i], maps[i], size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        weight = cv2.warpAffine(cover, maps[i], size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)[..., None]
        mixed = pictures[i] + weight * (face.astype(np.float32) - pictures[i])
        result[i] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return result


def spans_of(fake: NDArray[np.bool_], first: int) -> tuple[tuple[float, float], ...]:
    """Forged runs in seconds; ``first``: number of the frame that ``fake`` (T,) begins with."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], fake.astype(np.int8), [0]]))).reshape(-1, 2)
    return tuple(((first + a) * PERIOD_S, (first + b) * PERIOD_S) for a, b in edges.tolist())


def forge_stretch(
    pictures: NDArray[np.uint8], track: Track, donor: Clip | None, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], tuple[tuple[float, float], ...], str] | None:
    """``pictures`` with a stretch of the face forged, its spans and family; None where no stretch is long enough."""
    length = int(rng.integers(SHORTEST_FRAMES, LONGEST_FRAMES + 1))
    ends = track.indices[length - 1 :] if len(track.indices) >= length else track.indices[:0]
    starts = np.flatnonzero(ends - track.indices[: len(ends)] == length - 1)
    for _ in range(20 if len(starts) else 0):
        at = int(rng.choice(starts))
        part = slice(at, at + length)
        family = str(rng.choice([f for f in FAMILIES if donor is not None or f != "face_swap"]))
        canvases, points = np.ascontiguousarray(track.canvases[part]), np.ascontiguousarray(track.points[part])
        made = forge_video(canvases, points, rng, family, donor)
        if made.frame_fake.sum() < LEAST_FORGED:
            continue
        first = int(track.indices[at])
        whole = pictures.copy()
        place = slice(first, first + length)
        whole[place] = pasted(pictures[place], canvases, made.canvases, canvas_maps(points, track.poses[part]))
        # What the forge left alone stays the picture's own, bit for bit.
        whole[place][~made.frame_fake] = pictures[place][~made.frame_fake]
        return whole, spans_of(made.frame_fake, first), family
    return None


def measure(rows: Sequence[Row], data: Path, checker: Checker, seed: int = 0) -> Iterator[Found]:
    """What is found in each bona fide clip of ``rows`` that shows a face for long enough."""
    extractor, donor, donor_source = open_extractor(), None, ""
    with tempfile.TemporaryDirectory(prefix="avguard-film-") as folder:
        path = Path(folder) / "clip.mp4"

        def check(clip: Material) -> Verdict:
            write(clip, path)
            return checker.check(path)

        for number, row in enumerate(r for r in rows if r.kind == "real" and r.media == "clips"):
            try:
                clip = read(data / row.path, LONGEST_S)
                if not clip.frames or clip.seconds < SHORTEST_S:
                    continue
                pictures = on_grid(clip)
                track = follow(pictures, extractor)
                stranger = donor if row.source != donor_source else None
                made = track and forge_stretch(pictures, track, stranger, np.random.default_rng([seed, number]))
                if track is None or made is None:
                    continue
                plain, forged = check(film(pictures, clip)), check(film(made[0], clip))
            except AvguardError:
                continue
            donor, donor_source = (track.canvases[:LONGEST_FRAMES], track.points[:LONGEST_FRAMES]), row.source
            yield Found(made[2], ClipSpans(made[1], segments_of(forged, "video")), len(segments_of(plain, "video")))


def table(found: Sequence[Found]) -> str:
    """Markdown: AP and AR of the segments, and how many clips as they are have one."""
    clips = [f.forged for f in found]
    lines = ["| what | clips | value |", "|---|---|---|"]
    lines += [f"| AP@{o} of forged picture | {len(clips)} | {average_precision_at(clips, o):.3f} |" for o in OVERLAPS]
    lines.append(f"| AR@{PROPOSALS} of forged picture | {len(clips)} | {average_recall_at(clips, PROPOSALS):.3f} |")
    alarms = sum(f.plain_segments > 0 for f in found)
    lines.append(f"| clips as they are with a video segment | {len(found)} | {alarms} |")
    lines.append(f"| forged clips with a video segment | {len(found)} | {sum(bool(c.proposals) for c in clips)} |")
    return "\n".join(lines)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m avguard.train.experiments.film", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AVGUARD_SHARED", "../shared")) / "data")
    args = parser.parse_args()
    rows = [row for row in read_manifest(args.data) if row.split == "test"]
    with Checker() as checker:
        sys.stdout.write(table(list(measure(rows, args.data, checker))) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
