# SPDX-License-Identifier: Apache-2.0
"""The streaming form: new frames only, and the same answers as the window form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from executorch.runtime import Runtime, Verification
from torch import Tensor

from avguard.errors import UsageError
from avguard.train.model import JointModel, random_inputs
from export.streaming import HALF, Stream, export_streaming, methods

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
FACES = HALF // 4


@pytest.fixture(scope="module")
def model() -> JointModel:
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = JointModel(width=0.5).train()
        with torch.no_grad():
            for seed in range(10):
                model(*random_inputs(4, torch.Generator().manual_seed(seed)))
    return model.eval()


@pytest.fixture(scope="module")
def film() -> list[tuple[Tensor, ...]]:
    """Halves of pictures (face, mouth) and, for each, motion and sound of the window that it ends."""
    generator = torch.Generator().manual_seed(7)
    out = []
    for _ in range(4):
        face, mouth, motion, mel, linear = random_inputs(1, generator)
        out.append((face[:, :FACES], mouth[:, :HALF], motion, mel, linear))
    return out


def windows(film: list[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
    return [
        (torch.cat([old[0], new[0]], 1), torch.cat([old[1], new[1]], 1), *new[2:])
        for old, new in zip(film, film[1:], strict=False)
    ]


def test_the_streaming_form_equals_the_window_form(model: JointModel, film: list[tuple[Tensor, ...]]) -> None:
    stream = Stream(model)
    answers = [stream.push(*half) for half in film]
    assert answers[0] is None
    for answer, window in zip(answers[1:], windows(film), strict=True):
        assert answer is not None
        with torch.no_grad():
            for got, want in zip(answer, model(*window), strict=True):
                assert torch.allclose(got, want, atol=1e-4)


def test_the_program_has_three_delegates_and_equals_the_window_form(
    model: JointModel, film: list[tuple[Tensor, ...]]
) -> None:
    # export_streaming itself refuses a method with anything outside its one delegate.
    program = Runtime.get().load_program(export_streaming(model), verification=Verification.Minimal)
    assert {"encode_video", "encode_audio", "fuse"} <= set(program.method_names)
    encode_video, encode_audio, fuse = (program.load_method(n) for n in ("encode_video", "encode_audio", "fuse"))
    state: list[Tensor] = []
    for half, window in zip(film, [None, *windows(film)], strict=True):
        face, mouth, motion, mel, linear = (x.contiguous() for x in half)
        new = [x.clone() for x in encode_video.execute([face, mouth])]
        if window is not None:
            taps = [x.clone() for x in encode_audio.execute([mel, linear])]
            answer = [
                x.clone()
                for x in fuse.execute([*(torch.cat(h, 3) for h in zip(state, new, strict=True)), motion, *taps])
            ]
            with torch.no_grad():
                for got, want in zip(answer, model(*window), strict=True):
                    assert np.abs(got.numpy() - want.numpy()).max() < 1e-4
        state = new


def test_a_model_without_all_streams_has_no_streaming_form() -> None:
    with pytest.raises(UsageError, match="all three streams"):
        methods(JointModel(width=0.5, streams=["audio"]))
