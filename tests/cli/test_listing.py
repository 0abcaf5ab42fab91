"""``replayport list`` and ``show``: the contract's JSON, and tables that cannot be misused."""

from __future__ import annotations

import pytest
from tests.cli.command import run, run_json
from tests.support.builders import START_MS, draft, full_snapshot, meta, visit

from replayport.archive import Archive
from replayport.recording import Person

HOSTILE = "https://x.example/\x1b]52;c;evil\x07\x9b2J\r\n[bold]a[/bold]:smile:\u202e"
DAY_MS = 86_400_000


@pytest.fixture
def url(tmp_path):
    with Archive.open(tmp_path / "archive", create=True) as archive:
        archive.write(draft(session_id="s-1", project="shop", person=Person(distinct_id="ada")))
        late = [{**e, "timestamp": e["timestamp"] + DAY_MS} for e in visit()]
        archive.write(draft(late, session_id="s-2", project="blog"))
        odd = [meta(2 * DAY_MS, href=HOSTILE), full_snapshot(2 * DAY_MS + 1)]
        archive.write(
            draft(
                odd,
                session_id="\x1b[31modd",
                window_id="w\x1b[0m",
                project="\x9bp",
                person=Person(distinct_id=HOSTILE),
                missing=["block \x1b[5m"],
            )
        )
    return tmp_path / "archive"


def test_the_list_is_the_contracts(url):
    rows = run_json("list", "--archive", url)
    assert len(rows) == 3
    assert [*rows[0]][:9] == [
        "id",
        "project",
        "session_id",
        "start_ms",
        "end_ms",
        "duration_ms",
        "events",
        "windows",
        "source",
    ]
    first = rows[-1]
    assert (first["id"], first["project"], first["session_id"]) == ("s-1", "shop", "s-1")
    assert (first["start_ms"], first["end_ms"], first["duration_ms"]) == (
        START_MS,
        START_MS + 200,
        200,
    )
    assert (first["events"], first["windows"], first["source"]) == (8, 1, "test")


@pytest.mark.parametrize(
    ("args", "ids"),
    [
        (["--project", "shop"], ["s-1"]),
        (["--project", "none"], []),
        (["--person", "ada"], ["s-1"]),
        (["--url", "/cart", "--until", str(START_MS + DAY_MS)], ["s-1"]),
        (["--since", str(START_MS + 1), "--url", "shop.example"], ["s-2"]),
        (["--limit", "1", "--project", "blog"], ["s-2"]),
    ],
)
def test_filters(url, args, ids):
    assert [r["id"] for r in run_json("list", *args, "--archive", url)] == ids


def test_show_is_the_manifest_and_its_summary(url):
    shown = run_json("show", "s-1", "--archive", url)
    assert shown["format"] == "replayport-recording"
    assert shown["kinds"]["click"] == 2
    assert shown["summary"]["clicks"] == 2
    assert shown["summary"]["playable"] is True
    with Archive.open(url) as archive:
        import json

        manifest = json.loads(archive.recording("s-1").manifest.to_bytes())
    assert {k: v for k, v in shown.items() if k != "summary"} == manifest


def test_show_tells_what_the_user_did(url):
    shown = run_json("show", "s-1", "--actions", "--archive", url)
    assert [a["kind"] for a in shown["actions"]][:2] == ["navigate", "click"]
    assert shown["actions"][1]["text"].startswith("clicked the ")
    assert "clicked the " in run("show", "s-1", "--actions", "--archive", url).stdout


def test_an_empty_archive_says_what_next(tmp_path):
    with Archive.open(tmp_path / "a", create=True):
        pass
    result = run("list", "--archive", tmp_path / "a")
    assert result.exit_code == 0
    assert "replayport import" in result.stdout
    assert run_json("list", "--archive", tmp_path / "a") == []


@pytest.mark.parametrize("as_json", [False, True])
def test_nothing_recorded_commands_the_terminal(url, as_json):
    odd = next(r["id"] for r in run_json("list", "--archive", url) if r["id"].startswith("id-"))
    flag = ["--json"] if as_json else []
    for args in (["list"], ["show", odd], ["verify"], ["compact"]):
        result = run(*args, "--archive", url, *flag)
        assert result.exit_code == 0, result.output
        for forbidden in ("\x1b", "\x07", "\x9b", "\r", "\u202e"):
            assert forbidden not in result.output.replace("\r\n", "\n"), args
    shown = run_json("show", odd, "--archive", url)
    assert shown["first_url"] == HOSTILE
    table = run("show", odd, "--archive", url).stdout
    assert "[bold]a[/bold]:smile:" in table
    assert "\\x1b" in table


def test_on_a_pipe_nothing_is_cut(url):
    with Archive.open(url) as archive:
        long = draft([meta(href="https://x.example/" + "y" * 90)], session_id="l" * 100)
        archive.write(long)
    result = run("list", "--archive", url)
    assert "l" * 100 in result.stdout
    assert "y" * 70 in result.stdout
    assert len([line for line in result.stdout.splitlines() if line.strip()]) == 5
