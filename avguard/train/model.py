# SPDX-License-Identifier: Apache-2.0
"""The joint model: a video stream, an audio stream and a sync-stream over both, in one small network.

After Zhou & Lim, "Joint Audio-Visual Deepfake Detection" (ICCV 2021): each stream has its own label, and the
sync-stream reads both at three depths, fine to coarse, at equal time steps. The paper's backbones are not public; the
ones here are our own, chosen so that the whole graph lowers to a single XNNPACK delegate: every tensor is 4-D, time
is the width of ``(N, C, 1, T)``, frames are folded into the batch, and no module is called twice. Both streams start
from an ImageNet trunk (``backbone``), which ``width`` leaves alone: half an hour of real faces teaches no eye to see.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor, nn

from avguard.errors import UsageError
from avguard.spec import load_spec
from avguard.train.backbone import Trunk, load_imagenet
from avguard.train.streams import FACES, AudioStream, Separable, VideoStream, conv, pool, scaled

SPEC = load_spec()
FRAMES = SPEC.window.frames
STEPS = SPEC.window.steps
AUDIO_FRAMES = FRAMES * SPEC.audio.frames_per_video_frame
STREAMS = ("video", "audio", "sync")
DEPTHS = 3

INPUT_SHAPES: dict[str, tuple[int, ...]] = {
    "face": (FACES, 4, SPEC.video.canvas_px, SPEC.video.canvas_px),
    "mouth": (FRAMES, 1, SPEC.video.mouth_px, SPEC.video.mouth_px),
    "motion": (SPEC.motion.dims, 1, FRAMES),
    "mel": (1, SPEC.audio.mel_bands, AUDIO_FRAMES),
    "linear": (1, SPEC.audio.linear_bands, AUDIO_FRAMES),
}
"""Shape of each input of ``JointModel.forward``, without the batch, in argument order."""

OUTPUT_SHAPES: dict[str, tuple[int, ...]] = {
    "logits_window": (len(SPEC.heads),),
    "logits_steps": (len(SPEC.heads), STEPS),
    "embed_video": (SPEC.embedding_dims, 1, FRAMES),
    "embed_audio": (SPEC.embedding_dims, 1, FRAMES),
}
"""Shape of each output of ``JointModel.forward``, without the batch, in order."""

# Lags in video frames at which the sync-stream first compares voice with lips: muxing offsets of a few frames are
# ordinary, so a comparison at lag zero alone would call every one of them a mismatch.
LAGS = (-4, -2, 0, 2, 4)


class LagProduct(nn.Module):
    """Products of the two embeddings at several lags, two (N, E, 1, T) -> (N, C, 1, T): where lips and voice agree."""

    def __init__(self, dims: int, outputs: int) -> None:
        super().__init__()
        reach = max(LAGS)
        self.spread = nn.Conv2d(dims, dims * len(LAGS), 1, groups=dims, bias=False)
        self.shift = nn.Conv2d(dims, dims * len(LAGS), (1, 2 * reach + 1), padding=(0, reach), groups=dims, bias=False)
        self.mix = conv(dims * len(LAGS), outputs)
        # Start as an exact correlation at each lag; training may then widen or move the filters.
        nn.init.ones_(self.spread.weight)
        nn.init.zeros_(self.shift.weight)
        with torch.no_grad():
            for i, lag in enumerate(LAGS):
                self.shift.weight[i :: len(LAGS), :, :, reach + lag] = 1.0

    def forward(self, video: Tensor, audio: Tensor) -> Tensor:
        out: Tensor = self.mix(self.spread(video) * self.shift(audio))
        return out


class Fusion(nn.Module):
    """One depth of the sync-stream: [video, audio, video - audio, carried] -> (N, C, 1, T)."""

    def __init__(self, video: int, audio: int, carried: int, outputs: int) -> None:
        super().__init__()
        self.video = conv(video, outputs)
        self.audio = conv(audio, outputs)
        self.mix = nn.Sequential(conv(3 * outputs + carried, outputs), Separable(outputs, outputs, (1, 5)))

    def forward(self, video: Tensor, audio: Tensor, carried: Tensor) -> Tensor:
        v, a = self.video(video), self.audio(audio)
        out: Tensor = self.mix(torch.cat([v, a, v - a, carried], 1))
        return out


class SyncStream(nn.Module):
    """Both streams' three taps and both embeddings -> (N, C, 1, 12), fine to coarse.

    ``taps``: depths at which it reads the streams, from the coarsest on; what the embeddings say enters all the same.
    """

    def __init__(self, video: tuple[int, ...], audio: tuple[int, ...], width: float, taps: int = DEPTHS) -> None:
        super().__init__()
        c, d = scaled(48, width), scaled(64, width)
        self.channels = d
        self.lags = LagProduct(SPEC.embedding_dims, c)
        self.fuse1 = Fusion(video[0], audio[0], c, c) if taps > 2 else None
        self.down1 = Separable(c, c, (1, 3), (1, 2))
        self.fuse2 = Fusion(video[1], audio[1], c, c) if taps > 1 else None
        self.down2 = Separable(c, d, (1, 3), (1, 2))
        self.fuse3 = Fusion(video[2], audio[2], d, d)

    def forward(
        self, video: tuple[Tensor, ...], audio: tuple[Tensor, ...], embed_video: Tensor, embed_audio: Tensor
    ) -> Tensor:
        x = self.lags(embed_video, embed_audio)
        if self.fuse1 is not None:
            x = self.fuse1(video[0], audio[0], x)
        x = self.down1(x)
        if self.fuse2 is not None:
            x = self.fuse2(video[1], audio[1], x)
        out: Tensor = self.fuse3(video[2], audio[2], self.down2(x))
        return out


class Head(nn.Module):
    """Features (N, C, 1, 12) -> window logit (N, 1, 1, 1) and step logits (N, 1, 1, 12), each with its own weights."""

    def __init__(self, inputs: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.hidden = conv(inputs, hidden)
        self.window = nn.Conv2d(hidden, 1, 1)
        self.steps = nn.Conv2d(inputs, 1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.dropout(x)
        return self.window(pool(self.hidden(y))), self.steps(y)


def embedding(inputs: int) -> nn.Sequential:
    """1x1 projection to the contrastive space. Batch norm (folded at export) keeps the two sides at one scale."""
    dims = SPEC.embedding_dims
    return nn.Sequential(nn.Conv2d(inputs, dims, 1, bias=False), nn.BatchNorm2d(dims))


class JointModel(nn.Module):
    """Five inputs (``INPUT_SHAPES``) -> four outputs (``OUTPUT_SHAPES``), logits in the order of the spec's heads.

    ``width`` scales every channel count (a teacher is the same class, wider); ``dropout`` is the probability before
    each head; ``streams`` leaves out parts for ablations: heads and embeddings of a part left out answer zero, and
    "sync" without "video" or "audio" keeps the streams that feed it, without their own heads; ``taps``: see
    ``SyncStream``. ``config`` holds them, for ``JointModel(**config)``. Raises UsageError on an unknown stream, a width
    that is not positive, or more or fewer taps than there are.

    On a CPU train with ``model.to(memory_format=torch.channels_last)``: about 1.5 times faster, and export undoes it.
    """

    def __init__(
        self, width: float = 1.0, dropout: float = 0.2, streams: Collection[str] = STREAMS, taps: int = DEPTHS
    ) -> None:
        super().__init__()
        if not streams or not set(streams) <= set(STREAMS):
            raise UsageError(f"streams must be some of {STREAMS}, got {tuple(streams)}")
        if width <= 0:
            raise UsageError(f"width must be positive, got {width}")
        if not 1 <= taps <= DEPTHS:
            raise UsageError(f"taps must be 1 to {DEPTHS}, got {taps}")
        self.config = {"width": width, "dropout": dropout, "streams": [s for s in STREAMS if s in streams]}
        # Checkpoints that were shipped know nothing of it.
        self.config |= {"taps": taps} if taps != DEPTHS else {}
        joint = "sync" in streams
        self.video = VideoStream(width) if joint or "video" in streams else None
        self.audio = AudioStream(width) if joint or "audio" in streams else None
        self.embed_video: nn.Module | None = None
        self.embed_audio: nn.Module | None = None
        self.sync: SyncStream | None = None
        channels: dict[str, int] = {}
        if self.video is not None and "video" in streams:
            channels["video"] = self.video.channels[2]
        if self.audio is not None and "audio" in streams:
            channels["audio"] = self.audio.channels[2]
        if joint and self.video is not None and self.audio is not None:
            self.embed_video = embedding(self.video.channels[0])
            self.embed_audio = embedding(self.audio.channels[0])
            self.sync = SyncStream(self.video.channels, self.audio.channels, width, taps)
            channels["sync"] = channels["desync"] = self.sync.channels
        hidden = scaled(48, width)
        self.heads = nn.ModuleDict({h: Head(channels[h], hidden, dropout) for h in SPEC.heads if h in channels})

    def forward(
        self, face: Tensor, mouth: Tensor, motion: Tensor, mel: Tensor, linear: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        video = None if self.video is None else self.video(face, mouth, motion)
        audio = None if self.audio is None else self.audio(mel, linear)
        return self.fuse(video, audio, face)

    def fuse(
        self, video: tuple[Tensor, ...] | None, audio: tuple[Tensor, ...] | None, like: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Taps of both streams -> the outputs; ``like`` gives batch size, type and place of what is left out."""
        n = like.shape[0]
        features: dict[str, Tensor] = {}
        if video:
            features["video"] = video[2]
        if audio:
            features["audio"] = audio[2]
        if self.sync and self.embed_video and self.embed_audio and video and audio:
            embed_video = self.embed_video(video[0])
            embed_audio = self.embed_audio(audio[0])
            features["sync"] = self.sync(video, audio, embed_video, embed_audio)
            features["desync"] = features["sync"]
        else:
            embed_video = embed_audio = like.new_zeros(n, *OUTPUT_SHAPES["embed_video"])
        window, steps = self._heads(features, like)
        return window.reshape(n, len(SPEC.heads)), steps.reshape(n, len(SPEC.heads), STEPS), embed_video, embed_audio

    def _heads(self, features: dict[str, Tensor], like: Tensor) -> tuple[Tensor, Tensor]:
        window, steps = [], []
        for name in SPEC.heads:
            if name in self.heads:
                w, s = self.heads[name](features[name])
            else:
                w, s = like.new_zeros(like.shape[0], 1, 1, 1), like.new_zeros(like.shape[0], 1, 1, STEPS)
            window.append(w)
            steps.append(s)
        return torch.cat(window, 1), torch.cat(steps, 1)


def pretrained_trunks(model: JointModel) -> list[Trunk]:
    """The trunks of ``model``, now with ImageNet weights."""
    trunks = [module for module in model.modules() if isinstance(module, Trunk)]
    for trunk in trunks:
        load_imagenet(trunk)
    return trunks


def random_inputs(n: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Normal noise in the model's input shapes, batch ``n``: for tests, profiling and tracing."""
    return tuple(torch.randn(n, *shape, generator=generator) for shape in INPUT_SHAPES.values())


def count_parameters(model: nn.Module) -> int:
    """Number of trainable scalars."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def count_macs(model: JointModel) -> dict[str, int]:
    """Multiply-accumulates of all convolutions for one window, by part (two name levels), and their ``total``."""
    macs: dict[str, int] = {}

    def hook(part: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def add(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
            if isinstance(module, nn.Conv2d):
                macs[part] = macs.get(part, 0) + module.weight[0].numel() * output.numel()

        return add

    handles = [
        m.register_forward_hook(hook(".".join(name.split(".")[:2])))
        for name, m in model.named_modules()
        if isinstance(m, nn.Conv2d)
    ]
    training = model.training
    model.eval()
    with torch.no_grad():
        model(*random_inputs(1, torch.Generator().manual_seed(0)))
    model.train(training)
    for handle in handles:
        handle.remove()
    macs["total"] = sum(macs.values())
    return macs
