"""Whose Host is answered; more of it in ``tests/server/test_app.py``."""

from __future__ import annotations

import pytest
from tests.demo.client import TestClient

from replayport.server.app import make_app
from replayport.server.guard import is_address


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.7", "::1", "2001:db8::1"])
def test_addresses(host):
    assert is_address(host)


@pytest.mark.parametrize(
    "host", ["evil.example", "1", "127.1", "0x7f.1", "", "localhost", "1.2.3.4.5"]
)
def test_names(host):
    assert not is_address(host)


def test_on_all_interfaces_addresses_are_answered_and_names_only_when_listed(stored):
    client = TestClient(
        make_app(stored, allowed_hosts=["replay.example.com"], any_address=True),
        base_url="http://replay.example.com",
    )
    for host in ("replay.example.com", "192.0.2.7:8470", "[2001:db8::1]:8470"):
        assert client.get("/healthz", headers={"host": host}).status_code == 200
    for host in ("evil.example", "replay.example.com.evil.example", "localhost"):
        answer = client.get("/healthz", headers={"host": host})
        assert answer.status_code == 400, host
        assert answer.headers["content-security-policy"].endswith("frame-ancestors 'none'")
