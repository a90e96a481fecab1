# SPDX-License-Identifier: Apache-2.0
"""Lowered programs: one delegate, parity with torch, the spec inside, the same bytes twice, and the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
from executorch.runtime import Runtime, Verification
from torch import Tensor, nn
from torch.export import export

from avguard.errors import ModelError, UsageError
from avguard.spec import load_spec
from avguard.train.checkpoint import load_checkpoint
from avguard.train.model import INPUT_SHAPES, OUTPUT_SHAPES, JointModel, random_inputs
from avguard.train.quantize import quantized
from export.arrange import as_frames
from export.to_executorch import (
    FLOAT_NAME,
    INT8_NAME,
    assert_fully_delegated,
    export_float,
    export_int8_ptq,
    load_calibration,
    main,
)

# Deprecations inside the toolchain, whose modules the project-wide filters do not name.
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def windows(n: int, seed: int) -> tuple[Tensor, ...]:
    return random_inputs(n, torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def model() -> JointModel:
    """Random weights with batch-norm statistics of the test's own noise, so that activations have a sane scale."""
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = JointModel(width=0.5).train()
        with torch.no_grad():
            for seed in range(20):
                model(*windows(4, seed))
    return model.eval()


@pytest.fixture(scope="module")
def float_program(model: JointModel) -> bytes:
    return export_float(model)


@pytest.fixture(scope="module")
def int8_program(model: JointModel) -> bytes:
    return export_int8_ptq(model, [windows(4, 100)])


def run(program: bytes, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    method = Runtime.get().load_program(program, verification=Verification.Minimal).load_method("forward")
    return [o.clone() for o in method.execute(list(as_frames(inputs)))]


def constant(program: bytes, name: str) -> str:
    method = Runtime.get().load_program(program, verification=Verification.Minimal).load_method(name)
    return str(method.execute([])[0])


def test_float_program_agrees_with_torch(model: JointModel, float_program: bytes) -> None:
    for seed in (200, 201):
        inputs = windows(1, seed)
        outputs = run(float_program, inputs)
        with torch.no_grad():
            expected = model(*inputs)
        assert [tuple(o.shape[1:]) for o in outputs] == list(OUTPUT_SHAPES.values())
        assert max(float((a - b).abs().max()) for a, b in zip(outputs, expected, strict=True)) <= 1e-3


def test_int8_program_stays_near_torch_and_is_smaller(
    model: JointModel, float_program: bytes, int8_program: bytes
) -> None:
    inputs = [windows(1, seed) for seed in range(300, 304)]
    got = [torch.cat(o) for o in zip(*(run(int8_program, x) for x in inputs), strict=True)]
    with torch.no_grad():
        expected = [torch.cat(o) for o in zip(*(model(*x) for x in inputs), strict=True)]
    assert all(o.dtype == torch.float32 for o in got)
    for embedding, reference in zip(got[2:], expected[2:], strict=True):
        assert float(torch.cosine_similarity(embedding, reference, dim=1).mean()) > 0.98
    steps = (got[1] - expected[1]).square().mean().sqrt() / expected[1].std()
    assert float(steps) < 0.1
    assert len(int8_program) < 0.6 * len(float_program)


def test_swapping_sound_never_moves_the_video_head_in_int8(int8_program: bytes) -> None:
    one, two = windows(1, 400), windows(1, 401)
    before, after = run(int8_program, one), run(int8_program, (*one[:3], *two[3:]))
    assert float((before[0] - after[0])[:, 0].abs().max()) == 0.0
    assert float((before[1] - after[1])[:, 0].abs().max()) == 0.0


def test_programs_carry_the_spec(float_program: bytes, int8_program: bytes) -> None:
    spec = load_spec()
    for program in (float_program, int8_program):
        assert constant(program, "spec_hash") == spec.hash
        assert constant(program, "spec_json") == spec.text
        assert constant(program, "input_names").split(",") == list(INPUT_SHAPES)
        assert constant(program, "output_names").split(",") == list(OUTPUT_SHAPES)
        assert spec.hash.encode() in program


def test_an_operator_outside_the_delegate_is_refused() -> None:
    class Leaky(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(x).amax((2, 3))

    program = export(Leaky(), (torch.zeros(1, 4, 8, 8),), strict=False)
    edge = to_edge_transform_and_lower({"forward": program}, partitioner=[XnnpackPartitioner()])
    with pytest.raises(ModelError, match="amax"):
        assert_fully_delegated(edge)


def test_an_undelegated_program_is_refused() -> None:
    edge = to_edge_transform_and_lower({"forward": export(nn.ReLU(), (torch.zeros(1, 4),), strict=False)})
    with pytest.raises(ModelError, match="relu"):
        assert_fully_delegated(edge)


def test_int8_needs_calibration(model: JointModel) -> None:
    with pytest.raises(UsageError):
        quantized(model, [])


def save(tmp_path: Path, model: JointModel, **changed: np.ndarray) -> tuple[Path, Path]:
    torch.save({"model": model.state_dict(), "config": model.config}, tmp_path / "model.pt")
    arrays = dict(zip(INPUT_SHAPES, (x.numpy() for x in windows(4, 100)), strict=True)) | changed
    np.savez(tmp_path / "calibration.npz", **arrays)
    return tmp_path / "model.pt", tmp_path / "calibration.npz"


def test_command_line_writes_the_same_bytes_as_the_functions(
    model: JointModel, float_program: bytes, int8_program: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second export, from a model in training's state and memory format, repeats the first byte by byte."""
    trained = JointModel(**model.config)
    trained.load_state_dict(model.state_dict())
    checkpoint, calibration = save(tmp_path, trained.to(memory_format=torch.channels_last).train())
    out = tmp_path / "out"
    assert main(["--checkpoint", str(checkpoint), "--calibration", str(calibration), "--out", str(out)]) == 0
    sizes = json.loads(capsys.readouterr().out)
    assert sizes == {FLOAT_NAME: len(float_program), INT8_NAME: len(int8_program)}
    assert (out / FLOAT_NAME).read_bytes() == float_program
    assert (out / INT8_NAME).read_bytes() == int8_program


def test_bad_files_are_refused(model: JointModel, tmp_path: Path) -> None:
    checkpoint, calibration = save(tmp_path, model, mel=np.zeros((2, 1, 3, 3), np.float32))
    with pytest.raises(UsageError, match="mel"):
        load_calibration(calibration)
    with pytest.raises(ModelError):
        load_checkpoint(calibration)
    torch.save({"model": {}, "config": model.config}, checkpoint)
    with pytest.raises(ModelError):
        load_checkpoint(checkpoint)
