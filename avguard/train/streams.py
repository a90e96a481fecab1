# SPDX-License-Identifier: Apache-2.0
"""The two streams of the joint model: aligned faces, mouths and motion; log-mel and linear bands.

What costs (``FaceNet``, ``MouthNet``) looks at single frames, so that a stream pays for new frames only; what mixes
frames in time (``VideoStream.mix``) is small.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from avguard.spec import load_spec
from avguard.train.backbone import TAP_CHANNELS, Trunk
from avguard.train.styles import MixStyle

SPEC = load_spec()
FACES = SPEC.window.frames // SPEC.video.face_every
# One face of so many passes the heavy trunk; the others only the light net.
LOOK_EVERY = 3


def scaled(channels: int, width: float) -> int:
    """``channels * width``, rounded to a multiple of 8 (SIMD lanes), at least 8."""
    return max(8, int(channels * width / 8 + 0.5) * 8)


def pool(x: Tensor) -> Tensor:
    """Mean over height and width, both kept: (N, C, H, W) -> (N, C, 1, 1)."""
    return x.mean((2, 3), keepdim=True)


def conv(
    inputs: int, outputs: int, kernel: int | tuple[int, int] = 1, stride: int | tuple[int, int] = 1, pad: bool = True
) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    size = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = (size[0] // 2, size[1] // 2) if pad else (0, 0)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Separable(nn.Module):
    """Depthwise then pointwise convolution; adds its input back when the shape allows. (N, C, H, W) -> same kind."""

    def __init__(
        self, inputs: int, outputs: int, kernel: tuple[int, int] = (3, 3), stride: int | tuple[int, int] = 1
    ) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.depthwise = nn.Sequential(
            nn.Conv2d(inputs, inputs, kernel, stride, padding, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            nn.ReLU(inplace=True),
        )
        self.pointwise = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.relu = nn.ReLU(inplace=True)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.pointwise(self.depthwise(x))
        out: Tensor = self.relu(x + y) if self.residual else self.relu(y)
        return out


class FaceNet(nn.Module):
    """Aligned faces (N, 12, 4, 112, 112) -> (N, C, 1, 12).

    Fewer faces, a multiple of LOOK_EVERY, give as many columns. Every face passes a light net that also sees the
    difference to the frame after; one face of three passes the ImageNet trunk, whose taps are all kept: blending and
    generator artefacts are fine grain, people are not.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        a, b, c, d = (scaled(x, width) for x in (16, 24, 32, 48))
        self.channels = d + scaled(96, width)
        self.light = nn.Sequential(
            conv(4, a, 3, 2), Separable(a, b, stride=2), Separable(b, c, stride=2), Separable(c, d, stride=2)
        )
        self.trunk = Trunk(3, taps=3, style=MixStyle(FACES // LOOK_EVERY))
        # A look answers for the three steps around it, each by its own weights.
        self.look = conv(sum(TAP_CHANNELS[:3]), LOOK_EVERY * scaled(96, width))

    def forward(self, face: Tensor) -> Tensor:
        return self.join(self.lights(face), self.looks(face))

    def lights(self, face: Tensor) -> Tensor:
        """Faces (N, F, 4, 112, 112) -> what the light net says of each, (N, C, 1, F)."""
        n, frames, channels, height, width = face.shape
        light = pool(self.light(face.reshape(n * frames, channels, height, width)))
        return light.reshape(n, frames, -1, 1).permute(0, 2, 3, 1)

    def looks(self, face: Tensor) -> Tensor:
        """Faces (N, F, 3 or 4, 112, 112) -> the trunk's pooled taps for one of LOOK_EVERY, (N * looks, C, 1, 1)."""
        n, frames, channels, height, width = face.shape
        middle = channels * (LOOK_EVERY // 2)
        looks = face.reshape(n * frames // LOOK_EVERY, LOOK_EVERY * channels, height, width)[:, middle : middle + 3]
        return torch.cat([pool(tap) for tap in self.trunk(looks)], 1)

    def join(self, lights: Tensor, looks: Tensor) -> Tensor:
        """What ``lights`` and ``looks`` give -> (N, C, 1, F)."""
        n, _, _, frames = lights.shape
        looked = self.look(looks).reshape(n, frames, -1, 1).permute(0, 2, 3, 1)
        return torch.cat([lights, looked], 1)


class MouthNet(nn.Module):
    """Mouths (N, 48, 1, 48, 48) -> (N, C, 1, 48). The last kernel spans the map: lip shape is where, not how much."""

    def __init__(self, width: float) -> None:
        super().__init__()
        a, b, c, d, e = (scaled(x, width) for x in (8, 16, 24, 32, 64))
        self.channels = e
        self.net = nn.Sequential(
            conv(1, a, 3, 2), conv(a, b, 3, 2), conv(b, c, 3, 2), conv(c, d, 3, 2),
            conv(d, e, SPEC.video.mouth_px // 16, pad=False),
        )  # fmt: skip

    def forward(self, mouth: Tensor) -> Tensor:
        n, frames, channels, height, width = mouth.shape
        x: Tensor = self.net(mouth.reshape(n * frames, channels, height, width))
        return x.reshape(n, frames, self.channels, 1).permute(0, 2, 3, 1)


class VideoStream(nn.Module):
    """face, mouth, motion -> taps (N, C, 1, T) at T = 48, 24 and 12; ``channels`` names C of each."""

    def __init__(self, width: float) -> None:
        super().__init__()
        motion, fine, coarse = (scaled(x, width) for x in (32, 96, 128))
        self.channels = (fine, fine, coarse)
        self.face = FaceNet(width)
        self.mouth = MouthNet(width)
        self.motion = nn.Sequential(conv(SPEC.motion.dims, motion, (1, 3)), Separable(motion, motion, (1, 5)))
        self.tap1 = nn.Sequential(conv(self.mouth.channels + motion, fine), Separable(fine, fine, (1, 5)))
        self.tap2 = nn.Sequential(Separable(fine, fine, (1, 5), (1, 2)), Separable(fine, fine, (1, 5)))
        self.down = Separable(fine, fine, (1, 5), (1, 2))
        self.tap3 = nn.Sequential(conv(fine + self.face.channels, coarse), Separable(coarse, coarse, (1, 3)))

    def forward(self, face: Tensor, mouth: Tensor, motion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.mix(self.face(face), self.mouth(mouth), motion)

    def mix(self, faces: Tensor, mouths: Tensor, motion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features of single frames, from ``face`` (N, C, 1, 12) and ``mouth`` (N, C, 1, 48) -> the taps."""
        return self.above(self.tap1(torch.cat([mouths, self.motion(motion)], 1)), faces)

    def above(self, one: Tensor, faces: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The first tap and ``faces`` as for ``mix`` -> all three."""
        two = self.tap2(one)
        return one, two, self.tap3(torch.cat([self.down(two), faces], 1))


class Collapse(nn.Module):
    """All bands that are left into one, by kernels that span them: artefacts are local to bands. Bands -> 1."""

    def __init__(self, inputs: int, outputs: int, bands: int, kernels: int = 2) -> None:
        super().__init__()
        inner = kernels * inputs
        self.net = nn.Sequential(
            nn.Conv2d(inputs, inner, (bands, 1), groups=inputs, bias=False),
            nn.BatchNorm2d(inner), nn.ReLU(inplace=True), conv(inner, outputs),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out


class AudioStream(nn.Module):
    """mel, linear -> taps (N, C, 1, T) at T = 48, 24 and 12; ``channels`` names C of each.

    The ImageNet trunk reads the linear bands as a picture: its strides turn 192 frames into just these three depths.
    The mel bands, finer where voices have their formants, join at the first tap for the alignment with the lips.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        stem, voice = scaled(8, width), scaled(32, width)
        fine, coarse = scaled(96, width), scaled(128, width)
        self.channels = (fine, fine, coarse)
        bands = SPEC.audio.linear_bands // 4
        self.mel = nn.Sequential(
            conv(1, stem, 3, 2), Separable(stem, voice, stride=2), Collapse(voice, voice, SPEC.audio.mel_bands // 4, 1)
        )
        self.trunk = Trunk(1)
        self.tap1 = Collapse(TAP_CHANNELS[0], voice, bands)
        self.join = conv(2 * voice, fine)
        self.tap2 = Collapse(TAP_CHANNELS[1], fine, bands // 2)
        self.tap3 = Collapse(TAP_CHANNELS[3], coarse, bands // 4)

    def forward(self, mel: Tensor, linear: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        fine, middle, _, coarse = self.trunk(linear)
        return self.mix(mel, fine, middle, coarse)

    def mix(self, mel: Tensor, fine: Tensor, middle: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mel bands and the taps of the trunk that are used -> the stream's taps."""
        one = self.join(torch.cat([self.tap1(fine), self.mel(mel)], 1))
        return one, self.tap2(middle), self.tap3(coarse)
