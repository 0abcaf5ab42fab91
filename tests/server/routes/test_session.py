"""People and tokens over HTTP; signing in itself is in ``tests/server/test_auth.py``."""

from __future__ import annotations

import pytest
from tests.support.servers import PASSWORD, URL, Server

from replayport.server.routes.session import Invited, MadeToken, SessionModel, UserModel


@pytest.fixture
def ann(server):
    return server.browser()


def test_inviting_changing_removing(ann, server):
    made = ann.post("/api/users", json={"name": "Bob", "role": "viewer", "projects": ["shop"]})
    Invited.model_validate(made.json(), strict=True)
    page, _, secret = made.json()["invite_url"].partition("#")
    assert page == f"{URL}/setup"
    bob = server.client(origin=URL)
    answer = bob.post("/api/invites/accept", json={"secret": secret, "password": PASSWORD})
    SessionModel.model_validate(answer.json(), strict=True)
    assert answer.json()["name"] == "bob"
    assert bob.get("/api/recordings/blog/s-2").status_code == 404
    changed = ann.patch("/api/users/bob", json={"projects": ["blog"]}).json()
    UserModel.model_validate(changed, strict=True)
    assert bob.get("/api/recordings/blog/s-2").status_code == 200
    assert ann.patch("/api/users/bob", json={"is_disabled": True}).json()["is_disabled"]
    assert bob.get("/api/recordings").status_code == 401
    again = bob.post("/api/session", json={"name": "bob", "password": PASSWORD})
    assert again.status_code == 401
    assert ann.delete("/api/users/bob").status_code == 204
    assert [u["name"] for u in ann.get("/api/users").json()] == ["ann"]
    assert ann.patch("/api/users/bob", json={}).status_code == 404


def test_an_invitation_again_keeps_role_and_gives_a_new_password(ann, server):
    server.user("bob", "viewer")
    made = ann.post("/api/users", json={"name": "bob", "role": "admin"}).json()
    assert made["user"]["role"] == "viewer"


def test_nobody_locks_themselves_out(ann):
    for body in ({"role": "viewer"}, {"is_disabled": True}):
        assert ann.patch("/api/users/ann", json=body).status_code == 409
    assert ann.delete("/api/users/ann").status_code == 409


def test_tokens(ann, server):
    body = {"name": "ci", "scopes": ["session_recording:read"], "projects": ["shop"]}
    made = ann.post("/api/tokens", json=body).json()
    MadeToken.model_validate(made, strict=True)
    assert made["key"].startswith("rp_")
    listed = ann.get("/api/tokens").json()
    assert listed == [made["token"]]
    vic = server.browser("vic", "viewer")
    assert vic.get("/api/tokens").json() == []
    assert vic.delete(f"/api/tokens/{made['token']['id']}").status_code == 404
    program = server.client(authorization=f"Bearer {made['key']}")
    assert program.get("/api/recordings/shop/s-1").status_code == 200
    assert program.get("/api/recordings/blog/s-2").status_code == 404
    assert ann.get("/api/tokens").json()[0]["last_used_ms"] == server.now_ms
    assert ann.delete(f"/api/tokens/{made['token']['id']}").status_code == 204
    assert program.get("/api/recordings").status_code == 401
    for wrong in ({"scopes": []}, {"scopes": ["everything"]}, {"name": ""}):
        assert ann.post("/api/tokens", json={**body, **wrong}).status_code == 400


def test_cookies_are_secure_where_browsers_use_https(stored):
    server = Server(stored, {"public_url": "https://replay.example.com"})
    server.user()
    client = server.client(origin=URL)
    answer = client.post("/api/session", json={"name": "ann", "password": PASSWORD})
    assert "secure" in answer.headers["set-cookie"].lower()
    assert answer.headers["strict-transport-security"]


def test_changes_are_audited(ann, server):
    ann.post("/api/users", json={"name": "bob"})
    ann.post("/api/tokens", json={"name": "t", "scopes": ["query:read"]})
    assert server.audited().count("settings.change") == 2
