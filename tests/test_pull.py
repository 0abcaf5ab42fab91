import gzip
import json
import random
import threading
from collections import Counter

import httpx
import pytest
from tests.support.erasing import eraser

from replayport.archive import Archive
from replayport.errors import ObjectExistsError, SourceError, StoreError
from replayport.outcomes import RejectReason, Report
from replayport.pull import MAX_TRIES, pull
from replayport.sources.base import RecordingRef
from replayport.sources.posthog_api import PostHogSource
from replayport.sources.rate_limits import PLANS, Limit
from replayport.surveying import Scope
from replayport.testing import (
    FakeClock,
    FakeEvent,
    FakePostHog,
    FakeRecording,
    Fault,
    WireRequest,
    serve,
)

FREELY = [Limit(10**6, 60)]
T = 1_700_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR
NOW_S = T / 1000 + 30 * 86_400


class KilledError(BaseException):
    """The process ends here."""


class DyingTransport(httpx.HTTPTransport):
    """Ends the process, so to speak, instead of sending request number n."""

    def __init__(self, n):
        super().__init__()
        self.left = n

    def handle_request(self, request):
        if self.left == 0:
            raise KilledError
        self.left -= 1
        return super().handle_request(request)


def some(n=4, blocks=2, every_ms=3 * DAY):
    return [
        FakeRecording(
            f"s{i}",
            blocks=FakeRecording.simple(f"s{i}", start_ms=T + i * every_ms, blocks=blocks).blocks,
            events=[FakeEvent(T + i * every_ms, "$pageview", {"n": i})],
        )
        for i in range(n)
    ]


class World:
    """A PostHog, and archives to pull into."""

    def __init__(self, fake, url, folder):
        self.fake, self.url, self.folder = fake, url, folder
        self.clock = FakeClock(NOW_S)
        self._opened = []

    def source(self, *, dies_at=None, **options):
        client = httpx.Client(transport=DyingTransport(dies_at if dies_at is not None else -1))
        options.setdefault("api_limits", FREELY)
        options.setdefault("query_limits", FREELY)
        source = PostHogSource(
            self.url,
            1,
            "phx_fake",
            client=client,
            clock=self.clock,
            sleep=self.clock.sleep,
            **options,
        )
        self._opened.append(client.close)
        return source

    def archive(self, name="a"):
        archive = Archive.open(self.folder / name, create=True)
        self._opened.append(archive.close)
        return archive

    def pull(self, archive=None, *, source=None, **options):
        return pull(
            source or self.source(),
            archive or self.archive(),
            clock=self.clock,
            sleep=self.clock.sleep,
            **options,
        )

    def close(self):
        for close in reversed(self._opened):
            close()


@pytest.fixture(scope="module")
def served():
    fake = FakePostHog()
    with serve(fake) as url:
        yield fake, url


@pytest.fixture
def world(served, tmp_path):
    fake, url = served
    fake.recordings = {r.session_id: r for r in some()}
    fake.faults, fake.requests = [], []
    made = World(fake, url, tmp_path)
    yield made
    made.close()


def contents(archive):
    """Give every file of the recordings but the times in the manifests."""
    found = {}
    for info in archive.store.list("recordings"):
        data = archive.store.get(info.key)
        if info.key.endswith("manifest.json"):
            manifest = json.loads(data)
            del manifest["created_ms"]
            data = json.dumps(manifest, sort_keys=True).encode()
        found[info.key] = data
    return found


# --- once, twice, in pieces -----------------------------------------------------------


def test_pulling_twice_is_pulling_once(world):
    archive = world.archive()
    first = world.pull(archive)
    assert (first.written, first.already_there, first.ok) == (["s0", "s1", "s2", "s3"], [], True)
    before = contents(archive)
    asked = len(world.fake.requests)
    second = world.pull(archive)
    assert second.written == []
    assert contents(archive) == before
    assert len(world.fake.requests) - asked == 1


def test_what_is_stored_is_what_the_source_has(world):
    archive = world.archive()
    world.pull(archive)
    for recording in world.fake.recordings.values():
        stored = archive.recording(recording.session_id)
        lines = [json.loads(x) for b in recording.blocks for x in b.splitlines()]
        assert [
            {"type": e.type, "timestamp": e.timestamp_ms, "data": json.loads(e.data_json)}
            for e in stored.events(order="arrival")
        ] == [event for _, event in lines]
        assert stored.manifest.source["kind"] == "posthog-api"
        assert stored.analytics().column("event").to_pylist() == ["$pageview"]


@pytest.mark.parametrize("broken_state", [False, True], ids=["state kept", "state lost"])
def test_killed_between_any_two_requests_it_goes_on(world, broken_state):
    whole = world.archive("whole")
    world.pull(whole)
    requests = len(world.fake.requests)
    expected = contents(whole)
    for n in range(requests):
        archive = world.archive(f"killed-{n}")
        with pytest.raises(KilledError):
            world.pull(archive, source=world.source(dies_at=n))
        if broken_state:
            source = world.source()
            from replayport.pull import _PullState

            archive.catalog.set_state(_PullState(archive, source.key, oldest_first=True)._name, {})
        asked = len(world.fake.requests)
        report = world.pull(archive)
        assert report.ok
        assert contents(archive) == expected, n
        # What was done is not done again: the list, and at most one recording twice.
        done = len(expected) // 3 - len(report.written)
        assert len(world.fake.requests) - asked <= 1 + 3 * (len(world.fake.recordings) - done)


def test_killed_at_every_request_of_every_run_it_still_comes_to_an_end(world):
    archive = world.archive()
    rng = random.Random(7)
    for _ in range(60):
        try:
            world.pull(archive, source=world.source(dies_at=rng.randrange(1, 6)))
            break
        except KilledError:
            continue
    whole = world.archive("whole")
    world.pull(whole)
    assert contents(archive) == contents(whole)


def test_ctrl_c_leaves_the_report_of_what_was_done(world):
    archive = world.archive()
    report = Report()

    def interrupt(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.pull(archive, report=report, on_progress=interrupt)
    assert report.written == ["s0", "s1"]
    assert world.pull(archive).written == ["s2", "s3"]


def test_stop_ends_in_good_order(world):
    archive = world.archive()
    report = world.pull(archive, stop=lambda: len(list(archive.catalog.list())) >= 3)
    assert report.written == ["s0", "s1", "s2"]
    assert world.pull(archive).written == ["s3"]


def test_a_limit_counts_what_is_fetched(world):
    archive = world.archive()
    assert world.pull(archive, limit=1).written == ["s0"]
    assert world.pull(archive, limit=2).written == ["s1", "s2"]
    assert world.pull(archive, limit=2).written == ["s3"]
    assert world.pull(archive, limit=0).written == []


def test_two_at_once_store_each_recording_once(world):
    reports = []

    def work():
        archive = Archive.open(world.folder / "shared", create=True)
        source = world.source()
        reports.append(pull(source, archive, clock=world.clock))
        archive.close()

    world.archive("shared")
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = world.archive("whole")
    world.pull(whole)
    again = world.pull(world.archive("shared"))
    assert again.ok
    assert contents(world.archive("shared")) == contents(whole)


# --- only what is new -----------------------------------------------------------------


def test_the_next_run_lists_only_what_came_since(world):
    archive = world.archive()
    world.pull(archive)
    world.fake.requests.clear()
    new = FakeRecording.simple("new", start_ms=T + 20 * DAY)
    late = FakeRecording.simple("late", start_ms=T + 8 * DAY)  # sent days after it started
    world.fake.add(new)
    world.fake.add(late)
    assert world.pull(archive).written == ["late", "new"]
    listing = next(r for r in world.fake.requests if "/snapshots" not in r.path)
    assert listing.query["date_from"] > "2023-11-20"


def test_an_earlier_time_asked_for_is_listed_again(world):
    archive = world.archive()
    assert world.pull(archive, since_ms=T + 5 * DAY).written == ["s2", "s3"]
    assert world.pull(archive, since_ms=T + 5 * DAY).written == []
    assert world.pull(archive).written == ["s0", "s1"]
    assert world.pull(archive).written == []


def test_a_bound_above_leaves_the_rest_for_later(world):
    archive = world.archive()
    assert world.pull(archive, until_ms=T + 3 * DAY).written == ["s0"]
    assert world.pull(archive).written == ["s1", "s2", "s3"]


@pytest.mark.parametrize("seed", range(5))
def test_any_order_of_bounds_and_limits_ends_with_everything(world, seed):
    rng = random.Random(seed)
    archive = world.archive()
    for _ in range(8):
        since = rng.choice([None, T + rng.randrange(12) * DAY])
        until = rng.choice([None, T + rng.randrange(12) * DAY])
        world.pull(archive, since_ms=since, until_ms=until, limit=rng.choice([None, 1, 2]))
    world.pull(archive)
    assert {r.id for r in archive.catalog.list()} == {"s0", "s1", "s2", "s3"}


def test_other_filters_remember_for_themselves(world):
    from replayport.sources.posthog_api import RecordingFilters

    archive = world.archive()
    one = world.source(filters=RecordingFilters(session_ids=["s3"]))
    assert world.pull(archive, source=one).written == ["s3"]
    assert world.pull(archive).written == ["s0", "s1", "s2"]


class Listed:
    """A source made of refs, in any order."""

    kind = "posthog-api"
    key = "listed"
    project = "1"
    received_bytes = 0

    def __init__(self, inner, order, *, oldest_first):
        self.inner, self.order, self.oldest_first = inner, order, oldest_first

    def list_recordings(self, *, since_ms=None, until_ms=None):
        refs = {r.session_id: r for r in self.inner.list_recordings()}
        for session_id in self.order:
            if since_ms is None or refs[session_id].start_ms >= since_ms:
                yield refs[session_id]

    def fetch(self, ref):
        return self.inner.fetch(ref)

    def count(self, **_):
        return None

    def time_left_s(self, recordings):
        return None


@pytest.mark.parametrize(
    ("order", "claims"),
    [
        ("s3 s2 s1 s0", True),
        ("s3 s0 s1 s2", True),
        ("s3 s2 s1 s0", False),
        ("s3 s0 s1 s2", False),
        # With a claim, nobody could tell this from the right order by its first two.
        ("s1 s3 s0 s2", False),
    ],
)
def test_a_source_in_another_order_loses_nothing_when_stopped(world, order, claims):
    source = Listed(world.source(), order.split(), oldest_first=claims)
    archive = world.archive()
    for _ in range(6):
        world.pull(archive, source=source, limit=1)
    assert {r.id for r in archive.catalog.list()} == set(order.split())


# --- young, incomplete, grown ---------------------------------------------------------


def test_young_and_running_recordings_are_left_for_later(world):
    now_ms = int(NOW_S * 1000)
    world.fake.add(FakeRecording.simple("young", start_ms=now_ms - DAY + 60_000))
    world.fake.add(FakeRecording.simple("old", start_ms=now_ms - DAY - 60_000))
    running = FakeRecording.simple("running", start_ms=now_ms - 3 * DAY, ongoing=True)
    world.fake.add(running)
    archive = world.archive()
    report = world.pull(archive)
    assert set(report.left_for_later) == {"young", "running"}
    assert report.ok
    assert "old" in report.written
    world.clock.now_s += 120
    world.fake.add(FakeRecording.simple("running", start_ms=now_ms - 3 * DAY))
    assert world.pull(archive).written == ["running", "young"]


def test_one_taken_young_is_taken_again_when_it_has_grown(world):
    now_ms = int(NOW_S * 1000)
    archive = world.archive()
    world.fake.add(FakeRecording.simple("young", start_ms=now_ms - HOUR, blocks=1))
    assert "young" in world.pull(archive, include_recent=True).written
    assert "young" in world.pull(archive, include_recent=True).already_there
    world.fake.add(FakeRecording.simple("young", start_ms=now_ms - HOUR, blocks=3))
    world.clock.now_s += 86_400
    assert world.pull(archive).written == ["young"]
    assert archive.recording("young").manifest.events == 15
    assert world.pull(archive).written == []


def test_an_incomplete_recording_is_mended_by_a_later_run(world):
    archive = world.archive()
    fault = world.fake.inject(
        Fault("skip_blocks", match="/s1/snapshots?source", blocks=frozenset({1}), times=None)
    )
    report = world.pull(archive)
    assert report.findings["missing_block"] == 1
    stored = archive.recording("s1").manifest
    assert (stored.complete, stored.missing, stored.events) == (False, ["1"], 5)
    world.fake.faults.remove(fault)
    assert world.pull(archive).written == ["s1"]
    stored = archive.recording("s1").manifest
    assert (stored.complete, stored.missing, stored.events) == (True, [], 10)
    assert world.pull(archive).written == []
    whole = world.archive("whole")
    world.pull(whole)
    assert contents(archive) == contents(whole)


def test_less_never_takes_the_place_of_more(world):
    archive = world.archive()
    world.fake.inject(
        Fault("skip_blocks", match="/s1/snapshots?source", blocks=frozenset({1}), times=None)
    )
    world.pull(archive)
    before = contents(archive)
    world.fake.faults.clear()
    world.fake.inject(
        Fault("skip_blocks", match="/s1/snapshots?source", blocks=frozenset({0, 1}), times=None)
    )
    report = world.pull(archive)
    assert contents(archive) == before
    assert [(r.what, r.reason) for r in report.rejected] == [("s1", RejectReason.MISSING_BLOCK)]
    world.fake.faults.clear()
    world.pull(archive)
    world.fake.inject(
        Fault("skip_blocks", match="/s1/snapshots?source", blocks=frozenset({0}), times=None)
    )
    world.pull(archive, force=True)
    assert archive.recording("s1").manifest.events == 10
    assert archive.recording("s1").manifest.complete


def test_what_never_becomes_whole_is_not_asked_for_ever(world):
    archive = world.archive()
    world.fake.inject(
        Fault("skip_blocks", match="/s1/snapshots?source", blocks=frozenset({1}), times=None)
    )
    for _ in range(MAX_TRIES):
        world.pull(archive)
    world.fake.requests.clear()
    world.pull(archive)
    assert world.fake.count("/s1/") == 0
    world.pull(archive, force=True)
    assert world.fake.count("/s1/") > 0


def test_force_fetches_what_is_there(world):
    archive = world.archive()
    world.pull(archive)
    before = contents(archive)
    report = world.pull(archive, force=True)
    assert report.written == ["s0", "s1", "s2", "s3"]
    assert contents(archive) == before


def test_a_redacted_recording_is_never_replaced(world):
    import msgspec

    archive = world.archive()
    world.pull(archive)
    stored = archive.recording("s1")
    redacted = msgspec.structs.replace(stored.manifest, privacy=[{"rule": "mask"}])
    archive.write_files(redacted, {n: stored.file(n) for n in redacted.files}, replace=True)
    world.fake.add(FakeRecording.simple("s1", start_ms=T + 3 * DAY, blocks=9))
    before = contents(archive)
    world.pull(archive, force=True)
    assert {k: v for k, v in contents(archive).items() if "/s1/" in k} == {
        k: v for k, v in before.items() if "/s1/" in k
    }


def test_a_recording_that_was_captured_is_left_alone(world):
    import msgspec

    archive = world.archive()
    world.pull(archive)
    stored = archive.recording("s1")
    captured = msgspec.structs.replace(stored.manifest, source={"kind": "capture"})
    archive.write_files(captured, {n: stored.file(n) for n in captured.files}, replace=True)
    world.fake.add(FakeRecording.simple("s1", start_ms=T + 3 * DAY, blocks=9))
    report = world.pull(archive, since_ms=T)
    assert "s1" not in report.written
    assert archive.recording("s1").manifest.source == {"kind": "capture"}


# --- what goes wrong ------------------------------------------------------------------


def test_one_bad_recording_does_not_stop_the_others(world):
    empty = FakeRecording("s1", blocks=(b'["w",{}]\n',))
    world.fake.add(FakeRecording.simple("s2", start_ms=T + 6 * DAY))
    world.fake.inject(Fault("status", match="/s2/snapshots", status=404, times=None))
    world.fake.inject(Fault("status", match="/s3/snapshots", status=410, times=None))
    assert empty.start_ms == 0
    report = world.pull()
    assert report.written == ["s0", "s1"]
    assert {r.what: r.reason for r in report.rejected} == {
        "s2": RejectReason.NOT_FOUND,
        "s3": RejectReason.DELETED,
    }


def test_a_source_out_of_order_ends_the_run_which_can_be_continued(world):
    archive = world.archive()
    world.fake.inject(Fault("status", match="/snapshots", status=503, after=3, times=None))
    report = world.pull(archive)
    assert report.written == ["s0"]
    assert {r.reason for r in report.rejected} == {RejectReason.SOURCE_UNAVAILABLE}
    assert not report.ok
    world.fake.faults.clear()
    assert world.pull(archive).written == ["s1", "s2", "s3"]


def test_a_rate_limit_too_long_ends_the_run_which_can_be_continued(world):
    archive = world.archive()
    world.fake.inject(Fault("status", match="/s2/", status=429, retry_after="90000", times=None))
    report = world.pull(archive)
    assert report.written == ["s0", "s1"]
    assert [(r.what, r.reason) for r in report.rejected] == [("s2", RejectReason.RATE_LIMITED)]
    world.fake.faults.clear()
    assert world.pull(archive).written == ["s2", "s3"]


def test_a_wrong_key_ends_the_run_at_once(world):
    world.fake.inject(Fault("status", status=401, times=None))
    report = world.pull()
    assert [r.reason for r in report.rejected] == [RejectReason.UNAUTHORIZED]
    assert world.fake.count(status=401) <= 2


def test_a_listing_that_fails_halfway_keeps_what_was_done(world, monkeypatch):
    from replayport.sources import posthog_api

    monkeypatch.setattr(posthog_api, "PAGE_SIZE", 2)
    world.fake.inject(Fault("status", match="after=", status=500, times=None))
    archive = world.archive()
    report = world.pull(archive)
    assert report.written == ["s0", "s1"]
    assert report.rejected[0].what == "listing of project 1"
    world.fake.faults.clear()
    assert world.pull(archive).written == ["s2", "s3"]


def test_a_full_disk_ends_the_run(world, monkeypatch):
    archive = world.archive()

    def full(draft, **_):
        raise StoreError("no space left", location="file:///a", operation="put")

    monkeypatch.setattr(archive, "write", full)
    report = world.pull(archive)
    assert [(r.what, r.reason) for r in report.rejected] == [("s0", RejectReason.STORE_FAILED)]
    monkeypatch.undo()
    assert world.pull(archive).written == ["s0", "s1", "s2", "s3"]


@pytest.mark.parametrize(("times", "ok"), [(2, True), (10**6, False)])
def test_what_a_killed_writer_holds_is_waited_for(world, monkeypatch, times, ok):
    archive = world.archive()
    write = archive.write
    left = [times]

    def held(draft, **options):
        if draft.session_id == "s1" and left[0]:
            left[0] -= 1
            raise ObjectExistsError("leased", location="file:///a", operation="lease")
        return write(draft, **options)

    monkeypatch.setattr(archive, "write", held)
    report = world.pull(archive)
    assert report.written == (["s0", "s1", "s2", "s3"] if ok else ["s0", "s2", "s3"])
    assert [r.reason for r in report.rejected] == ([] if ok else [RejectReason.STORE_FAILED])
    assert world.fake.count("/s1/snapshots?source") == 1
    assert 0 < sum(world.clock.slept_s) <= 130
    monkeypatch.undo()
    assert world.pull(archive).written == ([] if ok else ["s1"])


def test_a_bug_is_not_hidden(world, monkeypatch):
    source = world.source()
    monkeypatch.setattr(source, "fetch", lambda ref: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        world.pull(source=source)


def test_cuts_and_refusals_on_the_way_change_nothing(world):
    whole = world.archive("whole")
    world.pull(whole)
    for n in range(6):
        world.fake.inject(Fault("cut", match="/snapshots", after=2 * n, keep_bytes=7 * n))
        world.fake.inject(Fault("status", after=3 * n, status=429, retry_after="3"))
        world.fake.inject(Fault("status", after=3 * n, status=502, code="bad_gateway"))
    archive = world.archive()
    assert world.pull(archive).ok
    assert contents(archive) == contents(whole)


# --- limits and progress --------------------------------------------------------------


def test_a_whole_pull_keeps_the_plans_limits(tmp_path):
    clock = FakeClock(NOW_S)
    fake = FakePostHog(some(30, blocks=1, every_ms=DAY // 2), limits=PLANS["free"], clock=clock)
    with serve(fake) as url, Archive.open(tmp_path / "a", create=True) as archive:
        for limit in (20, None):  # the second run knows what the first one sent
            source = PostHogSource(
                url, 1, "phx_fake", state=archive.catalog, clock=clock, sleep=clock.sleep
            )
            report = pull(source, archive, clock=clock, limit=limit)
            assert report.ok
            source.close()
        assert archive.catalog.count() == 30
    assert fake.count(status=429) == 0


def test_progress_tells_how_far_it_is(world):
    seen = []
    world.pull(on_progress=seen.append)
    assert [(p.done, p.total) for p in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [p.session_id for p in seen] == ["s0", "s1", "s2", "s3"]
    assert seen[-1].received_bytes > seen[0].received_bytes > 0
    assert seen[-1].time_left_s == 0
    assert all(p.recordings_per_s >= 0 for p in seen)


def test_the_time_left_on_a_plan_is_honest(tmp_path):
    clock = FakeClock(NOW_S)
    fake = FakePostHog(some(25, blocks=1, every_ms=DAY // 2), clock=clock)
    seen = []
    with serve(fake) as url, Archive.open(tmp_path / "a", create=True) as archive:
        source = PostHogSource(
            url, 1, "phx_fake", state=archive.catalog, clock=clock, sleep=clock.sleep
        )
        pull(source, archive, clock=clock, on_progress=lambda p: seen.append((clock(), p)))
        source.close()
    end_s = clock()
    for at_s, progress in seen:
        assert progress.time_left_s == pytest.approx(end_s - at_s, abs=130)


def test_nothing_is_left_in_memory_but_the_report(world):
    archive = world.archive()
    refs = [RecordingRef(project="1", session_id="s0", start_ms=T, end_ms=T) for _ in range(3)]

    class Endless(Listed):
        alive = 0

        def list_recordings(self, **_):
            yield from refs

        def fetch(self, ref):
            raise SourceError("down")

    report = world.pull(archive, source=Endless(None, [], oldest_first=True))
    assert len(report.rejected) == 3


# --- real recordings ------------------------------------------------------------------


def captured(folder):
    """Read the requests of one capture in the corpus."""
    path = folder / "requests.jsonl"
    text = (
        path.read_bytes()
        if path.exists()
        else gzip.decompress((folder / "requests.jsonl.gz").read_bytes())
    )
    for line in text.splitlines():
        row = json.loads(line)
        body = folder / (row["body_file"] or "")
        yield WireRequest(
            ms=row["t"],
            method=row["method"],
            path=row["path"],
            query=row["query"],
            headers=row["headers"],
            body=body.read_bytes() if body.is_file() else b"",
        )


@pytest.mark.corpus
def test_real_recordings_come_through_whole(world, corpus):
    archive = world.archive()
    for folder in sorted((corpus / "posthog-wire").iterdir()):
        summary = json.loads((folder / "summary.json").read_text())
        recordings = FakeRecording.from_wire(captured(folder))
        world.fake.recordings = {r.session_id: r for r in recordings}
        assert recordings, folder.name
        report = world.pull(archive, include_recent=True, force=True)
        assert report.ok, folder.name
        counted = Counter()
        for recording in recordings:
            stored = archive.recording(recording.session_id)
            assert stored.manifest.complete
            assert stored.manifest.analytics_events == len({e.id for e in recording.events})
            for window in stored.manifest.windows:
                counted[f"{recording.session_id}/{window.window_id}"] = window.events
        assert counted == {
            name: window["events"] for name, window in summary["per_session_window"].items()
        }, folder.name


def test_the_shipped_recordings_come_through_whole(world):
    recordings = FakePostHog.demo().recordings
    world.fake.recordings = recordings
    archive = world.archive()
    report = world.pull(archive, include_recent=True)
    assert report.ok
    assert set(report.written) == set(recordings)
    for session_id, recording in recordings.items():
        manifest = archive.recording(session_id).manifest
        assert manifest.complete
        assert manifest.events == sum(b.count(b"\n") for b in recording.blocks)
        assert manifest.snapshot_source == recording.snapshot_source


def test_an_erased_recording_is_not_even_asked_for(world, tmp_path):
    archive = world.archive()
    world.pull(archive)
    one = eraser(archive, tmp_path)
    one.run(one.plan(Scope("recording", "1/s1")))
    before = world.fake.count("s1/snapshots")
    report = world.pull(archive, force=True)
    assert [(r.what, r.reason) for r in report.rejected] == [("session s1", RejectReason.ERASED)]
    assert report.ok
    assert world.fake.count("s1/snapshots") == before
    assert not archive.has("1", "s1")
