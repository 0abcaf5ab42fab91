from __future__ import annotations

import json

import pytest
from tests.capture.bodies import TOKEN, analytics, put
from tests.cli.command import run, run_json
from tests.support.erasing import ANNA, OF_ANNA, fill, fill_inbox, marks_in

from replayport.archive import Archive
from replayport.capture.inbox import Inbox
from replayport.testing import FakePostHog, FakeRecording, serve
from replayport.testing.fake_posthog import ALL_SCOPES, WRITE_SCOPES


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    with Archive.open(tmp_path / "a", create=True) as archive:
        archive._now_ms = lambda: 1_700_000_000_000
        fill(archive, tmp_path / "outside")
    with Inbox.open(tmp_path / "a" / "inbox") as inbox:
        fill_inbox(inbox)
    return tmp_path / "a"


def test_a_dry_run_shows_the_plan_and_changes_nothing(path):
    plan = run_json("erase", "--archive", path, "--person", ANNA, "--dry-run")
    assert len(plan["recordings"]) == 3
    assert plan["analytics_events"] == {"shop/bobs-visit": 1}
    assert sorted(m["action"] for m in plan["made"]) == ["delete", "delete", "none"]
    shown = run("erase", "--archive", path, "--person", ANNA, "--dry-run")
    assert "3" in shown.stdout
    assert "standard output" in shown.stdout
    assert len(run_json("list", "--archive", path)) == 5


def test_it_is_asked_before_anything_goes(path):
    assert run("erase", "--archive", path, "--person", ANNA).exit_code == 2
    assert len(run_json("list", "--archive", path)) == 5


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--person", "a", "--recording", "b"],
        ["--person", " "],
        ["--url-pattern", "**"],
        ["--person", "a", "--resume"],
        ["--person", "a", "--posthog", "--yes"],
    ],
)
def test_wrong_calls(path, options):
    assert run("erase", "--archive", path, *options).exit_code == 2
    assert len(run_json("list", "--archive", path)) == 5


def test_a_person_goes_and_the_receipt_holds(path, tmp_path):
    # Only what was received before now goes: the test's requests are of a later day.
    receipt = run_json(
        "erase", "--archive", path, "--person", ANNA, "--yes", "--block-later", "-o", "r.json"
    )
    assert len([r for r in receipt["removed"] if r["what"] == "recording"]) == 3
    assert marks_in(path, tmp_path / "outside") == []
    assert [r["id"] for r in run_json("list", "--archive", path)] == ["nobodys-visit", "bobs-visit"]
    verify = ["erase", "--archive", path, "--verify-receipt", "r.json"]
    assert run_json(*verify)["ok"]
    assert run_json(*verify, "--person", ANNA)["ok"]
    assert not run_json(*verify, "--person", "bob", code=1)["ok"]
    changed = json.loads((tmp_path / "r.json").read_text()) | {"actor": "x"}
    (tmp_path / "r.json").write_text(json.dumps(changed))
    assert run(*verify).exit_code == 1
    (tmp_path / "r.json").write_text("[]")
    assert run(*verify).exit_code == 1
    assert run_json("audit", "verify", "--archive", path)["problems"] == []
    actions = [e["action"] for e in run_json("audit", "--archive", path)]
    assert actions == ["erasure.ask", "erasure.done"]


def test_what_cannot_be_reached_is_said(path):
    said = run("erase", "--archive", path, "--recording", f"shop/{OF_ANNA[1]}", "--yes")
    assert said.exit_code == 0, said.output
    assert "cannot reach" in said.stderr
    assert "backups" in said.stderr


def test_a_server_that_does_not_confirm_leaves_it_open(path):
    with Archive.open(path) as archive:
        archive.store.put("inboxes/elsewhere.json", b"{}")
    call = ["erase", "--archive", path, "--recording", "shop/bobs-visit", "--wait-s", 0]
    said = run(*call, "--yes")
    assert said.exit_code == 1
    assert "elsewhere" in said.stderr
    resumed = run_json("erase", "--archive", path, "--resume", "--yes", "--skip-inbox", "elsewhere")
    assert len(resumed) == 1
    assert run_json("erase", "--archive", path, "--resume", "--yes") == []


def test_ids_known_only_from_what_a_server_is_receiving(path):
    other = "anna-on-her-phone"
    properties = {"distinct_id": ANNA, "$anon_distinct_id": other, "$session_id": "s-1"}
    event = {"event": "$identify", "properties": properties}
    body = json.dumps({"api_key": TOKEN, "batch": [event]}).encode()
    with Inbox.open(path / "inbox") as inbox:  # the server's: this process only looks
        put(inbox, analytics(body=body))
        plan = run_json("erase", "--archive", path, "--person", ANNA, "--dry-run")
        assert other in plan["distinct_ids"]
        plan = run_json("erase", "--archive", path, "--distinct-id", ANNA, "--dry-run")
        assert other not in plan["distinct_ids"]


def test_a_hold_is_named_and_audited(path):
    assert run("retention", "hold", OF_ANNA[0], "--archive", path).exit_code == 0
    said = run("erase", "--archive", path, "--person", ANNA, "--yes")
    assert said.exit_code == 1
    assert OF_ANNA[0] in said.stderr
    assert run_json("audit", "--archive", path)[-1]["action"] == "erasure.refuse"


def test_posthog_on_request(path, monkeypatch):
    fake = FakePostHog(
        [FakeRecording.simple(OF_ANNA[0], distinct_id=ANNA)], scopes=ALL_SCOPES | WRITE_SCOPES
    )
    monkeypatch.setenv("POSTHOG_API_KEY", fake.api_key)
    with serve(fake) as url:
        receipt = run_json(
            *("erase", "--archive", path, "--person", ANNA, "--yes", "--posthog"),
            *("--posthog-host", url, "--posthog-project", fake.project_id),
        )
    assert receipt["posthog"]["recordings_still_there"] == 0
    assert fake.recordings[OF_ANNA[0]].deleted


def test_an_export_is_found_again(path, tmp_path):
    run("export", OF_ANNA[1], "--as", "jsonl", "-o", tmp_path / "x.jsonl", "--archive", path)
    assert (tmp_path / "x.jsonl").exists()
    run_json("erase", "--archive", path, "--recording", OF_ANNA[1], "--yes")
    assert not (tmp_path / "x.jsonl").exists()
