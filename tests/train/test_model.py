# SPDX-License-Identifier: Apache-2.0
"""The joint model: shapes, budgets, no cross-talk between streams, gradients everywhere, ablations."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from avguard.errors import UsageError
from avguard.spec import load_spec
from avguard.train.model import (
    INPUT_SHAPES,
    OUTPUT_SHAPES,
    JointModel,
    LagProduct,
    count_macs,
    count_parameters,
    random_inputs,
)

HEADS = load_spec().heads


def batch(n: int = 2, seed: int = 0) -> dict[str, Tensor]:
    return dict(zip(INPUT_SHAPES, random_inputs(n, torch.Generator().manual_seed(seed)), strict=True))


@pytest.fixture
def model() -> JointModel:
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return JointModel()


def moved(model: JointModel, changed: tuple[str, ...]) -> dict[str, float]:
    """Largest change of each head's logits (window and steps) when the named inputs are replaced."""
    one, two = batch(seed=1), batch(seed=2)
    mixed = {name: (two if name in changed else one)[name] for name in INPUT_SHAPES}
    with torch.no_grad():
        before, after = model(**one), model(**mixed)
    return {
        head: max(float((a[:, i] - b[:, i]).abs().max()) for a, b in zip(before[:2], after[:2], strict=True))
        for i, head in enumerate(HEADS)
    }


def test_outputs_have_the_shapes_of_the_contract(model: JointModel) -> None:
    outputs = model.eval()(**batch(3))
    assert [tuple(o.shape) for o in outputs] == [(3, *shape) for shape in OUTPUT_SHAPES.values()]
    assert all(torch.isfinite(o).all() for o in outputs)


def test_missing_modalities_stay_finite(model: JointModel) -> None:
    outputs = model.eval()(**{k: torch.zeros_like(v) for k, v in batch().items()})
    assert all(torch.isfinite(o).all() for o in outputs)


def test_swapping_sound_never_moves_the_video_head(model: JointModel) -> None:
    change = moved(model.eval(), ("mel", "linear"))
    assert change["video"] == 0.0
    assert min(change["audio"], change["sync"], change["desync"]) > 0.0


def test_swapping_pictures_never_moves_the_audio_head(model: JointModel) -> None:
    change = moved(model.eval(), ("face", "mouth", "motion"))
    assert change["audio"] == 0.0
    assert min(change["video"], change["sync"], change["desync"]) > 0.0


@pytest.mark.parametrize("name", list(INPUT_SHAPES))
def test_every_input_reaches_the_sync_stream(model: JointModel, name: str) -> None:
    change = moved(model.eval(), (name,))
    assert min(change["sync"], change["desync"]) > 0.0


def test_windows_of_a_batch_do_not_mix(model: JointModel) -> None:
    model.eval()
    x = batch(3)
    with torch.no_grad():
        together, alone = model(**x), model(**{k: v[1:2] for k, v in x.items()})
    assert all(torch.allclose(a[1:2], b, atol=1e-5) for a, b in zip(together, alone, strict=True))


def test_budget_of_the_student(model: JointModel) -> None:
    macs = count_macs(model)
    assert count_parameters(model) <= 1_000_000
    assert macs["total"] == sum(v for k, v in macs.items() if k != "total") <= 330_000_000
    assert model.training


def test_macs_of_one_layer_by_hand(model: JointModel) -> None:
    fine, voice, frames = 96, 32, 48
    assert count_macs(model)["audio.join"] == 2 * voice * fine * frames


def test_gradient_reaches_every_parameter(model: JointModel) -> None:
    outputs = model.train()(**batch(4))
    sum(o.square().sum() for o in outputs).backward()
    dead = [k for k, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert dead == []


def test_width_makes_a_bigger_model_of_the_same_shape() -> None:
    wide, narrow = JointModel(width=2.0), JointModel(width=0.5)
    assert count_parameters(narrow) < count_parameters(JointModel()) < count_parameters(wide) / 1.5
    assert [tuple(o.shape) for o in narrow.eval()(**batch(1))] == [(1, *s) for s in OUTPUT_SHAPES.values()]


def test_config_rebuilds_the_model(model: JointModel) -> None:
    JointModel(**model.config).load_state_dict(model.state_dict())


@pytest.mark.parametrize(
    ("streams", "alive"),
    [
        (("video",), {"video"}),
        (("audio",), {"audio"}),
        (("video", "audio"), {"video", "audio"}),
        (("sync",), {"sync", "desync"}),
        (("video", "audio", "sync"), set(HEADS)),
    ],
)
def test_ablations_answer_zero_where_a_part_is_left_out(streams: tuple[str, ...], alive: set[str]) -> None:
    window, steps, embed_video, embed_audio = JointModel(streams=streams).eval()(**batch(2))
    for i, head in enumerate(HEADS):
        assert bool(window[:, i].any()) == bool(steps[:, i].any()) == (head in alive)
    assert bool(embed_video.any()) == bool(embed_audio.any()) == ("sync" in alive)
    assert [tuple(o.shape) for o in (window, steps, embed_video)] == [(2, *s) for s in list(OUTPUT_SHAPES.values())[:3]]


def test_lag_product_starts_as_a_correlation_that_finds_the_lag() -> None:
    generator = torch.Generator().manual_seed(0)
    audio = torch.randn(1, 4, 1, 48, generator=generator)
    video = audio.roll(-2, 3)
    product = LagProduct(4, 8).eval()
    raw = (product.spread(video) * product.shift(audio)).reshape(4, 5, 48)[..., 8:-8].mean((0, 2))
    assert int(raw.argmax()) == 3


def test_channels_last_gives_the_same_answer(model: JointModel) -> None:
    x = batch(2)
    with torch.no_grad():
        plain = model.eval()(**x)
        strided = model.to(memory_format=torch.channels_last)(**x)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(plain, strided, strict=True))


def test_bad_arguments() -> None:
    for bad in ({"streams": ("smell",)}, {"streams": ()}, {"width": 0.0}):
        with pytest.raises(UsageError):
            JointModel(**bad)


@pytest.mark.parametrize("taps", [1, 2, 3])
def test_the_sync_stream_reads_the_coarsest_depths(taps: int) -> None:
    torch.manual_seed(0)
    model = JointModel(width=0.5, taps=taps).eval()
    JointModel(**model.config).load_state_dict(model.state_dict())
    assert model.video is not None
    assert model.sync is not None
    x = tuple(batch(2).values())
    video, audio = model.video(*x[:3]), model.audio(*x[3:])
    embeddings = model.embed_video(video[0]), model.embed_audio(audio[0])
    with torch.no_grad():
        whole = model.sync(video, audio, *embeddings)
        for depth in range(3):
            without = tuple(tap * (i != depth) for i, tap in enumerate(video))
            reaches = not torch.equal(model.sync(without, audio, *embeddings), whole)
            assert reaches == (depth >= 3 - taps), depth
        # What lips and voice agree on enters whatever the depths.
        assert not torch.equal(model.sync(video, audio, embeddings[0] * 0, embeddings[1]), whole)


def test_there_are_one_to_three_taps() -> None:
    with pytest.raises(UsageError, match="1 to 3"):
        JointModel(taps=4)
