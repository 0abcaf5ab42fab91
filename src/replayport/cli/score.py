"""``replayport score`` and ``replayport train``: how much trouble a visit had."""

from __future__ import annotations

import csv
import json as json_module
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from replayport.analysing import Analysis, Failed, Task, Where, analyse
from replayport.analysis.frustration import RULES_MODEL, WEIGHTS, Model, ModelError
from replayport.analysis.profiles import DEFAULT_PROFILE
from replayport.analysis.training import Trained, train
from replayport.archive import Archive
from replayport.catalog.base import ScoreRow
from replayport.cli.common import (
    ArchiveOption,
    JsonOption,
    WrongCallError,
    console,
    errors,
    open_archive,
    print_json,
    progress_bar,
    shown,
)
from replayport.cli.signals import (
    AllOption,
    IdsArgument,
    WorkersOption,
    chosen,
    failures,
    print_failed,
    print_findings,
    profiles_of,
)
from replayport.errors import RecordingError
from replayport.plurals import counted

SHOWN = 20
BATCH = 200
TRUE_WORDS = frozenset({"1", "true", "yes", "frustrated", "y"})
FALSE_WORDS = frozenset({"0", "false", "no", "fine", "n"})


def score(
    ids: IdsArgument = None,
    all_: AllOption = False,
    model: Annotated[
        Path | None,
        typer.Option("--model", help="A model `train` made; the transparent rules when not given."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Score again what has a score of this model.")
    ] = False,
    workers: WorkersOption = None,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """
    Score recordings for frustration, 0 to 1, with reasons, and keep the scores in the catalog.

    The rules weigh what went wrong; they were not checked against what people felt.
    """
    used = _read_model(model)
    name = used.name if used else RULES_MODEL
    profile = used.profile if used else DEFAULT_PROFILE
    task = Task(profiles=profiles_of([profile], None), score=True, model=used)
    failed: list[Failed] = []
    findings: Counter[str] = Counter()
    with open_archive(archive) as source:
        wanted = chosen(source, ids, all_=all_)
        fresh = {} if again else _fresh(source, wanted, name)
        todo = [one for one in wanted if one.name not in fresh]
        made: list[ScoreRow] = []
        results = dict(fresh)
        try:
            with progress_bar("scoring", len(todo), quiet=json) as advance:
                for one, result in zip(
                    todo, analyse(source, todo, task, workers=workers), strict=True
                ):
                    advance(1, one.name)
                    if isinstance(result, Failed):
                        failed.append(result)
                        continue
                    findings.update(result.findings.keys())
                    row = _row(result, name)
                    made.append(row)
                    results[one.name] = row
                    if len(made) >= BATCH:
                        source.catalog.put_scores(made)
                        made = []
        finally:
            source.catalog.put_scores(made)
    ranked = sorted(
        (results[one.name] for one in wanted if one.name in results),
        key=lambda r: (-(r.score if r.score is not None else -1), r.project, r.id),
    )
    if json:
        print_json(
            {
                "model": name,
                "weights": WEIGHTS if used is None else None,
                "scores": [_json(r) for r in ranked],
                "failed": failures(failed),
            }
        )
    else:
        _print(ranked, name, len(fresh))
        if used is None:
            weights = ", ".join(f"{kind} {weight:g}" for kind, weight in WEIGHTS.items())
            console.print(f"weights: {weights}", style="dim")
        print_findings(findings, len(todo))
        print_failed(failed)
    if failed:
        raise typer.Exit(1)


def _read_model(path: Path | None) -> Model | None:
    if path is None:
        return None
    try:
        return Model.from_bytes(path.read_bytes())
    except OSError as e:
        raise WrongCallError(f"the model file cannot be read: {e.strerror}") from e
    except ModelError as e:
        raise WrongCallError(str(e)) from e


def _fresh(source: Archive, wanted: list[Where], model: str) -> dict[str, ScoreRow]:
    """Give scores that are there already, of the recordings as they are now."""
    created = {f"{r.project}/{r.id}": r.created_ms for r in source.catalog.list()}
    names = {one.name for one in wanted}
    return {
        name: row
        for row in source.catalog.scores(model=model)
        if (name := f"{row.project}/{row.id}") in names
        and created.get(name) == row.recording_created_ms
    }


def _row(result: Analysis, model: str) -> ScoreRow:
    score_ = result.score
    return ScoreRow(
        project=result.project,
        id=result.id,
        model=model,
        score=score_.value if score_ else None,
        reasons=json_module.dumps([r.to_json() for r in score_.reasons] if score_ else []),
        recording_created_ms=result.created_ms,
        scored_ms=time.time_ns() // 1_000_000,
    )


def _json(row: ScoreRow) -> dict[str, Any]:
    return {
        "project": row.project,
        "id": row.id,
        "score": None if row.score is None else round(row.score, 4),
        "reasons": json_module.loads(row.reasons),
    }


def _print(ranked: list[ScoreRow], model: str, fresh: int) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("id", no_wrap=True)
    table.add_column("why", overflow="fold")
    for row in ranked[:SHOWN]:
        reasons = json_module.loads(row.reasons)
        why = "; ".join(r["words"] for r in reasons[:3]) or (
            "nothing was done" if row.score is None else "no signals"
        )
        value = "null" if row.score is None else f"{row.score:.2f}"
        table.add_row(value, shown(row.id), shown(why))
    console.print(table)
    if len(ranked) > SHOWN:
        console.print(f"and {len(ranked) - SHOWN} more, lower; --json has all", style="dim")
    had = f", {fresh} scored before" if fresh else ""
    console.print(f"{counted(len(ranked), 'recording')} by {shown(model)}{had}", highlight=False)


# --- train -------------------------------------------------------------------------------------


def train_model(
    labels: Annotated[
        Path,
        typer.Option(
            "--labels",
            help="CSV with a header: id, label (1 or 0), and for --group a column of that name.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="Model file, .json; the card is written beside it."),
    ],
    group: Annotated[
        str,
        typer.Option(
            "--group",
            help="What folds never cut: person, project, or a column of the labels file.",
        ),
    ] = "person",
    profile: Annotated[
        str, typer.Option("--profile", help="Whose signals the model sees.")
    ] = DEFAULT_PROFILE,
    name: Annotated[
        str | None, typer.Option("--name", help="Of the model [default: the file's name].")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of folds and shuffles.")] = 0,
    workers: WorkersOption = None,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """
    Learn a frustration model from your labels, and measure it on people it did not see.

    The model is JSON (numbers only); reading one runs nothing. Needs replayport[ml].
    """
    if output.suffix != ".json":
        raise WrongCallError("-o must end in .json: models are JSON")
    rows = _read_labels(labels, group)
    profiles = profiles_of([profile], None)
    failed: list[Failed] = []
    with open_archive(archive) as source:
        found: list[tuple[Where, dict[str, str]]] = []
        seen: dict[str, str] = {}
        for row in rows:
            try:
                known = source.row(row["id"])
            except RecordingError as e:
                failed.append(Failed(row["id"], f"labelled, but not in the archive: {e}"))
                continue
            one = Where(f"{known.project}/{known.id}", known.key_prefix)
            if one.name in seen:
                if seen[one.name] != row["label"]:
                    raise WrongCallError(
                        f"{one.name} is labelled twice, differently. A label must be one"
                    )
                continue
            seen[one.name] = row["label"]
            found.append((one, row))
        task = Task(profiles=profiles, score=True, features=True)
        analyses: list[tuple[Analysis, dict[str, str]]] = []
        with progress_bar("features", len(found), quiet=json) as advance:
            results = analyse(source, [one for one, _ in found], task, workers=workers)
            for (one, row), result in zip(found, results, strict=True):
                advance(1, one.name)
                if isinstance(result, Failed):
                    failed.append(result)
                else:
                    analyses.append((result, row))
    if not json:
        print_failed(failed)
    trained = train(
        [a.model_row for a, _ in analyses],
        [row["label"] == "1" for _, row in analyses],
        [_group(a, row, group) for a, row in analyses],
        name=name or output.stem,
        profile=profile,
        rules=[a.score.value if a.score else None for a, _ in analyses],
        persons=[a.person for a, _ in analyses],
        seed=seed,
    )
    card = {**trained.card, "labels_without_recording": len(failed)}
    output.write_bytes(trained.model.to_bytes())
    output.with_suffix(".card.md").write_text(trained.markdown(), "utf-8")
    output.with_suffix(".card.json").write_text(json_module.dumps(card, indent=1) + "\n", "utf-8")
    if json:
        print_json({"model": str(output), "card": card, "failed": failures(failed)})
    else:
        _print_trained(trained, output)
    if failed:
        raise typer.Exit(1)


def _group(analysis: Analysis, row: dict[str, str], group: str) -> str:
    if group == "person":
        # Without a person, a recording is its own: nothing says who it shares one with.
        return analysis.person or f"recording {analysis.project}/{analysis.id}"
    return analysis.project if group == "project" else row[group]


def _read_labels(path: Path, group: str) -> list[dict[str, str]]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as e:
        raise WrongCallError(f"the labels file cannot be read ({type(e).__name__})") from e
    reader = csv.DictReader(text.splitlines())
    columns = set(reader.fieldnames or ())
    needed = {"id", "label"} | ({group} - {"person", "project"})
    if missing := sorted(needed - columns):
        raise WrongCallError(
            f"the labels file has no column {', '.join(missing)}. Its first line must name: "
            "id, label, and the column of --group"
        )
    rows = []
    for number, row in enumerate(reader, start=2):
        word = (row["label"] or "").strip().lower()
        if word not in TRUE_WORDS | FALSE_WORDS:
            raise WrongCallError(
                f"line {number} of the labels file: the label must be 1 or 0, true or false"
            )
        values = {k: (v or "").strip() for k, v in row.items() if isinstance(k, str)}
        rows.append({**values, "label": "1" if word in TRUE_WORDS else "0"})
    return rows


def _print_trained(trained: Trained, output: Path) -> None:
    held = trained.card["held_out"]
    for finding in trained.findings:
        errors.print(f"[yellow]finding[/yellow] {shown(finding)}", highlight=False)
    console.print(
        f"trained on {counted(trained.card['recordings'], 'recording')} of "
        f"{counted(trained.card['groups'], 'group')}; "
        f"on folds it did not see: AUC {held.get('roc_auc', float('nan')):.3f}, Brier "
        f"{held.get('brier', float('nan')):.3f}",
        highlight=False,
    )
    rules = trained.card.get("rules_on_the_same", {})
    if "roc_auc" in rules:
        console.print(
            f"the transparent rules on the same: AUC {rules['roc_auc']:.3f}", highlight=False
        )
    console.print(
        f"{shown(output)}, and its card: {shown(output.with_suffix('.card.md'))}", highlight=False
    )
