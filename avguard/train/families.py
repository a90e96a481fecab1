# SPDX-License-Identifier: Apache-2.0
"""Kinds of generators: what is left out together, when the question is how a model does on kinds that it never saw."""

from __future__ import annotations

import re

# First match wins. Grouped by how the forgery is made, not by who made it.
FAMILIES: dict[str, str] = {
    "lip_sync_gan": r"wav2lip|videoretalking|dinet|dh_live",
    "speech_translation": r"transface|av2av|cascaded av|utut|laml",
    "lip_to_speech": r"lip2speech|svts|multi-task l2s|vca-gan|robustl2s|lip-?to-?speech",
    "dubbing": r"dub|v2c-net|aligndit|stylespeech|^fastspeech2$|zero-shot tts",
    "avatar_diffusion": r"loopy|fantasytalking|magicinfinite|hunyuanvideo|humo|skyreels|stableavatar|teller|chatanyone"
    r"|omnihuman|cyberhost|playmate",
    "portrait_reenactment": r"vasa|sadtalker|^eat$|dreamtalk|styletalk|actalker|hunyuanportrait|anitalker|vlogger|d-id"
    r"|geneface|synctalk",
    "text_to_speech": r"tacotron|glow-?tts|vits|yourtts",
    "vocoder": r"hifi-?gan|melgan|waveglow|wavenet|bigvgan|univnet|wavefake|diffwave|parallel wavegan",
}
OTHER = "other"


def family_of(generator: str) -> str:
    """The kind of a manifest's generator name; "other" when no rule knows it, "" for none."""
    if not generator:
        return ""
    name = generator.lower()
    return next((family for family, rule in FAMILIES.items() if re.search(rule, name)), OTHER)
