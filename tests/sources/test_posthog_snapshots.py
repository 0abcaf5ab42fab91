import httpx
import pytest
from tests.support.fetched import events_of, expected, ref_of

from replayport.errors import SourceDataError, SourceError
from replayport.outcomes import RejectReason
from replayport.sources.base import RecordingRef, iso_utc
from replayport.sources.posthog_api import PostHogSource
from replayport.testing import FakePostHog, FakeRecording, Fault

T = 1_700_000_000_000
HOUR = 3_600_000


def many(n):
    return [FakeRecording.simple(f"s{i:03d}", start_ms=T + i * HOUR) for i in range(n)]


# --- one recording --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("blocks", "server"),
    [
        *((n, {}) for n in (1, 19, 20, 21, 45)),
        *((n, {"takes_ranges": False}) for n in (1, 20, 21)),
        *((n, {"generation": "v2-on-request"}) for n in (1, 20, 21)),
        *((n, {"generation": "v1"}) for n in (1, 20, 21)),
    ],
)
def test_all_events_come_whatever_the_server(connect, blocks, server):
    recording = FakeRecording.simple("s1", blocks=blocks)
    source = connect(FakePostHog([recording], **server))
    draft = source.fetch(ref_of(source))
    assert events_of(draft) == expected(recording)
    assert draft.missing == []
    assert not draft.rejected


def test_blocks_are_asked_twenty_at_a_time(connect):
    fake = FakePostHog([FakeRecording.simple("s1", blocks=41)])
    source = connect(fake)
    source.fetch(ref_of(source))
    assert fake.count("source=blob_v2") == 3
    assert fake.count(status=400) == 0


def test_what_a_server_is_like_is_asked_once(connect):
    fake = FakePostHog(many(3), takes_ranges=False, generation="v2-on-request")
    source = connect(fake)
    for ref in list(source.list_recordings()):
        source.fetch(ref)
    assert fake.count(status=400) == 1
    # The list of blocks: twice for the first recording, then once each.
    assert sum("/snapshots" in r.path and "source" not in r.query for r in fake.requests) == 4


def test_a_long_term_copy(connect):
    recording = FakeRecording.simple("s1", blocks=3, long_term=True)
    draft = (source := connect(FakePostHog([recording]))).fetch(ref_of(source))
    assert events_of(draft) == expected(recording)
    assert draft.provenance["served_as"] == "blob_v2_lts"


def test_a_server_that_only_gives_text(connect):
    recording = FakeRecording.simple("s1", blocks=25)
    fake = FakePostHog([recording])
    fake.inject(Fault("text", match="source=blob_v2", times=None))
    draft = (source := connect(fake)).fetch(ref_of(source))
    assert events_of(draft) == expected(recording)
    assert draft.missing == []


# --- partial answers ------------------------------------------------------------------


@pytest.mark.parametrize("gone", [{0}, {7}, {19}, {20}, {3, 4, 11}, {22}])
def test_blocks_left_out_without_a_word_are_noticed(connect, gone):
    recording = FakeRecording.simple("s1", blocks=23)
    fake = FakePostHog([recording])
    fake.inject(Fault("skip_blocks", match="source=blob_v2", blocks=frozenset(gone), times=None))
    draft = (source := connect(fake)).fetch(ref_of(source))
    assert draft.missing == [str(n) for n in sorted(gone)]
    assert events_of(draft) == expected(recording, without=gone)


def test_a_block_left_out_once_is_had_by_asking_again(connect):
    recording = FakeRecording.simple("s1", blocks=23)
    fake = FakePostHog([recording])
    fake.inject(Fault("skip_blocks", match="source=blob_v2", blocks=frozenset({5}), times=1))
    draft = (source := connect(fake)).fetch(ref_of(source))
    assert draft.missing == []
    assert events_of(draft) == expected(recording)


def test_blocks_left_out_of_a_text_are_noticed_by_their_time(connect):
    recording = FakeRecording.simple("s1", blocks=6)
    without = FakeRecording("s1", blocks=[b for n, b in enumerate(recording.blocks) if n != 4])
    text = b"".join(without.blocks)

    def handler(request):
        if "source" not in request.url.params:
            return httpx.Response(
                200,
                json={
                    "sources": [
                        {
                            "source": "blob_v2",
                            "blob_key": str(n),
                            "start_timestamp": iso(a),
                            "end_timestamp": iso(b),
                        }
                        for n, (a, b) in enumerate(recording.spans_ms)
                    ]
                },
            )
        return httpx.Response(200, content=text, headers={"content-type": "application/jsonl"})

    client = httpx.Client(transport=httpx.MockTransport(handler))
    source = PostHogSource("us", 1, "phx_x", client=client, with_analytics=False)
    draft = source.fetch(RecordingRef(project="1", session_id="s1", start_ms=T, end_ms=T))
    assert draft.missing == ["4"]


def iso(ms):
    return iso_utc(ms)


def test_no_block_can_be_read(connect):
    fake = FakePostHog([FakeRecording.simple("s1", blocks=3)])
    fake.inject(
        Fault("skip_blocks", match="source=blob_v2", blocks=frozenset(range(3)), times=None)
    )
    source = connect(fake)
    with pytest.raises(SourceDataError) as error:
        source.fetch(ref_of(source))
    assert error.value.reason == RejectReason.MISSING_BLOCK


def test_a_gateways_502_is_tried_again(connect):
    recording = FakeRecording.simple("s1", blocks=3)
    fake = FakePostHog([recording])
    fake.inject(Fault("status", match="source=blob_v2", status=502, code="bad_gateway", times=3))
    draft = (source := connect(fake)).fetch(ref_of(source))
    assert events_of(draft) == expected(recording)


@pytest.mark.parametrize("times", [1, None])
def test_a_list_that_promises_too_much(connect, times):
    recording = FakeRecording.simple("s1", blocks=4)
    fake = FakePostHog([recording])
    fake.inject(Fault("extra_blocks", match="/snapshots?", extra=2, times=times, after=0))
    source = connect(fake)
    draft = source.fetch(ref_of(source))
    assert events_of(draft) == expected(recording)
    assert draft.missing == ([] if times == 1 else ["4", "5"])


def test_a_list_that_shifted_between_two_requests_is_asked_again(connect):
    late = FakeRecording.simple("s1", blocks=3)
    early = FakeRecording("s1", blocks=late.blocks[1:])
    fake = FakePostHog([early])
    source = connect(fake)
    ref = ref_of(source)
    listing = source._snapshots.list_blocks

    def shifting(ref):
        found = listing(ref)
        fake.add(late)
        return found

    source._snapshots.list_blocks = shifting
    draft = source.fetch(ref)
    assert events_of(draft) == expected(late)
    assert draft.missing == []
    assert "block_time_differs" not in draft.findings


def test_an_empty_list_of_blocks_is_not_an_empty_recording(connect):
    fake = FakePostHog([FakeRecording("s1", blocks=())])
    source = connect(fake)
    ref = RecordingRef(project="1", session_id="s1", start_ms=T, end_ms=T + 5000)
    with pytest.raises(SourceDataError, match="first block is gone") as error:
        source.fetch(ref)
    assert error.value.reason == RejectReason.MISSING_BLOCK


def test_a_recording_without_events_is_empty(connect):
    fake = FakePostHog([FakeRecording("s1", blocks=(b"\n",))])
    source = connect(fake)
    ref = RecordingRef(project="1", session_id="s1", start_ms=T, end_ms=T)
    with pytest.raises(SourceDataError) as error:
        source.fetch(ref)
    assert error.value.reason == RejectReason.EMPTY


def test_a_recording_whose_blocks_are_refused_does_not_spoil_the_next(connect):
    fake = FakePostHog(many(2))
    fake.inject(Fault("status", match="/s000/snapshots?source", status=400, times=None))
    source = connect(fake)
    first, second = source.list_recordings()
    with pytest.raises(SourceError, match="as a range and one by one"):
        source.fetch(first)
    assert events_of(source.fetch(second)) == expected(fake.recordings["s001"])
