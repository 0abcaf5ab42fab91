"""``replayport serve``: capture for anybody, pages for who is signed in."""

from __future__ import annotations

import json
import re
import signal
import socket
import urllib.error
import urllib.request

import pytest
from tests.cli.command import process, run
from tests.support.builders import draft

from replayport.archive import Archive
from replayport.player_assets import PlayerNotBuiltError, static_file


@pytest.fixture
def built():
    try:
        static_file("player.js")
    except PlayerNotBuiltError:
        pytest.skip("the web player is not built")


def address_of(running):
    for _ in range(20):
        line = running.stderr.readline().decode()
        found = re.search(r"http://[\d.]+:(\d+)", line)
        if found:
            return f"http://127.0.0.1:{found[1]}"
    raise AssertionError("no address was said")


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
    running = process("serve", "--host", "0.0.0.0", "--port", "0", "--archive", url)
    try:
        address = address_of(running)
        for page in ("/", "/recordings/p/s-1", "/api/recordings", "/files/p/s-1/events.parquet"):
            status, body = get(address + page)
            assert status in (200, 401), page  # 200: where one signs in
            assert b"shop.example" not in body
        assert get(f"{address}/array/phc_any/config")[0] == 200
    finally:
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=30)


def test_without_sign_in_it_stays_on_this_machine(tmp_path):
    result = run("serve", "--host", "0.0.0.0", "--no-auth", "--archive", tmp_path / "a")
    assert result.exit_code == 2
    assert "this machine only" in result.stderr


def test_the_first_start_prints_where_the_first_administrator_begins(tmp_path, built):
    running = process("serve", "--port", "0", "--archive", tmp_path / "a")
    try:
        address = address_of(running)
        for _ in range(5):
            found = re.search(r"(http://\S+)/setup#(\S+)", running.stderr.readline().decode())
            if found:
                break
        assert found[1] == address
        body = json.dumps({"secret": found[2], "name": "ann", "password": "correct horse battery"})
        request = urllib.request.Request(
            f"{address}/api/invites/accept",
            body.encode(),
            {"content-type": "application/json", "origin": address},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            cookie = answer.headers["set-cookie"].partition(";")[0]
        request = urllib.request.Request(f"{address}/api/users", headers={"cookie": cookie})
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert [u["name"] for u in json.loads(answer.read())] == ["ann"]
    finally:
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=30)


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


def test_it_serves_and_stops(tmp_path, built):
    url = tmp_path / "a"
    with Archive.open(url, create=True) as archive:
        archive.write(draft(session_id="s-1"))
    running = process("serve", "--no-auth", "--port", "0", "--archive", url)
    try:
        status, body = get(f"{address_of(running)}/")
        assert status == 200
        assert b"s-1" in body
    finally:
        running.send_signal(signal.SIGINT)
        _, stderr = running.communicate(timeout=30)
    assert b"Traceback" not in stderr
