"""``replayport score`` and ``train``: what is kept, what is refused."""

from __future__ import annotations

import json

import pytest
from tests.analysis.building import shop_page, tap
from tests.cli.command import run, run_json
from tests.support.builders import draft, full_snapshot, meta

from replayport.archive import Archive
from replayport.recording import Person


def visit(n, angry):
    chain = [tap(5000 + 200 * k, node=12) for k in range(4 if angry else 1)]
    return draft(
        shop_page(*chain),
        session_id=f"s-{n:02}",
        project="p",
        person=Person(distinct_id=f"person-{n // 4}"),
    )


@pytest.fixture
def folder(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        for n in range(24):
            archive.write(visit(n, bool(n % 2)))
        archive.write(draft([meta(), full_snapshot()], session_id="s-idle", project="p"))
    return tmp_path / "a"


def labels(path, rows):
    path.write_text("id,label,team\n" + "".join(f"{i},{v},{t}\n" for i, v, t in rows))
    return path


def test_scores_are_ranked_with_reasons_and_kept(folder):
    document = run_json("score", "--all", "--workers", 1, "--archive", folder)
    assert document["model"] == "rules-1"
    assert document["weights"]["rage_click"] > 0
    scores = document["scores"]
    assert [s["score"] for s in scores[:24]] == sorted(
        (s["score"] for s in scores[:24]), reverse=True
    )
    assert "clicked again and again" in scores[0]["reasons"][0]["words"]
    assert scores[-1] == {"project": "p", "id": "s-idle", "score": None, "reasons": []}
    with Archive.open(folder) as archive:
        kept = list(archive.catalog.scores(model="rules-1"))
    assert [r.id for r in kept] == [s["id"] for s in scores]


def test_what_is_scored_is_not_scored_again_unless_it_changed(folder, monkeypatch):
    run_json("score", "--all", "--workers", 1, "--archive", folder)
    asked = []
    from replayport.cli import score as command

    real = command.analyse

    def noting(source, wanted, task, **options):
        asked.append([w.name for w in wanted])
        return real(source, wanted, task, **options)

    monkeypatch.setattr(command, "analyse", noting)
    run_json("score", "--all", "--archive", folder)
    with Archive.open(folder) as archive:
        archive.write(visit(3, angry=False), replace=True)
    again = run_json("score", "--all", "--archive", folder)
    assert asked == [[], ["p/s-03"]]
    assert next(s for s in again["scores"] if s["id"] == "s-03")["score"] < 0.7
    text = run("score", "s-01", "s-idle", "--archive", folder).stdout
    assert "null" in text
    assert "weights:" in text


def test_train_and_score_with_the_model(folder, tmp_path):
    pytest.importorskip("sklearn")
    file = labels(tmp_path / "l.csv", [(f"s-{n:02}", n % 2, "x") for n in range(24)])
    model = tmp_path / "m.json"
    document = run_json("train", "--labels", file, "-o", model, "--workers", 1, "--archive", folder)
    assert document["card"]["groups"] == 6
    assert document["card"]["held_out"]["roc_auc"] > 0.9
    assert (tmp_path / "m.card.md").read_text().startswith("# Model card: m")
    assert json.loads((tmp_path / "m.card.json").read_text())["name"] == "m"
    scored = run_json("score", "--all", "--model", model, "--workers", 1, "--archive", folder)
    assert scored["model"] == "m"
    assert scored["weights"] is None
    assert {s["id"] for s in scored["scores"][:12]} == {f"s-{n:02}" for n in range(1, 24, 2)}


def test_labels_of_recordings_that_are_gone_are_named(folder, tmp_path):
    pytest.importorskip("sklearn")
    rows = [(f"s-{n:02}", n % 2, "x") for n in range(24)] + [("gone", 1, "x")]
    file = labels(tmp_path / "l.csv", rows)
    document = run_json(
        "train",
        "--labels",
        file,
        "-o",
        tmp_path / "m.json",
        "--archive",
        folder,
        "--workers",
        1,
        code=1,
    )
    assert [f["what"] for f in document["failed"]] == ["gone"]
    assert document["card"]["labels_without_recording"] == 1
    assert document["card"]["recordings"] == 24


@pytest.mark.parametrize(
    ("rows", "group", "code", "words"),
    [
        ([(f"s-{n:02}", 1, "x") for n in range(24)], "person", 1, "nothing to tell apart"),
        ([("s-01", 1, "x")], "person", 1, "nothing to tell apart"),
        ([("s-01", "maybe", "x")], "person", 2, "line 2"),
        ([("s-01", 1, "x"), ("s-01", 0, "x")], "person", 2, "labelled twice"),
        ([("s-01", 1, "x")], "country", 2, "no column country"),
        ([(f"s-{n:02}", n % 2, "x") for n in range(24)], "team", 1, "1 group"),
    ],
)
def test_labels_nothing_can_be_learned_from(folder, tmp_path, rows, group, code, words):
    pytest.importorskip("sklearn")
    file = labels(tmp_path / "l.csv", rows)
    result = run(
        "train",
        "--labels",
        file,
        "-o",
        tmp_path / "m.json",
        "--group",
        group,
        "--workers",
        1,
        "--archive",
        folder,
    )
    assert result.exit_code == code
    assert words in result.stderr
    assert not (tmp_path / "m.json").exists()


def test_models_that_are_none(folder, tmp_path):
    (tmp_path / "m.pkl").write_bytes(b"\x80\x04.")
    result = run("score", "--all", "--model", tmp_path / "m.pkl", "--archive", folder)
    assert result.exit_code == 2
    assert "pickled ones are never read" in result.stderr
    assert run("score", "--all", "--model", tmp_path / "none", "--archive", folder).exit_code == 2
