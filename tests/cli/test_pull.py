"""``replayport pull`` as a process, against servers that behave like the real ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from tests.support.builders import START_MS, lines, visit

from replayport.archive import Archive
from replayport.store import Store
from replayport.testing import FakePostHog, FakeRecording, serve
from replayport.testing.fake_posthog import Fault
from replayport.verifying import verify_archive

KEY = "phx_test"


def recordings(n):
    return [FakeRecording.simple(f"s-{i}", start_ms=START_MS + i * 1000) for i in range(n)]


def command(*args, key=KEY, **options):
    env = {k: v for k, v in os.environ.items() if k != "POSTHOG_API_KEY"}
    if key:
        env["POSTHOG_API_KEY"] = key
    return subprocess.run(
        [sys.executable, "-m", "replayport.cli", "pull", *map(str, args)],
        env=env,
        capture_output=True,
        text=True,
        timeout=240,  # the lease of a process that was stopped while it wrote ends after 120 s
        check=False,
        **options,
    )


@pytest.fixture
def fake():
    posthog = FakePostHog(recordings(3), api_key=KEY)
    with serve(posthog) as url:
        yield posthog, url


def pull(url, folder, *more, **options):
    return command(
        "posthog",
        "--host",
        url,
        "--project",
        "1",
        "--recent",
        "--archive",
        folder,
        *more,
        **options,
    )


def test_pull_twice_is_pull_once(fake, tmp_path):
    _, url = fake
    first = pull(url, tmp_path / "a", "--json")
    assert first.returncode == 0, first.stderr
    report = json.loads(first.stdout)
    assert sorted(report["written"]) == ["s-0", "s-1", "s-2"]
    assert set(report) >= {"written", "already_there", "rejected", "findings"}
    files = {p: p.read_bytes() for p in (tmp_path / "a/recordings").rglob("*") if p.is_file()}
    second = json.loads(pull(url, tmp_path / "a", "--json").stdout)
    assert second["written"] == []
    assert files == {
        p: p.read_bytes() for p in (tmp_path / "a/recordings").rglob("*") if p.is_file()
    }


def test_no_key_says_how_to_get_one(tmp_path):
    done = pull("us", tmp_path / "a", key=None)
    assert done.returncode == 2
    assert "POSTHOG_API_KEY" in done.stderr
    assert "session_recording:read" in done.stderr


def test_a_wrong_key_is_never_printed(fake, tmp_path):
    done = pull(fake[1], tmp_path / "a", key="phx_wrong_secret")
    assert done.returncode == 1
    assert "unauthorized" in done.stderr
    assert "wrong_secret" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "more", [["--events", "{nope"], ["--properties", "[1]"], ["--limit", "0"], ["--nonsense"]]
)
def test_wrong_calls_leave_with_2(fake, tmp_path, more):
    assert pull(fake[1], tmp_path / "a", *more).returncode == 2


def test_what_failed_is_named_and_leaves_with_1(fake, tmp_path):
    posthog, url = fake
    posthog.inject(Fault("status", match="s-1/snapshots", status=410, times=None))
    done = pull(url, tmp_path / "a", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert sorted(report["written"]) == ["s-0", "s-2"]
    assert [(r["what"], r["reason"]) for r in report["rejected"]] == [("s-1", "deleted")]


def interrupted(url, folder, when):
    """Pull, press Ctrl-C when told, and look at what was left; gives how many are there."""
    args = ["posthog", "--host", url, "--project", "1", "--recent", "--plan", "enterprise"]
    process = subprocess.Popen(
        [sys.executable, "-m", "replayport.cli", "pull", *args, "--archive", folder],
        env={**os.environ, "POSTHOG_API_KEY": KEY},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not when():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "continues" in stderr
    assert "Traceback" not in stderr
    with Archive.open(folder) as archive:
        checked, problems = verify_archive(archive)
        # Files of a recording whose manifest was not reached: harmless, and not visible.
        assert {p.code for p in problems} <= {"orphan"}
        assert checked - archive.catalog.count() in (0, 1)
        return checked, problems


def test_interrupted_it_continues(tmp_path):
    """Ctrl-C while it waits for PostHog, which holds the answer for the seventh recording."""
    posthog = FakePostHog(recordings(12), api_key=KEY)
    posthog.inject(Fault("slow", match="blob_key", after=6, delay_s=3600))
    folder = tmp_path / "a"
    with serve(posthog) as url:
        assert interrupted(url, folder, lambda: posthog.held == 1) == (6, [])
        done = pull(url, folder, "--plan", "enterprise", "--json")
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert sorted(report["written"]) == sorted(f"s-{n}" for n in range(6, 12))
    with Archive.open(folder) as archive:
        assert archive.catalog.count() == 12
        assert verify_archive(archive) == (12, [])


def test_interrupted_anywhere_it_continues(tmp_path):
    """Ctrl-C whenever it comes, in the middle of a write perhaps."""
    posthog = FakePostHog(recordings(12), api_key=KEY)
    # It cannot have come to the end before, however slow this test is.
    posthog.inject(Fault("slow", match="blob_key", after=10, delay_s=3600))
    folder = tmp_path / "a"
    with serve(posthog) as url:
        before, _ = interrupted(url, folder, lambda: posthog.count("blob_key") >= 5)
        posthog.faults.clear()
        done = pull(url, folder, "--plan", "enterprise", "--json")
        assert done.returncode == 0, done.stderr
        assert len(json.loads(done.stdout)["written"]) == 12 - before
    with Archive.open(folder) as archive:
        assert archive.catalog.count() == 12
        assert verify_archive(archive) == (12, [])


def test_a_bucket_with_a_listing_file(tmp_path):
    from replayport.posthog.blocks import encode_snappy

    block = encode_snappy(lines(visit()))
    key = f"session_recordings/30d/{START_MS}-0123456789abcdef"
    Store.open(tmp_path / "bucket").put(key, b"\0" * 7 + block)
    row = {
        "session_id": "s-1",
        "distinct_id": "d",
        "team_id": 1,
        "min_first_timestamp": "2026-09-21 13:33:20.000",
        "max_last_timestamp": "2026-09-21 13:33:21.000",
        "block_first_timestamps": ["2026-09-21 13:33:20.000"],
        "block_last_timestamps": ["2026-09-21 13:33:21.000"],
        "block_urls": [f"s3://posthog/{key}?range=bytes=7-{6 + len(block)}"],
    }
    listing = tmp_path / "listing.json"
    listing.write_text(json.dumps(row) + "\n")
    done = command(
        "bucket", tmp_path / "bucket", "--project", "1", "--listing", listing,
        "--recent", "--archive", tmp_path / "a", "--json", key=None,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    assert json.loads(done.stdout)["written"] == ["s-1"]
    with Archive.open(tmp_path / "a") as archive:
        assert [e.to_rrweb() for e in archive.recording("s-1").events(order="arrival")] == visit()


def test_a_bucket_needs_one_listing(tmp_path):
    assert command("bucket", tmp_path, "--project", "1").returncode == 2
    both = ["--v1", "--clickhouse", "http://127.0.0.1:1"]
    assert command("bucket", tmp_path, "--project", "1", *both).returncode == 2
