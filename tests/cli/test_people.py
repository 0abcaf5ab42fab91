"""``replayport invite`` and ``replayport token``."""

from __future__ import annotations

import pytest
from tests.cli.command import run, run_json
from tests.support.servers import PASSWORD

from replayport.archive import Archive
from replayport.catalog.accounts import Accounts
from replayport.server.auth import Access
from replayport.server.service import accounts_url
from replayport.settings import load_settings


@pytest.fixture
def archive(tmp_path):
    Archive.open(tmp_path / "a", create=True).close()
    return tmp_path / "a"


@pytest.fixture
def accounts(archive):
    with Archive.open(archive) as opened:
        url = accounts_url(opened, load_settings(env={}))
    with Accounts.open(url) as accounts:
        yield accounts


def test_inviting(archive, accounts):
    made = run_json("invite", "Ann@X.example", "--role", "admin", "--archive", archive)
    assert made["name"] == "ann@x.example"
    secret = made["invite_url"].partition("#")[2]
    user = Access(accounts).accept(secret, "", PASSWORD, address="a")
    assert (user.name, user.role) == ("ann@x.example", "admin")
    again = run("invite", "ann@x.example", "--archive", archive)
    assert again.exit_code == 0
    assert "/setup#" in again.stdout
    assert accounts.users.get("ann@x.example").role == "admin"


def test_tokens(archive, accounts):
    run("invite", "bob", "--project", "shop", "--archive", archive)
    made = run_json("token", "ci", "--owner", "Bob", "--archive", archive)
    assert made["token"]["scopes"] == ["session_recording:read"]
    assert made["key"].startswith("rp_")
    assert made["key"] not in repr(accounts.tokens.list())
    printed = run("token", "x", "--owner", "bob", "--scope", "query:read", "--archive", archive)
    assert printed.stdout.startswith("rp_")


@pytest.mark.parametrize(
    "arguments",
    [
        ("invite", "ann", "--role", "king"),
        ("invite", " "),
        ("token", "ci", "--owner", "nobody"),
        ("token", "ci", "--owner", "nobody", "--scope", "everything"),
    ],
)
def test_wrong_calls(archive, arguments):
    assert run(*arguments, "--archive", archive).exit_code == 2
