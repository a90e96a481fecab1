# SPDX-License-Identifier: Apache-2.0
"""A verdict in words, the same in the terminal and on the page."""

from __future__ import annotations

SENTENCES = {
    "real": "no sign of manipulation found",
    "fake": "likely manipulated",
    "inconclusive": "cannot be told",
}
REASONS = {
    "no_video": "there is no picture",
    "no_audio": "there is no sound",
    "no_face": "no face was found",
    "face_too_small": "the face is too small",
    "face_too_short": "the face is seen too briefly",
    "no_speech": "no speech was heard",
    "too_short": "the clip is too short",
    "uncertain": "the score lies between the thresholds",
}
HEADS = {
    "video": "Picture",
    "audio": "Sound",
    "sync": "Picture and sound together",
    "desync": "Lips against voice",
}
CREDENTIALS = {
    "absent": "The file carries no C2PA content credentials. That is no sign of anything: most files carry none.",
    "trusted": "The file carries C2PA content credentials, was not changed since they were signed, and its "
    "signer is trusted.",
    "valid": "The file carries C2PA content credentials and was not changed since they were signed; who signed them "
    "is not vouched for.",
    "invalid": "The file carries C2PA content credentials that do not hold: it was changed after signing, or they are "
    "damaged.",
    "unreadable": "Whether the file carries C2PA content credentials could not be read.",
}


def in_time(offset_ms: float) -> str:
    """How voice and lips lie to each other, as a clause. Less than a picture's time is together."""
    if abs(offset_ms) < 40:
        return "voice and lips are together in time, to within one picture"
    return f"the voice comes {abs(offset_ms):.0f} ms {'after' if offset_ms > 0 else 'before'} the lips"


def meaning(label: str) -> str:
    """What a label says, and what it does not."""
    return {
        "fake": "The model takes this clip to be manipulated. It can be wrong, and it says nothing about who changed "
        "what, or why.",
        "real": "The model found nothing that speaks for manipulation. That is evidence, not proof: it does not know "
        "every kind of forgery.",
        "inconclusive": "The model does not decide on this clip. Take it as no answer at all, not as half of one.",
    }[label]


def because(reasons: tuple[str, ...], label: str = "inconclusive") -> str:
    """Reasons as one clause, empty when there are none. Under a decision they say what it had to do without."""
    clause = "; ".join(REASONS.get(reason, reason) for reason in reasons)
    return clause if label == "inconclusive" or not clause else f"not all could be judged: {clause}"
