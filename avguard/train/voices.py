# SPDX-License-Identifier: Apache-2.0
"""More voices than the clips have: Debian's recorded prompts as bona fide speech, its synthesizers as forged speech.

The clips' bona fide voices come from a few dozen rooms and microphones; how a voice was recorded moves the audio head's
scores more than whether it was forged. Debian carries recordings of some thirty more speakers, made in as many ways
(telephone prompts, letters and syllables read by volunteers), and three speech synthesizers. Packages are unpacked, not
installed; the synthesizers are the programs ``espeak-ng``, ``flite`` and ``text2wave`` (festival) on the PATH.
"""

from __future__ import annotations

import csv
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from avguard.errors import UsageError
from avguard.spec import load_spec

Pcm = NDArray[np.float32]

SAMPLE_RATE_HZ = load_spec().audio.sample_rate_hz
PACKAGES = (
    "asterisk-core-sounds-en-g722", "asterisk-core-sounds-es-g722", "asterisk-core-sounds-fr-g722",
    "asterisk-core-sounds-it-g722", "asterisk-core-sounds-ru-g722", "asterisk-prompt-es-co",
    "asterisk-prompt-fr-armelle", "asterisk-prompt-it-menardi-wav", "gcin-voice", "klettres-data",
)  # fmt: skip
# FFmpeg knows these two from their names alone, not from their bytes.
_RAW_FORMATS = {".g722": "g722", ".gsm": "gsm"}
_SUFFIXES = (*_RAW_FORMATS, ".wav", ".ogg")
TAKES, SYNTHETIC_TAKES = 40, 60  # at most, for each speaker and each synthesizer
TAKE_S, LONGEST_S, SHORTEST_S = 4.0, 8.0, 2.0

SENTENCES = (
    "The ferry left the harbour before the fog had lifted.",
    "Please send the invoice to the address on the second page.",
    "She counted eleven swallows on the wire above the barn.",
    "Nobody had expected the meeting to last until midnight.",
    "Turn left at the bakery, then follow the river for a mile.",
    "His grandfather repaired clocks in a cellar full of brass.",
    "We measured the temperature twice and wrote both numbers down.",
    "The children were asked to bring boots and a change of clothes.",
    "A good answer is short, and a better one is a question.",
    "Thursday's forecast promises wind from the north and some hail.",
    "They painted the kitchen yellow because the hall was so dark.",
    "If the light turns red, wait until the engine has cooled.",
    "Our neighbour keeps bees and gives us honey every autumn.",
    "The committee voted on the budget after a long discussion.",
    "You can hear the trains from here when the air is still.",
    "Half of the letters were never opened, and none was answered.",
)


@dataclass(frozen=True)
class Take:
    """A few seconds of one voice. ``generator`` is empty for a recording."""

    source: str
    generator: str
    pcm: Pcm


def read_prompt(path: Path) -> Pcm:
    """A recorded prompt as float32 (n,), 16 kHz, mono; empty when FFmpeg cannot read it."""
    parts = []
    try:
        with av.open(str(path), format=_RAW_FORMATS.get(path.suffix)) as container:
            resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE_HZ)
            for frame in [*container.decode(audio=0), None]:
                parts += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
    except (av.error.FFmpegError, IndexError):
        return np.zeros(0, np.float32)
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def speakers(folder: Path) -> dict[str, list[Path]]:
    """Prompts of each speaker under the unpacked ``folder``; klettres has a speaker for every language."""
    found: dict[str, list[Path]] = {}
    for package in PACKAGES:
        for path in sorted((folder / package).rglob("*")):
            if path.suffix not in _SUFFIXES or "silence" in path.parts:
                continue
            parts = path.relative_to(folder).parts
            name = f"{package}/{parts[parts.index('klettres') + 1]}" if "klettres" in parts else package
            found.setdefault(f"debian/{name}", []).append(path)
    return found


def recorded(source: str, prompts: list[Path], most: int = TAKES) -> Iterator[Take]:
    """Takes of one speaker: prompts in random order with pauses between them, as in a list that is read."""
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(source.encode()).digest()[:8], "little"))
    parts: list[Pcm] = []
    made = 0
    for i in rng.permutation(len(prompts)):
        pcm = read_prompt(prompts[int(i)])
        pause = np.zeros(int(rng.uniform(0.1, 0.6) * SAMPLE_RATE_HZ), np.float32)
        if len(pcm) < SAMPLE_RATE_HZ // 10 or np.abs(pcm).max() < 0.01:
            continue
        parts += [pause, pcm] if parts else [pcm]
        if sum(map(len, parts)) < TAKE_S * SAMPLE_RATE_HZ:
            continue
        yield Take(source, "", np.concatenate(parts))
        parts, made = [], made + 1
        if made == most:
            return


def _run(command: list[str], text: str = "") -> None:
    subprocess.run(command, input=text.encode(), check=True, capture_output=True, timeout=60)


def _espeak(text: str, rng: np.random.Generator, out: Path) -> None:
    language = str(rng.choice(["en-gb", "en-us", "de", "fr-fr", "es", "it", "pt-br", "pl", "nl", "sv", "ru", "cs"]))
    variant = str(rng.choice(["", "+m1", "+m3", "+m7", "+f1", "+f2", "+f4", "+croak", "+klatt2"]))
    pace, pitch = int(rng.integers(120, 200)), int(rng.integers(20, 80))
    _run(["espeak-ng", "-v", language + variant, "-s", str(pace), "-p", str(pitch), "-w", str(out), text])


def _flite(text: str, rng: np.random.Generator, out: Path) -> None:
    voice = str(rng.choice(["kal16", "awb", "rms", "slt"]))
    _run(
        [
            "flite",
            "-voice",
            voice,
            "--setf",
            f"duration_stretch={rng.uniform(0.85, 1.2):.2f}",
            "-t",
            text,
            "-o",
            str(out),
        ]
    )


def _festival(text: str, rng: np.random.Generator, out: Path) -> None:
    voice = str(rng.choice(["kal_diphone", "ked_diphone", "cmu_us_slt_arctic_hts", "lp_diphone", "pc_diphone"]))
    _run(["text2wave", "-eval", f"(voice_{voice})", "-o", str(out)], text)


SYNTHESIZERS: dict[str, tuple[str, Callable[[str, np.random.Generator, Path], None]]] = {
    "eSpeak NG": ("espeak-ng", _espeak),
    "Flite": ("flite", _flite),
    "Festival": ("text2wave", _festival),
}


def synthetic(generator: str, scratch: Path, most: int = SYNTHETIC_TAKES) -> Iterator[Take]:
    """Takes of one of SYNTHESIZERS, whose program must be there."""
    program, speak = SYNTHESIZERS[generator]
    rng = np.random.default_rng(len(generator))
    wave = scratch / "take.wav"
    for _ in range(most):
        text = " ".join(str(s) for s in rng.choice(SENTENCES, 2, replace=False))
        speak(text, rng, wave)
        yield Take(f"debian/{program}", generator, read_prompt(wave))


DEBIAN_PROGRAMS = (
    "espeak-ng", "flite", "festival", "festvox-kallpc16k", "festvox-kdlpc16k", "festvox-us-slt-hts",
    "festvox-italp16k", "festvox-itapc16k",
)  # fmt: skip


def check_programs() -> None:
    """Raises UsageError, with the command that installs them, when a program of SYNTHESIZERS is not there."""
    missing = [program for program, _ in SYNTHESIZERS.values() if shutil.which(program) is None]
    if missing:
        raise UsageError(f"{', '.join(missing)} not installed; run apt-get install {' '.join(DEBIAN_PROGRAMS)}")


def unpack(folder: Path) -> None:
    """Download PACKAGES with apt-get and unpack them under ``folder``; what is there stays."""
    folder.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        if (folder / package).is_dir():
            continue
        subprocess.run(["apt-get", "download", package], cwd=folder, check=True, capture_output=True)
        archive = next(folder.glob(f"{package}_*.deb"))
        subprocess.run(["dpkg-deb", "-x", archive, folder / package], check=True)
        archive.unlink()


def _add(take: Take, out: Path) -> dict[str, str]:
    longest = int(LONGEST_S * SAMPLE_RATE_HZ)
    pcm = np.clip(take.pcm[:longest], -1, 1)
    name = hashlib.sha256(pcm.tobytes()).hexdigest()[:12]
    soundfile.write(out / "voices" / f"{name}.flac", pcm, SAMPLE_RATE_HZ)
    kind = "fake" if take.generator else "real"
    return {
        "clip": f"voices/{name}.flac", "kind": kind, "audio_fake": str(int(kind == "fake")),
        "generator": take.generator, "source": take.source, "source_path": name, "split": "train",
        "duration_s": f"{len(pcm) / SAMPLE_RATE_HZ:.2f}",
    }  # fmt: skip


def add_voices(data: Path, unpacked: Path, out: Path) -> int:
    """Make ``out`` a data folder with everything of ``data`` (linked) and the voices; returns how many were added.

    Every voice belongs to ``train``. What ``out`` holds already is made anew. Raises UsageError without the programs.
    """
    check_programs()
    (out / "voices").mkdir(parents=True, exist_ok=True)
    for name in ("clips", "speech", "clips.csv"):
        link = out / name
        link.unlink(missing_ok=True)
        link.symlink_to((data / name).resolve())
    takes = [t for source, prompts in speakers(unpacked).items() for t in recorded(source, prompts)]
    for generator in SYNTHESIZERS:
        takes += synthetic(generator, out / "voices")
    (out / "voices" / "take.wav").unlink(missing_ok=True)
    rows = {row["clip"]: row for row in (_add(t, out) for t in takes if len(t.pcm) >= SHORTEST_S * SAMPLE_RATE_HZ)}
    with (data / "speech.csv").open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        names, given = list(reader.fieldnames or ()), list(reader)
    with (out / "speech.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows([*given, *rows.values()])
    print(f"{len(rows)} voices added to {len(given)} speech files in {out}", file=sys.stderr)
    return len(rows)
