import json
import re

import httpx
import pytest

from replayport.errors import SettingsError, SourceAuthError, SourceDataError, SourceError
from replayport.sources import clickhouse
from replayport.sources.clickhouse import ClickHouseListing
from replayport.testing import FakeClock

T = 1_700_000_000_000
DAY = 86_400_000


class FakeClickHouse:
    """Answers the listing's query as ClickHouse does, from whole sessions."""

    def __init__(self, starts_ms, *, has_deleted=True):
        self.starts_ms = starts_ms
        self.has_deleted = has_deleted
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        params, query = request.url.params, request.content.decode()
        # Every placeholder needs its parameter, or ClickHouse refuses.
        for name, _ in re.findall(r"\{(\w+):(\w+)\}", query):
            assert f"param_{name}" in params, name
        if "is_deleted" in query and not self.has_deleted:
            return httpx.Response(
                404, text="Code: 47. DB::Exception: Unknown expression identifier `is_deleted`"
            )
        low, high = int(params["param_from_ms"]), int(params["param_until_ms"])
        after = (int(params["param_after_ms"]), params["param_after_id"])
        limit = int(re.search(r"LIMIT (\d+)", query)[1])
        wanted = params.get("param_session_id") if "AND session_id =" in query else None
        rows = sorted(
            (start, session_id)
            for session_id, start in self.starts_ms.items()
            if low <= start < high and (start, session_id) > after and wanted in (None, session_id)
        )
        lines = [
            [
                s,
                "jo",
                a,
                a + 900,
                [a + 500, a],
                [a + 900, a + 400],
                [f"s3://b/{s}2?range=bytes=0-9", f"s3://b/{s}1?range=bytes=0-9"],
                0,
            ]
            for a, s in rows[:limit]
        ]
        return httpx.Response(200, text="".join(json.dumps(x) + "\n" for x in lines))


def listing_of(handler, **options):
    clock = FakeClock()
    return ClickHouseListing(
        "http://localhost:8123",
        7,
        user="reader",
        password="hunter2",
        client=httpx.Client(transport=httpx.MockTransport(handler)),
        clock=clock,
        sleep=clock.sleep,
        **options,
    )


@pytest.mark.parametrize("n", [0, 1, 5, 6, 11])
def test_every_session_is_listed_once_oldest_first(monkeypatch, n):
    monkeypatch.setattr(clickhouse, "PAGE_ROWS", 5)
    starts = {f"s{i}": T + (i // 3) * 1000 for i in range(n)}  # several start together
    found = list(listing_of(FakeClickHouse(starts)).recordings())
    assert [(r.start_ms, r.session_id) for r in found] == sorted((t, s) for s, t in starts.items())


def test_blocks_are_in_order_of_time():
    (found,) = listing_of(FakeClickHouse({"s": T})).recordings()
    assert [(b.start_ms, b.url) for b in found.blocks] == [
        (T, "s3://b/s1?range=bytes=0-9"),
        (T + 500, "s3://b/s2?range=bytes=0-9"),
    ]
    assert (found.distinct_id, found.end_ms, found.deleted) == ("jo", T + 900, False)


def test_bounds_and_one_session():
    starts = {f"s{i}": T + i * DAY for i in range(5)}
    listing = listing_of(FakeClickHouse(starts))
    found = listing.recordings(since_ms=T + DAY, until_ms=T + 3 * DAY)
    assert [r.session_id for r in found] == ["s1", "s2"]
    assert listing.find("s3", start_ms=T + 3 * DAY + 5).session_id == "s3"
    assert listing.find("s3", start_ms=T) is None
    assert listing.find("x' OR 1=1 --", start_ms=T) is None


def test_values_are_bound_and_never_in_the_query():
    server = FakeClickHouse({})
    listing = listing_of(server)
    listing.find("x'; DROP TABLE y", start_ms=T)
    list(listing.recordings(since_ms=T))
    for request in server.requests:
        assert "DROP" not in request.content.decode()
        assert str(T) not in request.content.decode()
        assert "hunter2" not in str(request.url)
        assert request.headers["x-clickhouse-key"] == "hunter2"


def test_an_older_posthog_has_no_deleted_column():
    server = FakeClickHouse({"s": T}, has_deleted=False)
    listing = listing_of(server)
    assert [r.session_id for r in listing.recordings()] == ["s"]
    list(listing.recordings())
    assert len(server.requests) == 3  # found out once


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (
            httpx.Response(403, text="Code: 516. DB::Exception: Authentication failed"),
            SourceAuthError,
        ),
        (httpx.Response(500, headers={"x-clickhouse-exception-code": "497"}), SourceAuthError),
        (httpx.Response(404, text="Code: 60. DB::Exception: Unknown table"), SourceError),
        (httpx.Response(200, html="<html>"), SourceError),
        (httpx.Response(200, text='["s", 1]\n'), SourceDataError),
    ],
)
def test_errors_say_what_is_wrong_and_hold_no_password(response, kind):
    with pytest.raises(kind) as error:
        list(listing_of(lambda _: response).recordings())
    assert "hunter2" not in str(error.value)


def test_the_password_is_not_shown():
    listing = listing_of(FakeClickHouse({}))
    assert "hunter2" not in repr(listing) + listing.key


@pytest.mark.parametrize(
    "options", [{"table": "a; DROP TABLE b"}, {"database": ""}, {"table": "a.b"}]
)
def test_names_that_are_no_names(options):
    with pytest.raises(SettingsError):
        listing_of(FakeClickHouse({}), **options)
    with pytest.raises(SettingsError):
        ClickHouseListing("http://localhost:8123", "1 OR 1=1")
    with pytest.raises(SettingsError, match="unencrypted"):
        ClickHouseListing("http://clickhouse.example:8123", 1)
