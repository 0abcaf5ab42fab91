"""Links: signed, ending, revocable, with a password."""

from __future__ import annotations

import pytest

from replayport.catalog.accounts import Accounts
from replayport.share.links import GRANT_S, Kept, LinkGoneError, ShareError, Sharing, checked_origin

NOW_MS = 1_800_000_000_000


class Clock:
    now_ms = NOW_MS


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sharing(clock):
    with Accounts.open("sqlite://") as accounts:
        yield Sharing(
            accounts,
            hash_password=lambda p: f"hash of {p} and twenty more",
            check_password=lambda stored, p: stored == f"hash of {p} and twenty more",
            now_ms=lambda: clock.now_ms,
        )


def make(sharing, **more):
    return sharing.create("p", "s-1", created_by="ann", **more)


def test_a_link_opens(sharing):
    link = make(sharing)
    assert sharing.open(sharing.token(link)) == link
    assert link.id not in sharing.token(link)  # as it is; it is encoded and signed


def test_a_link_ends_at_its_time(sharing, clock):
    token = sharing.token(make(sharing, expires_ms=NOW_MS + 1000))
    clock.now_ms += 999
    sharing.open(token)
    clock.now_ms += 1
    with pytest.raises(LinkGoneError):
        sharing.open(token)


def test_a_revoked_link_opens_nothing_and_stays_so(sharing, clock):
    link = make(sharing)
    first = sharing.revoke(link.id)
    clock.now_ms += 5
    assert sharing.revoke(link.id) == first
    with pytest.raises(LinkGoneError):
        sharing.open(sharing.token(link))
    assert sharing.revoke("none") is None


@pytest.mark.parametrize(
    "change",
    [lambda t: t[:-1], lambda t: "x" + t, lambda t: t + "x", lambda t: "", lambda t: "." * 5000],
)
def test_no_link_can_be_made_up(sharing, change):
    token = sharing.token(make(sharing))
    with pytest.raises(LinkGoneError):
        sharing.open(change(token))


def test_another_servers_links_are_not_ours(sharing):
    with Accounts.open("sqlite://") as accounts:
        other = Sharing(accounts, hash_password=str, check_password=lambda *_: True)
        with pytest.raises(LinkGoneError):
            sharing.open(other.token(make(sharing)))


def test_a_password_gives_a_grant_for_its_link_only(sharing):
    link, other = make(sharing, password="pw"), make(sharing, password="pw")
    assert sharing.grant(link, "wrong") is None
    grant = sharing.grant(link, "pw")
    assert sharing.is_granted(link, grant)
    assert not sharing.is_granted(other, grant)
    for bad in ("", "x", grant + "x", sharing.token(link)):
        assert not sharing.is_granted(link, bad)
    assert sharing.is_granted(make(sharing), "")
    assert GRANT_S <= 24 * 3600


@pytest.mark.parametrize(
    "wrong",
    [
        {"show": "everything"},
        {"expires_ms": NOW_MS},
        {"start_ms": 5, "end_ms": 5},
        {"password": ""},
        {"password": "x" * 1001},
        {"embed_in": ["javascript:alert(1)"]},
        {"profile": "nothing"},
        {"profile": "/etc/passwd"},
        {"profile": "gdpr.toml"},
    ],
)
def test_links_that_cannot_be(sharing, wrong):
    with pytest.raises(ShareError):
        make(sharing, **wrong)
    assert sharing.links() == []


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "help.example.com",
        "https://help.example.com/path",
        "https://a.example; script-src *",
        "https://a.example https://b.example",
        "https://a.example\r\nset-cookie: x",
        "https://user@a.example",
        "data:",
        "'self'",
    ],
)
def test_an_origin_is_nothing_else(origin):
    with pytest.raises(ShareError):
        checked_origin(origin)


def test_origins():
    assert checked_origin(" https://Help.example.com:8443/ ") == "https://help.example.com:8443"
    assert checked_origin("*") == "*"


def test_what_is_kept_is_bounded():
    kept = Kept(10)
    assert kept.get(("a",), lambda: b"12345") == b"12345"
    assert kept.get(("a",), lambda: pytest.fail("made again")) == b"12345"
    kept.get(("b",), lambda: b"1234567")
    assert kept.get(("a",), lambda: b"anew") == b"anew"
    assert len(kept.get(("c",), lambda: b"x" * 100)) == 100
