import random
from datetime import UTC, datetime
from email.utils import format_datetime

import httpx
import pytest

from replayport.errors import (
    SettingsError,
    SourceAuthError,
    SourceDataError,
    SourceError,
    SourceGoneError,
    SourceNotFoundError,
    SourceRateLimitedError,
)
from replayport.sources.http_client import (
    ATTEMPTS,
    MAX_REFUSALS,
    HttpClient,
    checked_base_url,
)
from replayport.sources.rate_limits import Budget, Limit, MemoryState
from replayport.testing import FakeClock

SECRET = "phx_verysecret"


def client_of(handler, clock=None):
    clock = clock or FakeClock()
    return HttpClient(
        "https://posthog.example/prefix",
        headers={"authorization": f"Bearer {SECRET}"},
        client=httpx.Client(transport=httpx.MockTransport(handler)),
        clock=clock,
        sleep=clock.sleep,
        rng=random.Random(1),
    )


def get(client, **options):
    return client.request("GET", "/api/x", what="asking", params={"q": "private-value"}, **options)


def answers(*responses):
    left = list(responses)

    def handler(request):
        assert request.url.path == "/prefix/api/x"
        found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, Exception):
            raise found
        return found

    return handler


def test_failures_are_retried_with_growing_pauses():
    clock = FakeClock()
    client = client_of(
        answers(httpx.Response(503), httpx.ReadError("cut"), httpx.Response(200, json=[1])), clock
    )
    assert get(client).json() == [1]
    assert client.sent == 3
    assert 0.5 <= clock.slept_s[0] <= 1.0 <= clock.slept_s[1] <= 2.0


@pytest.mark.parametrize("failure", [httpx.Response(500), httpx.ReadTimeout("slow")])
def test_a_source_that_keeps_failing_is_given_up(failure):
    client = client_of(answers(failure))
    with pytest.raises(SourceError, match="failed 5 times") as error:
        get(client)
    assert type(error.value) is SourceError
    assert client.sent == ATTEMPTS


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, SourceAuthError),
        (403, SourceAuthError),
        (404, SourceNotFoundError),
        (410, SourceGoneError),
        (400, SourceError),
        (302, SourceError),
    ],
)
def test_errors_have_their_class_and_hold_no_secret(status, kind):
    client = client_of(
        answers(
            httpx.Response(
                status,
                json={"code": "some_code", "detail": "needs 'query:read' for Jane Doe"},
                headers={"location": "https://elsewhere.example"},
            )
        )
    )
    with pytest.raises(kind) as error:
        get(client)
    text = str(error.value)
    assert client.sent == 1
    for private in (SECRET, "private-value", "Jane"):
        assert private not in text
    assert SECRET not in repr(client)
    if status == 403:
        assert "lacks the scope query:read" in text
        assert error.value.status == 403


def test_statuses_the_caller_handles_are_given_to_it():
    answer = get(client_of(answers(httpx.Response(404, json={"code": "gone"}))), accept=(404,))
    assert (answer.status, answer.code) == (404, "gone")


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_refusal_is_waited_for(form):
    clock = FakeClock()
    until = datetime.fromtimestamp(clock() + 42, tz=UTC)
    value = "42" if form == "seconds" else format_datetime(until, usegmt=True)
    client = client_of(
        answers(httpx.Response(429, headers={"retry-after": value}), httpx.Response(200, json=1)),
        clock,
    )
    budget = Budget([Limit(100, 60)], state=MemoryState(), key="k", clock=clock, sleep=clock.sleep)
    assert get(client, budget=budget).json() == 1
    assert sum(clock.slept_s) == pytest.approx(42, abs=1)


def test_a_date_to_wait_for_is_on_the_servers_clock():
    clock = FakeClock()
    there = clock() - 3600
    headers = {
        "date": format_datetime(datetime.fromtimestamp(there, tz=UTC), usegmt=True),
        "retry-after": format_datetime(datetime.fromtimestamp(there + 9, tz=UTC), usegmt=True),
    }
    assert client_of(answers(), clock).retry_after_s(httpx.Headers(headers)) == 9


@pytest.mark.parametrize("value", ["", "soon", "-5", "1e9", "Mon, 99 Foo 2026"])
def test_a_wait_nobody_can_read_counts_as_not_said(value):
    headers = httpx.Headers({"retry-after": value} if value else {})
    assert client_of(answers()).retry_after_s(headers) is None


def test_a_long_wait_ends_the_run():
    clock = FakeClock()
    client = client_of(answers(httpx.Response(429, headers={"retry-after": "7200"})), clock)
    budget = Budget(
        [Limit(100, 60)],
        state=MemoryState(),
        key="k",
        max_wait_s=60,
        clock=clock,
        sleep=clock.sleep,
    )
    with pytest.raises(SourceRateLimitedError) as error:
        get(client, budget=budget)
    assert error.value.retry_after_s == pytest.approx(7200, abs=1)
    assert clock.slept_s == []


def test_refusals_do_not_go_on_for_ever():
    clock = FakeClock()
    client = client_of(answers(httpx.Response(429, headers={"retry-after": "0"})), clock)
    budget = Budget(
        [Limit(10**6, 60)], state=MemoryState(), key="k", clock=clock, sleep=clock.sleep
    )
    with pytest.raises(SourceRateLimitedError):
        get(client, budget=budget)
    assert client.sent == MAX_REFUSALS


def test_a_body_larger_than_the_limit_is_not_read_to_its_end():
    read = []

    def body():
        for n in range(1000):
            read.append(n)
            yield b"x" * 1000

    client = client_of(answers(httpx.Response(200, content=body())))
    with pytest.raises(SourceDataError) as error:
        get(client, max_bytes=5000)
    assert error.value.reason == "too_large"
    assert len(read) < 20


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, html="<html><title>Log in</title></html>"),
        httpx.Response(200, content=b"\n <!DOCTYPE html>", headers={"content-type": "text/plain"}),
    ],
)
def test_a_web_page_is_recognised(response):
    with pytest.raises(SourceError, match="web page"):
        get(client_of(answers(response))).json()


def test_what_is_not_json_is_said_so():
    with pytest.raises(SourceDataError, match="not JSON"):
        get(client_of(answers(httpx.Response(200, content=b'{"results": [')))).json()


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("posthog.example", "https://posthog.example"),
        ("https://posthog.example/sub/", "https://posthog.example/sub"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
    ],
)
def test_addresses_people_write(given, made):
    assert checked_base_url(given) == made


@pytest.mark.parametrize(
    "given",
    [
        "http://posthog.example",
        "ftp://x",
        "https://u:p@x",
        "https://x?y=1",
        "https://",
        "https://x:y",
        "http://127.0.0.1.evil.example",
    ],
)
def test_addresses_that_are_refused(given):
    with pytest.raises(SettingsError):
        checked_base_url(given)


def test_unencrypted_http_can_be_allowed():
    url = "http://posthog.internal"
    assert checked_base_url(url, allow_http=True) == url
