# SPDX-License-Identifier: Apache-2.0
"""Quantization-aware distillation on a tiny store: it learns in eight bits, goes on where it stopped, and exports."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torchao.quantization.pt2e.fake_quantize import FakeQuantizeBase

from avguard.errors import ModelError
from avguard.train import quantize
from avguard.train.checkpoint import load_checkpoint
from avguard.train.distill import Distillation
from avguard.train.loop import Settings
from avguard.train.model import JointModel, random_inputs
from avguard.train.quantize import int8_graph, observe
from tests.train.test_loop import Folders, folders

__all__ = ["folders"]
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def noise(n: int, seed: int) -> list[torch.Tensor]:
    return list(random_inputs(n, torch.Generator().manual_seed(seed)))


@pytest.fixture(scope="module")
def float_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    model = JointModel(0.25)
    path = tmp_path_factory.mktemp("float") / "float.pt"
    torch.save({"model": model.state_dict(), "config": model.config, "spec_hash": "0"}, path)
    return path


def settings(teacher: Path, steps: int) -> Settings:
    return Settings(steps=steps, batch=4, learning_rate=1e-5, teachers=str(teacher))


def weights(path: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["quantized"]
    return state


def stop() -> float:
    raise KeyboardInterrupt


def test_a_run_that_stopped_ends_with_the_same_bits_and_is_exported(
    folders: Folders, float_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, store, _ = folders
    monkeypatch.setattr("avguard.train.distill.SAVE_STEPS", 1)
    whole, broken = tmp_path / "whole.pt", tmp_path / "broken.pt"
    first = Distillation(settings(float_checkpoint, 2), data, store, float_checkpoint, broken)
    step = first._train_step
    with monkeypatch.context() as patched:
        patched.setattr(first, "_train_step", lambda batch: step(batch) if first.step < 1 else stop())
        with pytest.raises(KeyboardInterrupt):
            first.run()
    assert not broken.exists()
    again = Distillation(settings(float_checkpoint, 2), data, store, float_checkpoint, broken)
    assert again.step == 1
    again.run()
    assert not again.part.exists()
    # Nothing stopped this one but the test: it goes on as if it had not been.
    first.out, first.part = whole, tmp_path / "whole.part"
    first.run()
    uninterrupted, resumed = weights(whole), weights(broken)
    assert uninterrupted.keys() == resumed.keys()
    assert all(torch.equal(value, resumed[name]) for name, value in uninterrupted.items())

    # What was trained is what is exported, and the float model beside it is as it was.
    kept = load_checkpoint(whole).state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in load_checkpoint(float_checkpoint).state_dict().items())
    with torch.no_grad():
        exported, trained = (graph(*noise(2, 5))[2] for graph in (int8_graph(whole, []), again.graph))
    assert exported.flatten().tolist() == pytest.approx(trained.flatten().tolist(), abs=0.05 * float(trained.std()))
    comes_nearer(first, load_checkpoint(float_checkpoint).eval())


def comes_nearer(run: Distillation, model: nn.Module) -> None:
    """Weights that were disturbed find back while they are rounded."""
    graph, inputs = run.graph, noise(4, 20)
    for part in graph.modules():
        if isinstance(part, FakeQuantizeBase):
            part.enable_observer()
    observe(graph, [noise(4, 0), noise(4, 1)])

    def distance() -> torch.Tensor:
        # In embeddings: of noise the logits of an untrained model are all the same.
        return (graph(*inputs)[2] - model(*inputs)[2].detach()).square().mean()

    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in graph.parameters():
            weight += 0.05 * weight.std(unbiased=False) * torch.randn(weight.shape, generator=draw)
        before = float(distance())
    optimizer = torch.optim.Adam(graph.parameters(), 3e-4)
    for _ in range(5):
        optimizer.zero_grad()
        distance().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        assert float(distance()) < 0.5 * before


def test_a_float_checkpoint_is_quantized_after_training(
    float_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(quantize, "quantized", lambda model, batches: asked.append(batches) or model)
    ranges = [noise(1, 0)]
    assert isinstance(int8_graph(float_checkpoint, ranges), JointModel)
    assert asked == [ranges]


def test_a_foreign_graph_is_refused(float_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = tmp_path / "foreign.pt"
    torch.save(torch.load(float_checkpoint, weights_only=True) | {"quantized": {"x": torch.zeros(1)}}, foreign)
    monkeypatch.setattr(quantize, "trainable", lambda model: model)
    with pytest.raises(ModelError, match=r"run avguard\.train\.distill"):
        int8_graph(foreign, [])
