"""``replayport serve``: pages on this machine only, capture anywhere."""

from __future__ import annotations

import itertools
import json
import re
import resource
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import ExitStack

import pytest
from tests.capture.asking import TOKEN, snapshot, zipped
from tests.capture.bodies import marked
from tests.capture.upstream import Upstream
from tests.cli.command import run, run_json, serving
from tests.support.acknowledged import check_archive, items_of, missing
from tests.support.builders import draft
from tests.support.posthog_like import PostHogProcess

from replayport.archive import Archive
from replayport.player_assets import PlayerNotBuiltError, static_file


@pytest.fixture
def built():
    try:
        static_file("player.js")
    except PlayerNotBuiltError:
        pytest.skip("the web player is not built")


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


def test_where_others_reach_it_pages_ask_who_it_is(tmp_path, built):
    url = tmp_path / "a"
    with Archive.open(url, create=True) as archive:
        archive.write(draft(session_id="s-1"))
    with serving("--host", "0.0.0.0", "--archive", url) as server:
        for page in ("/", "/recordings/p/s-1", "/api/recordings", "/files/p/s-1/events.parquet"):
            status, body = get(server.url + page)
            assert status in (200, 401), page  # 200: where one signs in
            assert b"shop.example" not in body
        assert get(f"{server.url}/array/phc_any/config")[0] == 200


def test_without_sign_in_it_stays_on_this_machine(tmp_path):
    result = run("serve", "--host", "0.0.0.0", "--no-auth", "--archive", tmp_path / "a")
    assert result.exit_code == 2
    assert "this machine only" in result.stderr


def test_the_first_start_prints_where_the_first_administrator_begins(tmp_path, built):
    with serving("--archive", tmp_path / "a") as server:
        until(lambda: any("/setup#" in line for line in server.said), "the link is printed")
        found = re.search(r"(http://\S+)/setup#(\S+)", "".join(server.said))
        assert found[1] == server.url
        body = json.dumps({"secret": found[2], "name": "ann", "password": "correct horse battery"})
        request = urllib.request.Request(
            f"{server.url}/api/invites/accept",
            body.encode(),
            {"content-type": "application/json", "origin": server.url},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            cookie = answer.headers["set-cookie"].partition(";")[0]
        request = urllib.request.Request(f"{server.url}/api/users", headers={"cookie": cookie})
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert [u["name"] for u in json.loads(answer.read())] == ["ann"]


@pytest.mark.parametrize("host", ["192.0.2.1", "example.invalid"])
def test_addresses_that_are_not_ours_are_refused(host, tmp_path):
    result = run("serve", "--host", host, "--archive", tmp_path / "a")
    assert result.exit_code != 0
    assert "cannot be listened on" in result.stderr


def test_a_taken_port_says_so(tmp_path, built):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("serve", "--port", port, "--archive", tmp_path / "a")
    assert result.exit_code == 1
    assert "--port 0" in result.stderr


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_serves_and_stops(tmp_path, built, how, code):
    """Nobody else gets its inbox; whoever ends it, it lets go of that in good order."""
    url = tmp_path / "a"
    with Archive.open(url, create=True) as archive:
        archive.write(draft(session_id="s-1"))
    with serving("--no-auth", "--archive", url) as server:
        assert get(f"{server.url}/")[0] == 200
        status, body = get(f"{server.url}/api/recordings")
        assert status == 200
        assert b"s-1" in body
        second = run("serve", "--port", 0, "--archive", url)
        assert second.exit_code == 1
        assert "several servers can share one archive" in second.stderr
        assert server.stop(how) == code
    assert "Traceback" not in "".join(server.said)
    assert not (url / "inbox" / "inbox.sqlite-wal").exists()  # closed, not only dead


# --- capture, as a process ----------------------------------------------------------------


def post(url, body, path="/s/"):
    """Send once; gives the status, 0 when there was no answer."""
    request = urllib.request.Request(url + path, body, {"Content-Type": "text/plain"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()
    except OSError as e:
        return 0, str(e).encode()


class Visitors:
    """Threads that send snapshots one after the other, each until it is taken, as the SDK does."""

    def __init__(self, urls, sessions=3, repeat_to=()):
        self.acknowledged = []
        self._urls = urls
        self._repeat_to = repeat_to
        self._stop = threading.Event()
        self._change = threading.Condition()
        self._threads = [threading.Thread(target=self._visit, args=(n,)) for n in range(sessions)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _visit(self, n):
        for k in itertools.count():
            body = zipped([snapshot(f"session-{n}", events=[marked(1000 * n + k)])])
            while not self._stop.is_set():
                url = self._urls[k % len(self._urls)]
                if post(url, body)[0] == 200:
                    with self._change:
                        self.acknowledged.append(body)
                        self._change.notify_all()
                    break
            if self._stop.is_set():
                return
            for other in self._repeat_to:  # the answer was lost on its way: it is sent again
                post(other, body)

    def until(self, acknowledged):
        """Wait until so many more were taken."""
        with self._change:
            wanted = len(self.acknowledged) + acknowledged
            assert self._change.wait_for(lambda: len(self.acknowledged) >= wanted, 60)


def until(condition, what):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.05)


def check(url, acknowledged):
    sent = items_of(acknowledged)
    until(lambda: not missing(url, TOKEN, sent), "everything is sealed")
    assert check_archive(url, TOKEN, sent, sent) == len(acknowledged)


def test_both_sides_are_complete_when_posthog_is_killed_midway(tmp_path, built):
    posthog = PostHogProcess(tmp_path / "notes")
    posthog.start()
    try:
        with (
            serving(
                "--archive", tmp_path / "a", "--tee", posthog.url, "--seal-idle-s", 0.3
            ) as ours,
            Visitors([ours.url]) as visitors,
        ):
            visitors.until(15)
            posthog.kill()
            visitors.until(15)
            posthog.start()
            visitors.until(15)
            visitors.__exit__()
            acknowledged = Counter(visitors.acknowledged)
            until(lambda: not acknowledged - posthog.bodies("/s"), "PostHog has everything")
            check(tmp_path / "a", visitors.acknowledged)
            assert ours.stop() == 130
    finally:
        posthog.kill()
    # What was under way when it was killed may be there twice, as with an SDK that retries.
    assert posthog.bodies("/s").keys() == acknowledged.keys()


def test_a_posthog_that_never_answers_keeps_nobody_from_an_answer(tmp_path, built):
    posthog = Upstream(hang=True).start()
    env = {"REPLAYPORT_TEE_TIMEOUT_S": "0.2"}
    try:
        with serving("--archive", tmp_path / "a", "--tee", posthog.url, "--seal-idle-s", 0.3, env=env) as ours:  # fmt: skip
            bodies = [zipped([snapshot(events=[marked(n)])]) for n in range(6)]
            assert [post(ours.url, body)[0] for body in bodies] == [200] * 6
            check(tmp_path / "a", bodies)
            assert posthog.bodies.keys() < set(bodies)  # and it still has not answered one
            posthog.hang = False
            until(lambda: posthog.bodies.keys() == set(bodies), "PostHog has everything")
    finally:
        posthog.hang = False
        posthog.stop()


def test_two_servers_on_one_archive(tmp_path, built):
    """Each has its inbox. Sessions are spread over both, and each item is sent to both."""
    url = tmp_path / "a"
    more = ("--archive", url, "--seal-idle-s", 0.2)
    with (
        serving(*more, "--inbox", tmp_path / "1") as one,
        serving(*more, "--inbox", tmp_path / "2") as two,
        Visitors([one.url, two.url], repeat_to=[one.url, two.url]) as visitors,
    ):
        visitors.until(40)
        visitors.__exit__()
        check(url, visitors.acknowledged)
        assert one.stop() == two.stop() == 130
    assert len(run_json("list", "--archive", url)) == 3
    assert run_json("verify", "--archive", url)["problems"] == []


def test_slow_clients_take_no_place_from_others(tmp_path, built):
    """More of them than files may be open by default, each in the middle of its request."""

    def few_files():
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))

    with ExitStack() as stack:
        server = stack.enter_context(serving("--archive", tmp_path / "a", preexec_fn=few_files))
        port = int(server.url.rpartition(":")[2])
        parts = (b"", b"POST /s/ HTTP/1.1\r\nHost:", b"POST /s/ HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n[")  # fmt: skip
        for n in range(150):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            slow.sendall(parts[n % len(parts)])
        for _ in range(3):
            assert post(server.url, zipped([snapshot()]))[0] == 200
        assert get(f"{server.url}/healthz")[0] == 200
