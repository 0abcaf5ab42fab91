import httpx
import pytest
from tests.support.fetched import events_of, expected, ref_of

from replayport.archive import Archive
from replayport.errors import (
    SettingsError,
    SourceAuthError,
    SourceDataError,
    SourceError,
    SourceGoneError,
    SourceNotFoundError,
    SourceRateLimitedError,
)
from replayport.outcomes import RejectReason
from replayport.sources import posthog_api
from replayport.sources.posthog_api import PostHogSource, RecordingFilters, posthog_base_url
from replayport.sources.rate_limits import PLANS, Limit
from replayport.testing import FakeEvent, FakePostHog, FakeRecording, Fault

FREELY = [Limit(10**6, 60)]
T = 1_700_000_000_000
HOUR = 3_600_000


# --- listing --------------------------------------------------------------------------


def many(n):
    return [FakeRecording.simple(f"s{i:03d}", start_ms=T + i * HOUR) for i in range(n)]


@pytest.mark.parametrize("cursors", [True, False])
@pytest.mark.parametrize("n", [0, 1, 9, 10, 11, 35])
def test_every_recording_is_listed_once_oldest_first(connect, monkeypatch, cursors, n):
    monkeypatch.setattr(posthog_api, "PAGE_SIZE", 10)
    monkeypatch.setattr(posthog_api, "PAGE_OVERLAP", 3)
    source = connect(FakePostHog(many(n), cursors=cursors))
    assert [r.session_id for r in source.list_recordings()] == [f"s{i:03d}" for i in range(n)]


@pytest.mark.parametrize("cursors", [True, False])
def test_a_listing_that_moves_while_read_loses_nothing_that_stays(connect, monkeypatch, cursors):
    monkeypatch.setattr(posthog_api, "PAGE_SIZE", 10)
    monkeypatch.setattr(posthog_api, "PAGE_OVERLAP", 3)
    fake = FakePostHog(many(40), cursors=cursors)
    source = connect(fake)
    listing = source.list_recordings()
    got = [next(listing).session_id for _ in range(10)]
    for i in range(8):  # expired meanwhile
        del fake.recordings[f"s{i:03d}"]
    fake.add(FakeRecording.simple("late", start_ms=T + HOUR // 2))  # sent late
    got += [r.session_id for r in listing]
    assert len(got) == len(set(got))
    assert {f"s{i:03d}" for i in range(8, 40)} <= set(got)


def test_a_listing_in_circles_ends(connect, monkeypatch):
    page = {"results": [{"id": "s1", "start_time": "2023-11-14T22:13:20Z"}], "has_next": True}

    def handler(request):
        return httpx.Response(200, json={**page, "next_cursor": "same"})

    client = httpx.Client(transport=httpx.MockTransport(handler))
    source = PostHogSource("us", 1, "phx_x", client=client, api_limits=FREELY)
    got = []
    with pytest.raises(SourceError, match="repeats itself"):
        for ref in source.list_recordings():
            got.append(ref.session_id)
    assert got == ["s1"]


def test_bounds_are_exact_to_the_millisecond(connect):
    source = connect(FakePostHog(many(5)))
    since_ms, until_ms = T + HOUR, T + 3 * HOUR
    found = [r.session_id for r in source.list_recordings(since_ms=since_ms, until_ms=until_ms)]
    assert found == ["s001", "s002"]
    found = [
        r.session_id for r in source.list_recordings(since_ms=since_ms + 1, until_ms=until_ms + 1)
    ]
    assert found == ["s002", "s003"]
    assert source.count(since_ms=since_ms, until_ms=until_ms) == 2


def test_what_is_listed_of_a_recording(connect):
    recording = FakeRecording.simple("s1", start_ms=T, blocks=2, ongoing=True, distinct_id="jo")
    ref = ref_of(connect(FakePostHog([recording])))
    assert (ref.start_ms, ref.end_ms, ref.ongoing, ref.distinct_id, ref.project) == (
        recording.start_ms,
        recording.end_ms,
        True,
        "jo",
        "1",
    )
    assert ref.source["kind"] == "posthog-api"
    assert ref.source["retention_period_days"] == 30


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (RecordingFilters(), {"s1", "s2"}),
        (RecordingFilters(distinct_ids=["ann"]), {"s1"}),
        (RecordingFilters(session_ids=["s2", "other"]), {"s2"}),
        (RecordingFilters(events=[{"id": "bought", "type": "events"}]), {"s2"}),
        (
            RecordingFilters(
                properties=[{"key": "plan", "value": ["pro"], "operator": "exact", "type": "event"}]
            ),
            {"s2"},
        ),
        (RecordingFilters(min_duration_s=5), {"s2"}),
        (
            RecordingFilters(
                having_predicates=[
                    {
                        "key": "snapshot_source",
                        "value": ["mobile"],
                        "operator": "exact",
                        "type": "recording",
                    }
                ]
            ),
            set(),
        ),
    ],
)
def test_filters(connect, filters, found):
    fake = FakePostHog(
        [
            FakeRecording.simple("s1", distinct_id="ann"),
            FakeRecording(
                "s2",
                distinct_id="bob",
                blocks=FakeRecording.simple("s2", blocks=2).blocks,
                events=[FakeEvent(T, "bought", {"plan": "pro"})],
            ),
        ]
    )
    source = connect(fake, filters=filters)
    assert {r.session_id for r in source.list_recordings()} == found


def test_many_session_ids_are_asked_in_parts(connect):
    source = connect(
        FakePostHog(many(150)),
        filters=RecordingFilters(session_ids=[f"s{i:03d}" for i in range(150)]),
    )
    assert len(list(source.list_recordings())) == 150
    assert source.count() == 150


def test_filters_have_their_own_memory_and_show_nobody():
    plain = PostHogSource("us", 1, "phx_x")
    filtered = PostHogSource(
        "us", 1, "phx_x", filters=RecordingFilters(distinct_ids=["jane@example.com"])
    )
    assert plain.key != filtered.key
    assert "jane" not in filtered.key
    plain.close()
    filtered.close()


def test_one_recording_is_found_by_its_id(connect):
    source = connect(FakePostHog(many(3)))
    assert source.find("s001") == ref_of(source, "s001")
    with pytest.raises(SourceNotFoundError):
        source.find("nope/../s001")


# --- faults ---------------------------------------------------------------------------


@pytest.mark.parametrize("keep_bytes", [0, 1, 10, 60])
def test_a_stream_cut_in_the_middle_is_had_again(connect, keep_bytes):
    recording = FakeRecording.simple("s1", blocks=3)
    fake = FakePostHog([recording])
    fake.inject(Fault("cut", keep_bytes=keep_bytes, times=2))
    source = connect(fake)
    assert events_of(source.fetch(ref_of(source))) == expected(recording)
    fake.inject(Fault("cut", match="source=blob_v2", keep_bytes=keep_bytes, times=2))
    assert events_of(source.fetch(ref_of(source))) == expected(recording)


def test_a_slow_server_is_waited_for_and_a_silent_one_is_not(connect):
    recording = FakeRecording.simple("s1")
    fake = FakePostHog([recording])
    source = connect(fake, timeout_s=0.3)
    ref = ref_of(source)
    fake.inject(Fault("slow", match="/snapshots", delay_s=0.05, times=1))
    assert events_of(source.fetch(ref)) == expected(recording)
    fake.inject(Fault("slow", match="/snapshots", delay_s=0.6, times=1))
    assert events_of(source.fetch(ref)) == expected(recording)


def test_deleted_and_unknown_recordings(connect):
    fake = FakePostHog([FakeRecording.simple("s1")])
    source = connect(fake)
    ref = ref_of(source)
    fake.add(FakeRecording.simple("s1", deleted=True))
    with pytest.raises(SourceGoneError):
        source.fetch(ref)
    fake.recordings.clear()
    with pytest.raises(SourceNotFoundError):
        source.fetch(ref)


def test_a_login_page_instead_of_data(connect):
    fake = FakePostHog([FakeRecording.simple("s1")])
    source = connect(fake)
    ref = ref_of(source)
    for match in ("/snapshots?", "source=blob_v2"):
        fake.inject(Fault("html", match=match))
        with pytest.raises(SourceError, match="web page"):
            source.fetch(ref)


def test_a_recording_past_the_limit_is_refused(connect):
    fake = FakePostHog([FakeRecording.simple("s1", blocks=3, events=200)])
    source = connect(fake, max_recording_bytes=20_000)
    with pytest.raises(SourceDataError) as error:
        source.fetch(ref_of(source))
    assert error.value.reason == RejectReason.TOO_LARGE


@pytest.mark.parametrize(
    ("scopes", "key", "says"),
    [({"query:read"}, "phx_fake", "session_recording:read"), (None, "phx_wrong", "401")],
)
def test_a_key_that_may_not(connect, scopes, key, says):
    fake = FakePostHog(many(1), **({"scopes": scopes} if scopes else {}))
    source = connect(fake, api_key=key)
    with pytest.raises(SourceAuthError, match=says) as error:
        list(source.list_recordings())
    assert key not in str(error.value)
    assert key not in repr(source)
    assert len(fake.requests) == 1


@pytest.mark.parametrize("key", ["", "  ", "phc_project", "phx_a b", "phx_\n\x00"])
def test_what_is_no_personal_key(key):
    with pytest.raises(SourceAuthError) as error:
        PostHogSource("us", 1, key)
    assert not key.strip() or key not in str(error.value)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("us", "https://us.posthog.com"),
        ("EU", "https://eu.posthog.com"),
        ("https://eu.i.posthog.com/", "https://eu.posthog.com"),
        ("posthog.example/sub", "https://posthog.example/sub"),
    ],
)
def test_hosts(host, url):
    assert posthog_base_url(host) == url


def test_the_key_is_not_sent_in_the_clear():
    with pytest.raises(SettingsError, match="unencrypted"):
        PostHogSource("http://posthog.example", 1, "phx_x")


# --- limits ---------------------------------------------------------------------------


@pytest.mark.parametrize(("plan", "waits"), [("free", True), ("paid", True), ("enterprise", False)])
def test_a_plans_limits_are_kept_from_the_first_request(connect, clock, tmp_path, plan, waits):
    fake = FakePostHog(many(20), limits=PLANS[plan], clock=clock)
    with Archive.open(tmp_path / "a", create=True) as archive:
        for _ in range(2):  # the second source knows what the first one sent
            source = connect(
                fake, api_limits=None, plan=plan, state=archive.catalog, with_analytics=False
            )
            for ref in list(source.list_recordings())[:15]:
                source.fetch(ref)
    assert fake.count(status=429) == 0
    assert len(fake.requests) == 2 * (1 + 2 * 15)
    assert (clock.slept_s != []) is waits


def test_a_stricter_server_is_obeyed(connect, clock):
    fake = FakePostHog(many(6), limits=[Limit(5, 60)], clock=clock)
    source = connect(fake, with_analytics=False)
    drafts = [source.fetch(ref) for ref in source.list_recordings()]
    assert len(drafts) == 6
    assert 0 < fake.count(status=429) <= 3


def test_a_limit_too_far_away_ends_the_run(connect):
    fake = FakePostHog(many(1))
    fake.inject(Fault("status", status=429, retry_after="9000"))
    with pytest.raises(SourceRateLimitedError):
        list(connect(fake).list_recordings())


def test_the_time_left_follows_the_plan(connect, clock):
    source = connect(FakePostHog(many(3)), api_limits=None, plan="free", with_analytics=False)
    # 60 requests an hour, two a recording and a page a hundred: 29 recordings an hour.
    assert source.time_left_s(29) < 3600
    assert 2 * 3600 < source.time_left_s(29 * 3) < 3 * 3600 + 60
    assert source.time_left_s(0) == 0
