"""Accounts on SQLite and PostgreSQL: kept apart from the catalog, safe for several at once."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.postgres import new_database, running_postgres

from replayport.catalog import open_catalog
from replayport.catalog.accounts import (
    _TABLES,
    Accounts,
    ApiToken,
    Invite,
    Outgoing,
    Session,
    ShareLink,
    User,
)
from replayport.errors import CatalogError


@pytest.fixture(scope="module")
def postgres_server():
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request, tmp_path):
    if request.param == "postgres":
        return new_database(request.getfixturevalue("postgres_server"))
    return str(tmp_path / "server" / "accounts.sqlite")


@pytest.fixture
def accounts(url):
    with Accounts.open(url) as accounts:
        yield accounts


ROWS = {
    "users": User(name="ann", role="admin", created_ms=1),
    "sessions": Session(digest="d", user="ann", created_ms=1, expires_ms=2),
    "invites": Invite(digest="d", user="", role="admin", created_ms=1, expires_ms=2),
    "tokens": ApiToken(id="t", digest="d", name="n", owner="ann", scopes="a\nb", created_ms=1),
    "shares": ShareLink(
        id="l", project="p", recording_id="r", created_by="ann", created_ms=1, start_ms=-5
    ),
    "outgoing": Outgoing(key="k", body='{"ü": "\u2028"}', created_ms=1, due_ms=1),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_comes_back_as_it_went_in(accounts, name):
    rows, row = getattr(accounts, name), ROWS[name]
    key = next(iter(_TABLES[type(row)].primary_key.columns)).name
    assert rows.get(getattr(row, key)) is None
    assert rows.add(row)
    assert not rows.add(row)
    assert rows.list() == [rows.get(getattr(row, key))] == [row]
    rows.put(row)
    assert rows.list({key: getattr(row, key)}) == [row]
    assert rows.remove(**{key: getattr(row, key)}) == 1
    assert rows.list() == []
    with pytest.raises(ValueError, match="which rows"):
        rows.remove()


def test_changes_and_times(accounts):
    accounts.sessions.put(ROWS["sessions"])
    assert accounts.sessions.change("d", expires_ms=5)
    assert not accounts.sessions.change("none", expires_ms=5)
    assert accounts.sessions.remove_before("expires_ms", 5) == 0
    assert accounts.sessions.remove_before("expires_ms", 6) == 1


def test_an_invitation_is_taken_once_by_one(accounts):
    accounts.invites.put(ROWS["invites"])
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: accounts.take_invite("d"), range(8)))
    assert [t for t in taken if t is not None] == [ROWS["invites"]]


def test_the_signing_key_is_made_once(url):
    def key(_):
        with Accounts.open(url) as accounts:
            return accounts.signing_key()

    with ThreadPoolExecutor(4) as pool:
        keys = set(pool.map(key, range(4)))
    assert len(keys) == 1
    assert len(keys.pop()) == 64


def test_messages_that_are_due(accounts):
    for key, due, done in (
        ("b", 2, False),
        ("a", 1, False),
        ("later", 9, False),
        ("done", 1, True),
    ):
        accounts.outgoing.put(Outgoing(key=key, body="x", created_ms=0, due_ms=due, is_done=done))
    assert [m.key for m in accounts.due_outgoing(2, limit=10)] == ["a", "b"]
    assert [m.key for m in accounts.due_outgoing(2, limit=1)] == ["a"]


def test_links_to_a_recording_are_forgotten(accounts):
    accounts.shares.put(ROWS["shares"])
    assert accounts.forget_recording("p", "other") == 0
    assert accounts.forget_recording("p", "r") == 1


def test_reindexing_never_touches_them(url):
    with Accounts.open(url) as accounts:
        accounts.users.put(ROWS["users"])
    catalog_url = url if url.startswith("postgres") else f"sqlite:///{url}.catalog"
    open_catalog(catalog_url).close()
    catalog = open_catalog(catalog_url, rebuild=True)
    catalog.clear()
    catalog.close()
    with Accounts.open(url) as accounts:
        assert accounts.users.list() == [ROWS["users"]]


def test_the_file_is_its_owners_only(tmp_path):
    path = tmp_path / "x" / "accounts.sqlite"
    Accounts.open(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_those_of_the_first_version_are_brought_along(url):
    with Accounts.open(url) as accounts:
        accounts.shares.put(ROWS["shares"])
        with accounts.transaction() as db:
            db.exec_driver_sql("ALTER TABLE replayport_shares DROP COLUMN profile")
            db.exec_driver_sql("UPDATE replayport_accounts_schema SET version = 1")
    for _ in range(2):
        with Accounts.open(url) as accounts:
            assert accounts.shares.list() == [ROWS["shares"]]
            assert accounts.shares.change("l", profile="gdpr")
            assert accounts.shares.get("l").profile == "gdpr"
            assert accounts.shares.change("l", profile="")


def test_another_version_and_damage_are_named(tmp_path):
    path = tmp_path / "a.sqlite"
    with Accounts.open(path) as accounts, accounts.transaction() as db:
        db.exec_driver_sql("UPDATE replayport_accounts_schema SET version = 99")
    with pytest.raises(CatalogError, match="Upgrade"):
        Accounts.open(path)
    path.write_bytes(b"no database" * 100)
    with pytest.raises(CatalogError):
        Accounts.open(path)
    with pytest.raises(CatalogError) as caught:
        Accounts.open("postgresql://user:secret@127.0.0.1:1/x")
    assert "secret" not in str(caught.value)
