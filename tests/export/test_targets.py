# SPDX-License-Identifier: Apache-2.0
"""The joint model's ONNX and CoreML artefacts: parity, interface, metadata, the same bytes twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from torch import nn

from avguard.errors import ModelError
from avguard.models import artefacts
from avguard.spec import load_spec
from avguard.train.graph import deployable, trace
from avguard.train.model import INPUT_SHAPES, OUTPUT_SHAPES, JointModel, random_inputs
from avguard.train.quantize import quantized
from export.interface import Interface, joint_interface
from export.parity import Judge, Window, as_windows, compare, of_onnx, of_torch, run_all, spread, table
from export.targets import Files, joint_targets, manifest_of, report, write_targets
from export.to_coreml import export_coreml
from export.to_onnx import OPSET, check_onnx, export_joint_onnx, shape_of
from export.versions import LICENCES

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
INTERFACE = joint_interface("test-joint@1.2", **LICENCES)


def noise(n: int, seed: int) -> tuple[torch.Tensor, ...]:
    """Noise that is louder from window to window: of equal noise an untrained model thinks all the same."""
    inputs = random_inputs(n, torch.Generator().manual_seed(seed))
    return tuple(x * torch.linspace(0.2, 2.0, n).reshape(n, *[1] * (x.dim() - 1)) for x in inputs)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    """Random weights with batch-norm statistics of the test's own noise, so that activations have a sane scale."""
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = JointModel(width=0.25, dropout=0.0).train()
        for module in made.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # the mean over all batches: nothing is left of the initial statistics
        with torch.no_grad():
            for seed in range(6):
                made(*noise(4, seed))
    return deployable(made)


@pytest.fixture(scope="module")
def graph(model: JointModel) -> nn.Module:
    with torch.no_grad():
        return quantized(model, [noise(4, 100)])


@pytest.fixture(scope="module")
def windows() -> list[Window]:
    return as_windows(noise(4, 200))


@pytest.fixture(scope="module")
def judge(model: nn.Module, graph: nn.Module, windows: list[Window]) -> Judge:
    # What an untrained model says differs less from window to window, and every rounding is large beside it.
    return Judge(model, graph, windows, int8_rms=0.2)


@pytest.fixture(scope="module")
def files(model: nn.Module, graph: nn.Module, judge: Judge) -> Files:
    return joint_targets(model, graph, INTERFACE, judge)


def test_every_artefact_was_judged_and_passed(judge: Judge, files: Files) -> None:
    judged = {line.artefact.partition(",")[0]: line for line in judge.lines if "/" in line.artefact}
    assert set(judged) == {
        "onnx/joint_fp32.onnx", "onnx/joint_int8.onnx", "coreml/joint_fp16.mlpackage", "coreml/joint_int8.mlpackage",
    }  # fmt: skip
    assert all(line.passed for line in judged.values())
    assert judged["onnx/joint_fp32.onnx"].rms < 1e-4
    assert {line.reference for name, line in judged.items() if "int8" in name} == {"fake-quant"}
    text = report(files, judge)
    assert all(name in text for name in judged)


@pytest.mark.parametrize("name", ["onnx/joint_fp32.onnx", "onnx/joint_int8.onnx"])
def test_onnx_interface(files: Files, name: str) -> None:
    model = onnx.load_from_string(files[name])
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
    found = {value.name: shape_of(value) for value in (*model.graph.input, *model.graph.output)}
    assert found == {name: ["batch", *shape] for name, shape in (INPUT_SHAPES | OUTPUT_SHAPES).items()}
    assert all(value.doc_string for value in (*model.graph.input, *model.graph.output))
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert said == INTERFACE.metadata()
    assert (said["model_id"], said["model_version"]) == ("test-joint@1.2", "1.2")
    assert (said["spec_hash"], said["license_code"]) == (load_spec().hash, "Apache-2.0")
    # Torch writes where the sources lie on the machine that exports.
    assert str(Path(__file__).parents[2]).encode() not in files[name]
    kinds = {constant.data_type for constant in model.graph.initializer}
    assert (TensorProto.UINT8 in kinds) == ("int8" in name)
    assert TensorProto.INT8 not in kinds


def test_onnx_takes_any_batch(files: Files, windows: list[Window]) -> None:
    stacked = {name: np.concatenate([window[name] for window in windows[:3]]) for name in INPUT_SHAPES}
    run = of_onnx(files["onnx/joint_fp32.onnx"])
    one_by_one = run_all(run, windows[:3])
    np.testing.assert_allclose(run(stacked), one_by_one, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["joint_fp16", "joint_int8"])
def test_coreml_interface(files: Files, name: str) -> None:
    from coremltools.proto import FeatureTypes_pb2, Model_pb2

    model = Model_pb2.Model.FromString(files[f"coreml/{name}.mlpackage/{artefacts.COREML_MODEL}"])
    assert model.specificationVersion == 8  # iOS 17
    for found, wanted in ((model.description.input, INPUT_SHAPES), (model.description.output, OUTPUT_SHAPES)):
        assert {value.name: tuple(value.type.multiArrayType.shape) for value in found} == {
            key: (1, *shape) for key, shape in wanted.items()
        }
        kinds = {value.type.multiArrayType.dataType for value in found}
        assert kinds == {FeatureTypes_pb2.ArrayFeatureType.FLOAT32}
        assert all(value.shortDescription for value in found)
    assert model.description.metadata.versionString == "1.2"
    assert model.description.metadata.license == LICENCES["license_weights"]
    said = dict(model.description.metadata.userDefined)
    assert INTERFACE.metadata().items() <= said.items()
    assert [key for key in said if "date" in key] == []
    assert json.loads(said["spec_json"])["heads"] == list(load_spec().heads)


def test_int8_is_smaller(files: Files) -> None:
    assert len(files["onnx/joint_int8.onnx"]) < 0.5 * len(files["onnx/joint_fp32.onnx"])
    weights = "coreml/joint_{}.mlpackage/Data/com.apple.CoreML/weights/weight.bin"
    half, int8 = (len(files[weights.format(kind)]) for kind in ("fp16", "int8"))
    assert int8 < 0.7 * half


def test_the_same_bytes_twice(model: nn.Module, files: Files) -> None:
    assert export_joint_onnx(model, INTERFACE) == files["onnx/joint_fp32.onnx"]
    package = export_coreml(trace(model), INTERFACE, "float16")
    again = {name.removeprefix("coreml/joint_fp16.mlpackage/"): files[name] for name in files if "fp16" in name}
    assert package == again


def test_written_artefacts_verify_and_replace_only_artefacts(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "build" / "bundle"
    out.parent.mkdir()
    with pytest.raises(ModelError, match=r"is test-joint@1\.2, the folder is other@1"):
        write_targets(out, files, "other@1")
    assert not out.exists()
    write_targets(out, files, "test-joint@1.2")
    assert artefacts.problems_of(out) == []
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    write_targets(out, files, "test-joint@1.2")
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert [path.name for path in out.parent.iterdir()] == ["bundle"]
    (out / artefacts.NAME).unlink()
    with pytest.raises(ModelError, match="holds other things"):
        write_targets(out, files, "test-joint@1.2")


def onnx_saying(data: bytes, said: dict[str, str]) -> bytes:
    model = onnx.load_from_string(data)
    del model.metadata_props[:]
    for key, value in said.items():
        model.metadata_props.add(key=key, value=value)
    return bytes(model.SerializeToString())


def coreml_saying(data: bytes, said: dict[str, str]) -> bytes:
    from coremltools.proto import Model_pb2

    model = Model_pb2.Model.FromString(data)
    model.description.metadata.userDefined.clear()
    model.description.metadata.userDefined.update(said)
    return bytes(model.SerializeToString(deterministic=True))


@pytest.mark.parametrize(
    ("name", "saying"),
    [
        ("onnx/joint_int8.onnx", onnx_saying),
        (f"coreml/joint_fp16.mlpackage/{artefacts.COREML_MODEL}", coreml_saying),
    ],
)
def test_every_key_of_a_written_artefact_counts(
    files: Files, tmp_path: Path, name: str, saying: Callable[[bytes, dict[str, str]], bytes]
) -> None:
    """Written again by the format's own library without a key, or with another value; every sha256 is right."""

    def problems(said: dict[str, str]) -> list[str]:
        folder = {name: saying(files[name], said)}
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(folder[name])
        (tmp_path / artefacts.NAME).write_bytes(manifest_of(folder, INTERFACE.model_id))
        return artefacts.problems_of(tmp_path)

    right = INTERFACE.metadata()
    assert problems(right) == []
    for key in right:
        without = {other: value for other, value in right.items() if other != key}
        for said in (without, without | {key: right[key][:-1] + "?"}):
            found = problems(said)
            assert found
            assert all(problem.startswith(f"{name} ") for problem in found)
            assert any(key.replace("spec_hash", "spec") in problem for problem in found)


def test_past_tolerance_nothing_is_said_to_pass(model: nn.Module, windows: list[Window]) -> None:
    judge = Judge(model, None, windows)
    right = of_torch(model)
    judge.judge("right", "float", right)
    with pytest.raises(ModelError, match=r"wrong is .* rms of the spread .* off torch float, past"):
        judge.judge("wrong", "float", lambda window: right(window) + np.float32(0.01))
    with pytest.raises(ModelError, match="nan"):
        judge.judge("broken", "float", lambda window: right(window) * np.float32(np.nan))
    assert table(judge.lines).count("\n") == 5


def test_errors_are_relative_to_the_spread() -> None:
    wanted = np.array([[0, 0], [2, 4]], np.float32)  # standard deviations 1 and 2
    assert spread(wanted) == pytest.approx(np.sqrt((1 + 4) / 2))
    line = compare("a", "b", wanted + np.float32(0.5), wanted, 1.0)
    assert (line.largest, line.rms) == (0.5, pytest.approx(0.5 / np.sqrt(2.5)))
    with pytest.raises(ModelError, match="all give the same logits"):
        spread(np.ones((3, 2), np.float32))


def test_another_interface_is_refused(files: Files) -> None:
    model = onnx.load_from_string(files["onnx/joint_fp32.onnx"])
    other = Interface(dict(INPUT_SHAPES), {"score": (1,)}, "other@1")
    with pytest.raises(ModelError, match="has the interface"):
        check_onnx(model, other)
    model.opset_import[0].version = 18
    with pytest.raises(ModelError, match="18"):
        check_onnx(model, INTERFACE)
    model.graph.node[0].op_type = "Nonsense"
    with pytest.raises(ModelError, match="not a valid model"):
        check_onnx(model, INTERFACE)


def test_what_coreml_cannot_do_is_refused() -> None:
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.special.i0(x)

    program = torch.export.export(Odd(), (torch.zeros(1, 2),), strict=False)
    interface = Interface({"face": (2,)}, {"logits_window": (2,)}, "odd@1")
    with pytest.raises(ModelError, match="odd@1 does not convert to CoreML"):
        export_coreml(program, interface)
    with pytest.raises(ModelError, match="float32, float16"):
        export_coreml(program, interface, "float8")
