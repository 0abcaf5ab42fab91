"""The webhook: signed, kept, tried again, and never into a private network by accident."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from tests.support.builders import draft

from replayport.archive import encode_draft
from replayport.assets.fetch import Fetcher, MissReason
from replayport.capture.webhook import (
    FIRST_WAIT_MS,
    MAX_ATTEMPTS,
    SIGNATURE_HEADER,
    Webhook,
    signature,
)
from replayport.catalog.accounts import Accounts
from replayport.errors import SettingsError

SECRET = "a secret of some length"
URL = "https://backend.example.com/replays"
NOW_MS = 1_800_000_000_000


class Clock:
    now_ms = NOW_MS

    def __call__(self):
        return self.now_ms


class Receiver:
    """Stands for the fetcher; keeps what it was given."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.got = []

    def post(self, url, body, headers=()):
        self.got.append((url, body, dict(headers)))
        return self.answers.pop(0) if self.answers else 200

    def close(self):
        pass


@pytest.fixture
def accounts():
    with Accounts.open("sqlite://") as accounts:
        yield accounts


@pytest.fixture
def manifest():
    return encode_draft(draft(), created_ms=NOW_MS)[0]


def make(accounts, receiver, clock=None, **more):
    return Webhook(
        accounts, URL, secret=SECRET, fetcher=receiver, clock_ms=clock or Clock(), **more
    )


def test_a_message_is_signed_and_says_what_was_sealed(accounts, manifest):
    receiver = Receiver()
    hook = make(accounts, receiver, public_url="https://replay.example.com/")
    assert hook.sealed(manifest)
    assert hook.deliver_due() == 1
    ((url, body, headers),) = receiver.got
    assert url == URL
    said = json.loads(body)
    assert said["event"] == "recording.sealed"
    assert said["recording"]["id"] == "s-1"
    assert said["replay_url"] == "https://replay.example.com/recordings/p/s-1"
    time, _, mac = headers[SIGNATURE_HEADER].partition(",v1=")
    seconds = time.removeprefix("t=")
    assert int(seconds) == NOW_MS // 1000
    signed = seconds.encode() + b"." + body
    assert hmac.compare_digest(mac, hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest())
    assert headers[SIGNATURE_HEADER] == signature(SECRET.encode(), body, int(seconds))
    assert hook.deliver_due() == 0


def test_the_same_is_told_once_and_a_grown_recording_again(accounts, manifest):
    import msgspec

    receiver = Receiver()
    hook = make(accounts, receiver)
    assert [hook.sealed(manifest), hook.sealed(manifest)] == [True, False]
    hook.deliver_due()
    assert hook.sealed(manifest) is False
    assert hook.sealed(msgspec.structs.replace(manifest, created_ms=NOW_MS + 1))
    hook.deliver_due()
    ids = [json.loads(body)["id"] for _, body, _ in receiver.got]
    assert len(set(ids)) == len(ids) == 2


def test_failures_are_tried_again_later_and_later(accounts, manifest):
    clock = Clock()
    receiver = Receiver(500, MissReason.UNREACHABLE, 404, 204)
    hook = make(accounts, receiver, clock)
    hook.sealed(manifest)
    waits = []
    while not (message := accounts.outgoing.list()[0]).is_done:
        hook.deliver_due()
        message = accounts.outgoing.list()[0]
        waits.append(message.due_ms - clock.now_ms)
        assert hook.deliver_due() == 0  # not before its time
        clock.now_ms = max(clock.now_ms, message.due_ms)
    assert waits[:3] == [FIRST_WAIT_MS, 2 * FIRST_WAIT_MS, 4 * FIRST_WAIT_MS]
    assert len(receiver.got) == message.attempts == 4
    times = {headers[SIGNATURE_HEADER] for _, _, headers in receiver.got}
    assert len(times) == 4  # each attempt is signed at its own time


def test_it_is_given_up_in_the_end(accounts, manifest):
    clock = Clock()
    hook = make(accounts, Receiver(*[500] * 100), clock)
    hook.sealed(manifest)
    for _ in range(MAX_ATTEMPTS + 5):
        hook.deliver_due()
        clock.now_ms += 7 * 3600 * 1000
    (message,) = accounts.outgoing.list()
    assert (message.attempts, message.is_done, message.last_error) == (
        MAX_ATTEMPTS,
        True,
        "status 500",
    )


def test_a_message_outlives_the_process(tmp_path, manifest):
    with Accounts.open(tmp_path / "a.sqlite") as accounts:
        make(accounts, Receiver()).sealed(manifest)
    receiver = Receiver()
    with Accounts.open(tmp_path / "a.sqlite") as accounts:
        assert make(accounts, receiver).deliver_due() == 1
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("ftp://x.example", SECRET),
        ("https://user:pw@x.example", SECRET),
        ("/path", SECRET),
        (URL, ""),
        (URL, "short"),
    ],
)
def test_settings_that_cannot_be(accounts, url, secret):
    with pytest.raises(SettingsError):
        Webhook(accounts, url, secret=secret)


@pytest.fixture
def local():
    """A server on this machine that counts what it gets, and redirects from /away."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(302 if self.path == "/away" else 200)
            self.send_header("location", "/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    server.server_close()
    thread.join()


def test_private_addresses_are_refused_unless_allowed(local):
    url, got = local
    for address in (
        url,
        url.replace("127.0.0.1", "localhost"),
        url.replace("127.0.0.1", "[::ffff:7f00:1]"),
    ):
        fetcher = Fetcher(timeout_s=5)
        assert fetcher.post(f"{address}/x", b"{}") is MissReason.REFUSED_ADDRESS
        fetcher.close()
    assert got == []
    fetcher = Fetcher(timeout_s=5, allow_private=True)
    assert fetcher.post(f"{url}/x", b'{"a":1}', [("X-A", "b")]) == 200
    assert got == [("/x", b'{"a":1}')]
    fetcher.close()


def test_redirects_are_not_followed(local):
    url, got = local
    fetcher = Fetcher(timeout_s=5, allow_private=True)
    assert fetcher.post(f"{url}/away", b"{}") == 302
    assert [path for path, _ in got] == ["/away"]
    fetcher.close()


def test_it_sends_by_itself_while_it_runs(accounts, manifest, local):
    url, got = local
    arrived = threading.Event()
    fetcher = Fetcher(timeout_s=5, allow_private=True)
    post = fetcher.post

    def seen(*arguments):
        answer = post(*arguments)
        arrived.set()
        return answer

    fetcher.post = seen
    with Webhook(accounts, f"{url}/hook", secret=SECRET, fetcher=fetcher) as hook:
        hook.sealed(manifest)
        assert arrived.wait(60)
    assert [path for path, _ in got] == ["/hook"]
