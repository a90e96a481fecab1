# SPDX-License-Identifier: Apache-2.0
"""The joint model in its streaming form: three methods in one program, and a state that the caller keeps.

``encode_video``: half a window of new frames -> their features. The features of the half before are the state.
``encode_audio``: a window of sound -> its taps. Bands are normalised over the window, so sound is encoded anew.
``fuse``: the features of both halves and the taps -> what the window form answers, to the bit but for rounding.

Regular windows overlap by half (spec.window.stride_frames), so that each picture is encoded once instead of twice.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.export import export

from avguard.errors import UsageError
from avguard.spec import load_spec
from avguard.train.graph import deployable
from avguard.train.model import JointModel
from export.seal import seal
from export.to_executorch import lower_methods

SPEC = load_spec()
HALF = SPEC.window.stride_frames


class EncodeVideo(nn.Module):
    """face (1, 6, 4, 112, 112), mouth (1, 24, 1, 48, 48) -> features (1, C, 1, 6) and (1, C, 1, 24)."""

    def __init__(self, model: JointModel) -> None:
        super().__init__()
        assert model.video is not None
        self.face, self.mouth = model.video.face, model.video.mouth

    def forward(self, face: Tensor, mouth: Tensor) -> tuple[Tensor, Tensor]:
        return self.face(face), self.mouth(mouth)


class EncodeAudio(nn.Module):
    """mel (1, 1, 64, 192), linear (1, 1, 128, 192) -> three taps (1, C, 1, 48 | 24 | 12)."""

    def __init__(self, model: JointModel) -> None:
        super().__init__()
        assert model.audio is not None
        self.audio = model.audio

    def forward(self, mel: Tensor, linear: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        taps: tuple[Tensor, Tensor, Tensor] = self.audio(mel, linear)
        return taps


class Fuse(nn.Module):
    """Features of a window's faces (1, C, 1, 12) and mouths (1, C, 1, 48), motion (1, 48, 1, 48), taps -> the outputs.

    The caller joins the older half, its state, with the newer one: two short copies, which would not be delegated.
    """

    def __init__(self, model: JointModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, faces: Tensor, mouths: Tensor, motion: Tensor, fine: Tensor, middle: Tensor, coarse: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        assert self.model.video is not None
        video = self.model.video.mix(faces, mouths, motion)
        out: tuple[Tensor, Tensor, Tensor, Tensor] = self.model.fuse(video, (fine, middle, coarse), motion)
        return out


def methods(model: JointModel) -> dict[str, nn.Module]:
    """The three modules by method name; they share ``model``'s weights. Raises UsageError when a stream is left out."""
    if model.video is None or model.audio is None or model.sync is None:
        raise UsageError("the streaming form needs all three streams; this model was made without some of them")
    return {"encode_video": EncodeVideo(model), "encode_audio": EncodeAudio(model), "fuse": Fuse(model)}


def example_inputs(model: JointModel) -> dict[str, tuple[Tensor, ...]]:
    """Zeros in the shapes of each method's inputs, for tracing."""
    parts = methods(model)
    face = torch.zeros(1, HALF // SPEC.video.face_every, 4, SPEC.video.canvas_px, SPEC.video.canvas_px)
    mouth = torch.zeros(1, HALF, 1, SPEC.video.mouth_px, SPEC.video.mouth_px)
    frames = SPEC.window.frames * SPEC.audio.frames_per_video_frame
    sound = tuple(torch.zeros(1, 1, bands, frames) for bands in (SPEC.audio.mel_bands, SPEC.audio.linear_bands))
    with torch.no_grad():
        encoded, taps = parts["encode_video"](face, mouth), parts["encode_audio"](*sound)
    motion = torch.zeros(1, SPEC.motion.dims, 1, SPEC.window.frames)
    return {
        "encode_video": (face, mouth),
        "encode_audio": sound,
        "fuse": (*(torch.cat([e, e], 3) for e in encoded), motion, *taps),
    }


def export_streaming(model: JointModel) -> bytes:
    """The float32 program with the three methods as bytes. Raises UsageError, or ModelError as ``lower`` does."""
    with torch.no_grad():
        copy = deployable(model)
        examples = example_inputs(copy)
        programs = {name: export(part.eval(), examples[name], strict=False) for name, part in methods(copy).items()}
        return seal(lower_methods(programs))


class Stream:
    """The streaming form in PyTorch: push halves, get windows. What the parity tests and a port are compared with."""

    def __init__(self, model: JointModel) -> None:
        self.parts = methods(model.eval())
        self.state: tuple[Tensor, ...] | None = None

    @torch.no_grad()
    def push(
        self, face: Tensor, mouth: Tensor, motion: Tensor, mel: Tensor, linear: Tensor
    ) -> tuple[Tensor, ...] | None:
        """One new half of pictures, and motion and sound of the window that it ends; None for the first half."""
        old, self.state = self.state, self.parts["encode_video"](face, mouth)
        if old is None:
            return None
        whole = (torch.cat(halves, 3) for halves in zip(old, self.state, strict=True))
        out: tuple[Tensor, ...] = self.parts["fuse"](*whole, motion, *self.parts["encode_audio"](mel, linear))
        return out
