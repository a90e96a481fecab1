# SPDX-License-Identifier: Apache-2.0
"""The command line: results on stdout, progress on stderr.

Exit codes: 0 real, 1 fake, 2 inconclusive, 3 and up errors (see avguard.errors).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from avguard import __version__
from avguard.api import Checker
from avguard.commands import report, scan, stream
from avguard.commands.codes import EXIT_CODES
from avguard.errors import AvguardError, ModelError, UsageError
from avguard.models import bundle_in_use, load_manifest
from avguard.models.choice import VARIABLE
from avguard.models.signature import key_id, read_public_key
from avguard.report.words import SENTENCES, because, in_time
from avguard.verdict import Verdict


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["evaluate"]:
        # It has a command line of its own, shared with ``python -m avguard.evaluate``.
        from avguard.evaluate.__main__ import main as evaluate

        return evaluate(words[1:])
    args = _parser().parse_args(words)
    try:
        code: int = args.run(args)
    except AvguardError as error:
        sys.stderr.write(f"avguard: {error}\n")
        return error.code
    except KeyboardInterrupt:
        sys.stderr.write("avguard: interrupted\n")
        return 130
    except Exception:
        # Python would end with 1, which here is the verdict "fake".
        traceback.print_exc()
        return AvguardError.code
    return code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse ends with 2, which here is the verdict "inconclusive".
        self.print_usage(sys.stderr)
        self.exit(UsageError.code, f"avguard: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="avguard", description="Tell whether a talking-face clip was manipulated.")
    parser.add_argument("--version", action="version", version=f"avguard {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="judge one file", epilog=__doc__)
    check.add_argument("file")
    check.add_argument("--json", action="store_true", help="print the verdict as JSON")
    check.add_argument("--model", metavar="DIR", help="a model bundle instead of the shipped one")
    check.add_argument("--engine", choices=("auto", "int8", "float"), default="auto")
    check.add_argument("--report", metavar="HTML", help="write the verdict as a page too, to look at and to print")
    check.add_argument(
        "--include-evidence", action="store_true", help="with pictures of the worst windows on that page"
    )
    check.add_argument("--show-path", action="store_true", help="with the whole path instead of the file's name on it")
    check.add_argument("--quiet", action="store_true", help="no progress")
    check.set_defaults(run=_check)
    stream.add_arguments(
        commands.add_parser("stream", help="judge one file and tell events as JSON lines", epilog=stream.__doc__)
    )
    scan.add_arguments(commands.add_parser("scan", help="judge many files, resumably", epilog=scan.__doc__))
    report.add_arguments(commands.add_parser("report", help="a page from the results of a scan"))
    commands.add_parser("evaluate", help="measure on a public data set or a folder of one's own")
    doctor = commands.add_parser("doctor", help="examine this installation")
    doctor.add_argument("--json", action="store_true")
    doctor.set_defaults(run=_doctor)
    _add_models(commands.add_parser("models", help="list, verify, copy and choose model bundles"))
    return parser


def _add_models(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="the bundles on this machine; * is the one in use")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(run=_models_list)
    verify = actions.add_parser("verify", help="hashes, spec, runtime and self-test of a bundle or of artefacts")
    verify.add_argument("folder", metavar="DIR", nargs="?", help="the bundle in use by default")
    verify.add_argument(
        "--public-key", metavar="FILE", action="append", default=[], help="refuse it unless this Ed25519 key signed it"
    )
    verify.set_defaults(run=_models_verify)
    sign = actions.add_parser("sign", help="sign a bundle that passes verify, for others to know who made it")
    sign.add_argument("folder", metavar="DIR")
    sign.add_argument("--key", metavar="FILE", required=True, help="an Ed25519 private key, PEM")
    sign.set_defaults(run=_models_sign)
    export = actions.add_parser("export", help="copy the bundle in use, verified, into a new folder for an app")
    export.add_argument("folder", metavar="DEST")
    export.set_defaults(run=_models_export)
    use = actions.add_parser("use", help="use this bundle from now on; --shipped goes back")
    which = use.add_mutually_exclusive_group(required=True)
    which.add_argument("folder", metavar="DIR", nargs="?")
    which.add_argument("--shipped", action="store_true")
    use.set_defaults(run=_models_use)


def _check(args: argparse.Namespace) -> int:
    show = not args.quiet and sys.stderr.isatty()
    with Checker(args.model, engine=args.engine) as checker:
        verdict = checker.check(args.file, progress=_progress if show else None)
    if show:
        sys.stderr.write("\r\x1b[K")
    if args.report:
        wishes = report.Wishes(args.model, args.include_evidence, args.show_path)
        report.write_verdict_page(args.report, args.file, verdict, wishes)
    sys.stdout.write(verdict.to_json() + "\n" if args.json else describe(verdict))
    return EXIT_CODES[verdict.label]


def _progress(phase: str, done_s: float, total_s: float) -> None:
    share = f"{100 * min(done_s / total_s, 1):.0f} %" if total_s else f"{done_s:.1f} s"
    sys.stderr.write(f"\r{phase} {share} ")
    sys.stderr.flush()


def describe(verdict: Verdict) -> str:
    """The verdict in a few lines for people."""
    reasons = because(verdict.reasons, verdict.label)
    lines = [f"{SENTENCES[verdict.label]}{f' ({reasons})' if reasons else ''}"]
    score = verdict.score
    parts = [("overall", score.overall), ("video", score.video), ("audio", score.audio), ("sync", score.sync)]
    parts.append(("desync", score.desync))
    lines.append("  " + "  ".join(f"{name} {_number(value)}" for name, value in parts))
    for segment in verdict.segments[:8]:
        lines.append(f"  {segment.start_s:7.2f} - {segment.end_s:7.2f} s  {segment.modality} {segment.score:.2f}")
    if len(verdict.segments) > 8:
        lines.append(f"  and {len(verdict.segments) - 8} more segments (--json lists all)")
    if verdict.offset_ms is not None:
        lines.append(f"  {in_time(verdict.offset_ms)}")
    quality = verdict.quality
    lines.append(
        f"  seen: {quality.face_s:.1f} s of face, {quality.speech_s:.1f} s of speech in {quality.duration_s:.1f} s"
    )
    lines += [f"  warning: {warning}" for warning in verdict.warnings]
    lines.append(f"  model {verdict.model.id} ({verdict.model.engine})")
    return "\n".join(lines) + "\n"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _doctor(args: argparse.Namespace) -> int:
    from avguard.doctor import examine

    report = examine()
    if args.json:
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        for key, value in report.items():
            sys.stdout.write(f"{key}: {value}\n")
    return 0 if report["ok"] else 3


def _models_list(args: argparse.Namespace) -> int:
    from avguard.bundles import known

    found = known()
    if args.json:
        sys.stdout.write(json.dumps([item.as_dict() for item in found]) + "\n")
        return 0
    for item in found:
        state = item.problem or "hashes right"
        sys.stdout.write(f"{'*' if item.in_use else ' '} {item.id or '?'}  {item.bytes / 1e6:.1f} MB  {state}\n")
        sys.stdout.write(f"    {item.folder} ({item.origin})\n")
    return 0


def _models_verify(args: argparse.Namespace) -> int:
    from avguard.bundles import verify

    folder = Path(args.folder) if args.folder else bundle_in_use()[0]
    keys = [read_public_key(Path(file)) for file in args.public_key]
    name, problems = verify(folder, keys)
    for problem in problems:
        sys.stderr.write(f"avguard: {problem}\n")
    if not problems:
        signed = " and signed by a key of yours" if keys else ""
        sys.stdout.write(f"{name} in {folder} is sound{signed}\n")
        if (folder / "manifest.json").exists() and (unread := load_manifest(folder).unread):
            sys.stderr.write(f"avguard: manifest.json has keys that this version does not know: {', '.join(unread)}\n")
    return ModelError.code if problems else 0


def _models_sign(args: argparse.Namespace) -> int:
    from avguard.bundles import sign

    name, public = sign(Path(args.folder), Path(args.key))
    sys.stdout.write(f"{name} in {args.folder} is signed by key {key_id(public)}, public key {public}\n")
    return 0


def _models_export(args: argparse.Namespace) -> int:
    from avguard.bundles import export_bundle

    sys.stdout.write(f"{export_bundle(Path(args.folder))} copied to {args.folder}\n")
    return 0


def _models_use(args: argparse.Namespace) -> int:
    from avguard.bundles import use

    name, file = use(None if args.shipped else Path(args.folder))
    sys.stdout.write(f"{name} is used from now on ({file})\n")
    overridden = os.environ.get(VARIABLE)
    if overridden:
        sys.stderr.write(f"avguard: {VARIABLE} is set to {overridden} and goes before this choice\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
