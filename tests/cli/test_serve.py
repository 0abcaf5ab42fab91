"""``replayport serve`` listens on this machine only."""

from __future__ import annotations

import re
import signal
import socket
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


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.com"])
def test_other_addresses_are_refused(host, tmp_path):
    result = run("serve", "--host", host, "--archive", tmp_path / "a")
    assert result.exit_code == 2
    assert "reverse proxy" in result.stderr


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
    running = process("serve", "--port", "0", "--archive", url)
    try:
        line = running.stderr.readline().decode()
        address = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert address, line
        with urllib.request.urlopen(address[0], timeout=30) as answer:
            assert b"s-1" in answer.read()
    finally:
        running.send_signal(signal.SIGINT)
        _, stderr = running.communicate(timeout=30)
    assert b"Traceback" not in stderr
