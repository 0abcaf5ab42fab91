"""A disk that is really full: what the commands say, what stays whole, how they go on."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack

import pytest
from tests.capture.asking import TOKEN, snapshot, zipped
from tests.capture.bodies import marked
from tests.capture.upstream import Upstream
from tests.cli.command import run, run_json, serving
from tests.cli.test_serve import built, get, post  # noqa: F401  # a fixture too
from tests.support.acknowledged import check_archive, items_of
from tests.support.builders import START_MS, full_snapshot, lines, meta
from tests.support.files import compact
from tests.support.small_disk import fill, small_disk

from replayport.archive import Archive
from replayport.capture.inbox import Inbox
from replayport.capture.seal import Sealer
from replayport.testing import FakePostHog, FakeRecording, serve

KEY = "phx_test"


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk", 8192) as folder:
        yield folder


def large(n):
    """Give a recording's events that take 300 KB stored."""
    return [meta(n), full_snapshot(n + 1, text=os.urandom(300_000).hex())]


def body(n):
    pad = os.urandom(4_000).hex()
    return zipped([snapshot(events=[marked(n), {"type": 5, "timestamp": START_MS + n, "data": {"tag": "pad", "payload": pad}}])])  # fmt: skip


@pytest.mark.parametrize("teed", [False, True])
def test_capture_refuses_forwards_and_goes_on(disk, tmp_path, built, teed):  # noqa: F811
    """No room for the inbox: PostHog still gets everything, and ours resumes by itself."""
    taken, refused = [], []
    with ExitStack() as stack:
        more = []
        if teed:
            posthog = Upstream().start()
            stack.callback(posthog.stop)
            more = ["--tee", posthog.url]
        server = stack.enter_context(
            serving("--archive", tmp_path / "a", "--inbox", disk / "inbox", *more)  # fmt: skip
        )

        def send(n):
            made = body(n)
            status, said = post(server.url, made)
            (taken if status == 200 else refused).append(made)
            return status, said

        assert send(0)[0] == 200
        filler = fill(disk)
        answers = [send(n) for n in range(1, 30)]
        if teed:
            assert {json.loads(said)["from"] for _, said in answers} == {"posthog"}
            assert posthog.bodies.keys() == set(taken)
        else:
            assert answers[-1][0] == 503
            said = json.loads(answers[-1][1])
            assert (said["reason"], said["status"], said["ok"]) == ("disk", 503, False)
            assert {status for status, _ in answers} <= {200, 503}
        assert get(f"{server.url}/healthz")[0] == 200
        filler.unlink()
        if not teed:
            again, refused = refused, []
            for made in again:  # the SDK keeps them meanwhile
                assert post(server.url, made)[0] == 200
                taken.append(made)
        last = [body(n) for n in range(100, 103)]
        assert [post(server.url, made)[0] for made in last] == [200] * 3
        sent = items_of(taken + last)
        sure = items_of(last if teed else taken + last)
        assert server.stop() == 130
    with Archive.open(tmp_path / "a") as archive, Inbox.open(disk / "inbox") as inbox:
        Sealer(inbox, archive, idle_s=0.0).seal_due()
        assert inbox.due(2**62, limit=1) == []
    check_archive(tmp_path / "a", TOKEN, sent, sure)
    assert run_json("verify", "--archive", tmp_path / "a")["problems"] == []


def test_import_stops_at_what_does_not_fit_and_goes_on(disk, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(12):
        (folder / f"{n:02}.json").write_bytes(compact(large(n)))
    url = disk / "archive"
    filler = fill(disk, leave_kib=1800)
    report = run_json("import", folder, "--archive", url, code=1)
    written = len(report["written"])
    assert 0 < written < 12
    assert {r["reason"] for r in report["rejected"]} == {"store_failed"}
    assert any("No space left" in r["detail"] or "no space left" in r["detail"] for r in report["rejected"])  # fmt: skip
    assert len(run_json("list", "--archive", url)) == written
    filler.unlink()
    verified = run_json("verify", "--archive", url)
    assert verified["problems"] == []
    # One more may be whole, its row in the catalog being what did not fit.
    assert verified["checked"] - written in (0, 1)
    again = run_json("import", folder, "--archive", url)
    assert len(again["already_there"]) == verified["checked"]
    assert len(again["written"]) == 12 - verified["checked"]
    assert len(run_json("list", "--archive", url)) == 12
    assert run_json("verify", "--archive", url) == {"checked": 12, "problems": []}


def test_pull_stops_at_what_does_not_fit_and_goes_on(disk, monkeypatch):
    monkeypatch.setenv("POSTHOG_API_KEY", KEY)
    recordings = [FakeRecording(f"s-{n:02}", blocks=(lines(large(1000 * n)),)) for n in range(12)]
    url = disk / "archive"
    filler = fill(disk, leave_kib=1800)
    with serve(FakePostHog(recordings, api_key=KEY)) as host:
        args = ("pull", "posthog", "--host", host, "--project", 1, "--recent", "--archive", url)
        report = run_json(*args, "--plan", "enterprise", code=1)
        written = len(report["written"])
        assert 0 < written < 12
        assert [r["reason"] for r in report["rejected"]] == ["store_failed"]
        filler.unlink()
        verified = run_json("verify", "--archive", url)
        assert verified["problems"] == []
        assert verified["checked"] - written in (0, 1)
        again = run_json(*args, "--plan", "enterprise")
        assert len(again["written"]) == 12 - verified["checked"]
        assert len(run_json("list", "--archive", url)) == 12
    assert run_json("verify", "--archive", url) == {"checked": 12, "problems": []}


def test_an_archive_that_cannot_even_begin_says_so(disk, tmp_path):
    (tmp_path / "x.json").write_bytes(compact(large(1)))
    fill(disk)
    result = run("import", tmp_path / "x.json", "--archive", disk / "archive")
    assert result.exit_code == 1
    assert "pace" in result.stderr
    assert "Traceback" not in result.stderr
