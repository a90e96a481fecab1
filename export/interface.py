# SPDX-License-Identifier: Apache-2.0
"""What a model is to its host: names, shapes and meaning of inputs and outputs, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from avguard.spec import load_spec
from avguard.train.model import INPUT_SHAPES, OUTPUT_SHAPES

DESCRIPTIONS = {
    "face": "aligned faces, one of {face_every} frames: RGB in [-1, 1] and the difference to the frame before",
    "mouth": "mouth crops, grey in [-1, 1], one per frame",
    "motion": "scaled lip, lid, brow and head motion, one column per frame",
    "mel": "log-mel bands, normalised over the window",
    "linear": "log linear-frequency bands, normalised over the window",
    "logits_window": "logits of the window, in the order {heads}",
    "logits_steps": "logits per time step, heads in the order {heads}",
    "embed_video": "embedding of the lips per frame; compare with embed_audio at shifts for the offset",
    "embed_audio": "embedding of the voice per frame",
    "image": "RGB in {low} to 1, channels first",
    "regressors": "box and six keypoints per anchor, pixels of the input relative to the anchor",
    "scores": "logit that a face is at the anchor",
    "landmarks": "468 mesh points (x, y, z), pixels of the input",
    "flag": "logit that a face is in the picture",
}


@dataclass(frozen=True)
class Interface:
    """Inputs and outputs by name, shapes without the batch; ``said``: further metadata of the artefact."""

    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    model_id: str
    said: dict[str, str] = field(default_factory=dict)

    def metadata(self) -> dict[str, str]:
        """What every artefact carries: who it is, the spec it was made for, its interface, its licences."""
        spec = load_spec()
        name, _, version = self.model_id.partition("@")
        return {
            "model_id": self.model_id,
            "model_name": name,
            "model_version": version,
            "spec_hash": spec.hash,
            "spec_json": spec.text,
            "input_names": ",".join(self.inputs),
            "output_names": ",".join(self.outputs),
            **self.said,
        }

    def describe(self, name: str) -> str:
        """One line on an input or output, for whoever opens the artefact in a viewer."""
        spec = load_spec()
        low = "-1" if "regressors" in self.outputs else "0"
        values = {"face_every": spec.video.face_every, "heads": ", ".join(spec.heads), "low": low}
        return DESCRIPTIONS[name].format(**values)


def joint_interface(model_id: str, **said: str) -> Interface:
    """The joint model's."""
    return Interface(dict(INPUT_SHAPES), dict(OUTPUT_SHAPES), model_id, said)
