# SPDX-License-Identifier: Apache-2.0
"""Tables from the results of experiments, and nothing else: AUC with 95 % intervals over sources, in brackets;
differences are paired, over the same clips; those of several seeds are bold where their interval leaves zero out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from avguard.errors import UsageError
from avguard.evaluate.manifest import Row
from avguard.train.experiments.compare import (
    COLUMNS,
    TRUTHS,
    Compared,
    Truth,
    among,
    compare,
    plain,
    scores_of,
    signed,
)
from avguard.train.experiments.plan import AXES, KINDS, SHARES
from avguard.train.experiments.results import Result
from avguard.train.splits import part_of

MARK = "<!-- tables: python -m avguard.train.experiments table -->"
PARTS = ("validation", "test")
FUSIONS = {
    "sync": "its sync head",
    "late": "noisy-or of its video and audio heads",
    "all": "noisy-or of all three",
    "mean": "mean logit of all three",
}
Rows = Mapping[str, Row]


def tables(results: Sequence[Result], clips: Rows) -> str:
    """The whole page of tables, those with anything in them."""
    pages = (
        ("Joint against trained apart", claims_table(results, clips)),
        ("How the joint model may say that either one was manipulated", fusion_table(results, clips)),
        ("Shares of the sources, generators and forgeries", curve_table(results, clips)),
        ("A family of generators left out", unseen_table(results, clips)),
        ("Ablations", ablation_table(results, clips)),
        ("Other runs", other_table(results, clips)),
        ("More sources, judged on those left out", folds_table(results, clips)),
    )
    return "\n\n".join(f"## {title}\n\n{table}" for title, table in pages if table.count("\n") > 1) + "\n"


def with_tables(page: str, made: str) -> str:
    """``page`` with what stands below its MARK put in place by ``made``. Raises UsageError on a page without one."""
    head, mark, _ = page.partition(MARK)
    if not mark:
        raise UsageError(f"the page has no line {MARK}: put one where its tables are to stand")
    return f"{head}{MARK}\n\n{made}"


def _lines(header: Iterable[str], body: Iterable[Iterable[str]]) -> str:
    names = list(header)
    rows = [names, ["---"] * len(names), *map(list, body)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _runs(results: Sequence[Result], group: str, label: str = "") -> dict[int, dict[str, Result]]:
    """Seed -> kind -> result."""
    seeds: dict[int, dict[str, Result]] = defaultdict(dict)
    for result in results:
        if result["group"] == group and (not label or result["label"] == label):
            seeds[result["settings"]["seed"]][result["kind"]] = result
    return dict(sorted(seeds.items()))


def claims_table(results: Sequence[Result], rows: Rows) -> str:
    """Joint against a pair trained apart, as it is and widened to as many parameters: means over seeds, and the lead's
    range over them.
    """
    joint, body = _runs(results, "claims", "all"), []
    for label, name in (("all", "apart"), ("wide", "apart, wider")):
        pairs = _runs(results, "claims", label)
        seeds = [s for s in joint if "joint" in joint[s] and {"video", "audio"} <= set(pairs.get(s, {}))]
        if not seeds:
            continue
        sizes = [sum(pairs[seeds[0]][k]["trained_parameters"] for k in ("video", "audio"))]
        sizes.append(joint[seeds[0]]["joint"]["trained_parameters"])
        against = f"{name} ({sizes[0] / 1e3:.0f} k against {sizes[1] / 1e3:.0f} k trained)"
        for clips, part, truths in _subsets(rows) if label == "all" else [(part, part, TRUTHS) for part in PARTS]:
            for column, truth, head, apart_head in COLUMNS:
                arms = {
                    "joint": [scores_of(head, part, joint[s]["joint"]) for s in seeds],
                    "apart": [scores_of(apart_head, part, pairs[s]["video"], pairs[s]["audio"]) for s in seeds],
                }
                found = compare(arms, rows, truths[truth])
                if found:
                    low, high = found.seeds("joint", "apart")
                    body.append(
                        [clips, column, str(found.clips), plain(found.of("joint")), against, plain(found.of("apart")),
                         signed(found.gap("joint", "apart"), len(seeds)), f"{low:+.3f} to {high:+.3f} ({len(seeds)})"]
                    )  # fmt: skip
    return _lines(("clips", "heads", "n", "joint", "against", "AUC", "joint ahead by", "over seeds"), body)


def _subsets(rows: Rows) -> list[tuple[str, str, dict[str, Truth]]]:
    """Name, part and truths: all clips of each part, and its fakes by whether training knows their generators."""
    known = {row.generator for row in rows.values() if part_of(row) == "train"}
    subsets = [(part, part, TRUTHS) for part in PARTS]
    for part in PARTS:
        for name, inside in (("known", True), ("new", False)):
            truths = {key: among(truth, known, inside) for key, truth in TRUTHS.items()}
            subsets.append((f"{part}, generators {name}", part, truths))
    return subsets


def fusion_table(results: Sequence[Result], rows: Rows) -> str:
    """The label "either one" from the joint models' heads in several ways, against late fusion of the pair apart."""
    runs = {s: kinds for s, kinds in _runs(results, "claims", "all").items() if set(kinds) == set(KINDS)}
    body = []
    for part in PARTS:
        arms = {way: [scores_of(way, part, kinds["joint"]) for kinds in runs.values()] for way in FUSIONS}
        arms["apart"] = [scores_of("late", part, kinds["video"], kinds["audio"]) for kinds in runs.values()]
        found = compare(arms, rows, TRUTHS["either"])
        if found:
            for way, name in FUSIONS.items():
                low, high = found.seeds(way, "apart")
                body.append([part, name, plain(found.of(way)), signed(found.gap(way, "apart"), len(runs)),
                             f"{low:+.3f} to {high:+.3f}"])  # fmt: skip
            body.append([part, "late fusion of the pair apart", plain(found.of("apart")), "", ""])
    return _lines(("clips", "either one, by", "AUC", "ahead of the pair apart by", "over seeds"), body)


def _cells(run: Result, whole: Result | None, part: str, rows: Rows) -> list[str]:
    """AUC of ``run`` by column, and how far it is ahead of ``whole``."""
    cells = []
    for _, truth, head, apart_head in COLUMNS:
        found = _against(run, whole, part, head, rows, truth)
        if found is None and run["kind"] != "joint":
            found = _against(run, None, part, apart_head, rows, truth)
        cells.append("" if found is None else plain(found.of("run")))
        if whole is not None:
            cells.append("" if found is None else signed(found.gap("run", "whole")))
    return cells


def _against(run: Result, whole: Result | None, part: str, head: str, rows: Rows, truth: str) -> Compared | None:
    arms = {"run": [scores_of(head, part, run)]}
    if whole is not None:
        arms["whole"] = [scores_of(head, part, whole)]
    return compare(arms, rows, TRUTHS[truth])


def _whole(results: Sequence[Result], seed: int = 0) -> Result | None:
    return _runs(results, "claims", "all").get(seed, {}).get("joint")


def curve_table(results: Sequence[Result], rows: Rows) -> str:
    """AUC against how much of the material training sees; a smaller share is part of a larger one."""
    whole, body = _whole(results), []
    runs = {r["label"]: r for r in results if r["group"] == "curve"}
    for axis in AXES:
        for share in SHARES:
            run = runs.get(f"{axis}_{share}")
            for part in PARTS if run else ():
                body.append([axis, f"{share:g}", part, *_cells(run, whole, part, rows)])
    for part in PARTS if whole and body else ():
        cells = _cells(whole, None, part, rows)
        body.append(["", "1", part, *(cell for value in cells for cell in (value, ""))])
    return _lines(("of the", "share", "clips", *(c for n, *_ in COLUMNS for c in (n, "ahead of all"))), body)


def unseen_table(results: Sequence[Result], rows: Rows) -> str:
    """A family of generators left out of training, against the bona fide clips of held-out sources."""
    families: dict[str, dict[str, Result]] = defaultdict(dict)
    for result in results:
        if result["group"] == "unseen":
            families[result["label"]][result["kind"]] = result
    body = []
    for family, kinds in families.items():
        mixed = {kind: _against_real(result, rows) for kind, result in kinds.items()}
        for column, truth, head, apart_head in COLUMNS if "joint" in kinds else ():
            apart = [mixed[kind] for kind in ("video", "audio") if kind in mixed]
            arms = {"joint": [scores_of(head, "mixed", mixed["joint"])]}
            arms["apart"] = [scores_of(apart_head, "mixed", *apart)]
            found = compare(arms, rows, TRUTHS[truth])
            if found:
                fakes = sum(TRUTHS[truth](rows[c]) == 1 for c in kinds["joint"]["clips"]["unseen"])
                body.append([family, column, str(fakes), plain(found.of("joint")), plain(found.of("apart")),
                             signed(found.gap("joint", "apart"))])  # fmt: skip
    return _lines(("family left out", "heads", "fakes", "joint", "apart", "joint ahead by"), body)


def _against_real(result: Result, rows: Rows) -> Result:
    real = {c: v for c, v in result["clips"]["validation"].items() if rows[c].kind == "real"}
    return {**result, "clips": {"mixed": {**real, **result["clips"]["unseen"]}}}


def ablation_table(results: Sequence[Result], rows: Rows) -> str:
    """What the joint model gains or loses by a change; the spread of the same run with other seeds is the yardstick."""
    whole, body = _whole(results), []
    for part in PARTS:
        for run in results:
            if whole and run["group"] == "ablations":
                body.append([run["label"], part, *_cells(run, whole, part, rows)])
        others = [kinds["joint"] for kinds in _runs(results, "claims", "all").values() if "joint" in kinds]
        for run in others if whole and body else ():
            body.append([f"the whole, seed {run['settings']['seed']}", part, *_cells(run, whole, part, rows)])
    return _lines(("run", "clips", *(c for n, *_ in COLUMNS for c in (n, "ahead of the whole"))), body)


def other_table(results: Sequence[Result], rows: Rows) -> str:
    """Runs of other groups: baselines, and whatever lies beside."""
    known = {"claims", "curve", "unseen", "ablations", "folds"}
    body = [
        [run["name"], f"{run.get('trained_parameters', run.get('parameters', 0)):,}", part, *cells]
        for run in results
        for part in PARTS
        if run["group"] not in known and any(cells := _cells(run, None, part, rows))
    ]
    return _lines(("run", "trained parameters", "clips", *(name for name, *_ in COLUMNS)), body)


def folds_table(results: Sequence[Result], rows: Rows) -> str:
    """Clips of sources that were left out, before and after training went on with more sources; all folds together."""
    body = []
    folds = [r for r in results if r["group"] == "folds"]
    for media in ("clips", "speech"):
        for column, truth, head, _ in COLUMNS:
            arms = {
                part: [{c: v for r in folds for c, v in scores_of(head, part, r).items() if rows[c].media == media}]
                for part in ("before", "left_out")
            }
            found = compare(arms, rows, TRUTHS[truth])
            if found:
                body.append([media, column, plain(found.of("before")), plain(found.of("left_out"))])
    return _lines(("clips", "heads", "before", "after"), body)
