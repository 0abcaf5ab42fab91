"""Signing in, what each may do, and that no route answers a stranger."""

from __future__ import annotations

import re

import pytest
from tests.support.servers import PASSWORD, QUICK, URL

from replayport.catalog.accounts import Accounts
from replayport.server.app import routes, scopes_of
from replayport.server.auth import (
    COOKIE,
    PUBLIC,
    ROLES,
    SCOPES,
    Passwords,
    Throttle,
    clean_name,
    digest,
    same_secret,
)
from replayport.server.envelope import ApiError

MAY_ANSWER_STRANGERS = (
    {("GET", path) for path in PUBLIC}
    | {("HEAD", path) for path in PUBLIC}
    | {
        ("POST", "/api/session"),
        ("POST", "/api/invites/accept"),
        ("POST", "/shared/{token}/unlock"),
    }
)


def calls():
    for route in routes():
        for method in sorted(route.methods):
            yield method, route.path


def filled(path):
    return re.sub(r"\{[^}]*\}", "x", path.replace("{project}", "shop").replace("{id}", "s-1"))


@pytest.mark.parametrize(("method", "path"), sorted(set(calls())))
def test_every_route_requires_auth(walked, method, path):
    stranger = walked.client(origin=URL, accept="application/json")
    answer = stranger.request(method, filled(path), follow_redirects=False)
    if (method, path) in MAY_ANSWER_STRANGERS:
        assert answer.status_code != 401 or path == "/shared/{token}/unlock"
        return
    to_sign_in = answer.status_code == 303 and answer.headers["location"].startswith("/sign-in?")
    assert answer.status_code == 401 or to_sign_in, f"{method} {path}: {answer.status_code}"
    assert "s-1" not in answer.text
    for bad in ("Bearer rp_x", "Bearer ", "Basic eDp4", "bearer null"):
        answer = stranger.request(
            method, filled(path), headers={"authorization": bad}, follow_redirects=False
        )
        assert answer.status_code in (401, 303)


def test_public_routes_are_routes_and_say_why():
    assert set(PUBLIC) <= {path for _, path in calls()}
    assert all(PUBLIC.values())


@pytest.mark.parametrize(("method", "path"), sorted(set(calls())))
def test_every_route_that_needs_a_scope_refuses_a_token_without_it(walked, method, path):
    route = next(r for r in routes() if r.path == path and method in r.methods)
    needed = scopes_of(route)
    for scope in needed:
        program = walked.program(*(SCOPES.keys() - {scope}))
        answer = program.request(method, filled(path), json={"query": {}, "tags": [], "text": "x"})
        # A body that does not fit is said first; either way nothing is done.
        assert answer.status_code == 403, (scope, answer.text)
        if method == "HEAD":
            continue
        assert answer.json()["reason"] == "missing_scope"
        assert scope in answer.json()["error"]


def test_a_viewer_only_reads_and_writes_notes(server):
    viewer = server.browser("vic", "viewer")
    assert viewer.get("/api/recordings/shop/s-1").status_code == 200
    note = viewer.post("/api/recordings/shop/s-1/notes", json={"text": "look"})
    assert note.status_code == 201
    for method, path, body in (
        ("DELETE", "/api/recordings/shop/s-1", None),
        ("GET", "/api/users", None),
        ("POST", "/api/users", {"name": "x"}),
        ("PATCH", "/api/users/vic", {"role": "admin"}),
        ("GET", "/api/audit", None),
        ("GET", "/api/storage", None),
        ("POST", "/api/shares", {"project": "shop", "recording_id": "s-1"}),
        ("POST", "/api/update-user-session", {"posthog_session_id": "s-1"}),
    ):
        assert viewer.request(method, path, json=body).status_code == 403, path
    assert server.archive.has("shop", "s-1")


def test_a_viewer_makes_no_token_that_may_more(server):
    viewer = server.browser("vic", "viewer", projects="shop")
    for body in (
        {"name": "t", "scopes": ["admin"]},
        {"name": "t", "scopes": ["session_recording:read", "session_recording:write"]},
        {"name": "t", "scopes": ["session_recording:read"], "projects": ["blog"]},
    ):
        assert viewer.post("/api/tokens", json=body).status_code == 403
    made = viewer.post("/api/tokens", json={"name": "t", "scopes": ["session_recording:read"]})
    key = made.json()["key"]
    program = server.client(authorization=f"Bearer {key}")
    assert [r["id"] for r in program.get("/api/recordings").json()["recordings"]] == ["s-1"]
    assert program.get("/api/recordings/blog/s-2").status_code == 404
    assert (
        program.post("/api/tokens", json={"name": "u", "scopes": ["query:read"]}).status_code == 403
    )


@pytest.mark.parametrize(
    "path",
    [
        "/api/recordings/blog/s-2",
        "/api/recordings/blog/s-2/feeds/console",
        "/api/recordings/blog/s-2/export",
        "/files/blog/s-2/events.parquet",
        "/files/blog/s-2/assets.json",
        "/api/projects/blog",
        "/api/projects/blog/session_recordings/",
        "/api/projects/blog/session_recordings/s-2/",
        "/api/projects/blog/session_recordings/s-2/snapshots/",
        "/api/support-link?session_id=s-2&project=blog",
        "/api/support-link?session_id=s-2",
        "/recordings/blog/s-2",
    ],
)
def test_another_projects_recordings_are_not_there(walked, path):
    viewer = walked.browser("vic", "viewer", projects="shop")
    answer = viewer.get(path)
    assert answer.status_code == 404, answer.text
    assert "s-2" not in answer.text
    assert "blog" not in answer.text


def test_lists_and_counts_leave_other_projects_out(server):
    viewer = server.browser("vic", "viewer", projects="shop")
    for query in ("", "?q=boom", "?project=blog", "?project=shop", "?url=shop.example"):
        rows = viewer.get(f"/api/recordings{query}").json()["recordings"]
        assert {r["project"] for r in rows} <= {"shop"}
    assert viewer.get("/api/recordings/count").json()["count"] == 1
    assert [p["name"] for p in viewer.get("/api/projects").json()] == ["shop"]
    for method, path, body in (
        ("PUT", "/api/recordings/blog/s-2/tags", {"tags": ["x"]}),
        ("POST", "/api/recordings/blog/s-2/notes", {"text": "x"}),
    ):
        assert viewer.request(method, path, json=body).status_code == 404
    assert server.services.annotations.get("blog", "s-2").tags == []


def test_rights_taken_from_an_owner_are_taken_from_their_tokens(server):
    program = server.program("session_recording:read", "session_recording:write", owner="bob")
    assert program.get("/api/recordings").status_code == 200
    server.accounts.users.change("bob", role="viewer")
    assert program.delete("/api/recordings/shop/s-1").status_code == 403
    server.accounts.users.change("bob", projects="blog")
    assert program.get("/api/recordings/shop/s-1").status_code == 404
    server.accounts.users.change("bob", is_disabled=True)
    assert program.get("/api/recordings").status_code == 401


def test_a_token_ends(server):
    server.user("bob")
    key, _ = server.access.make_token(
        "t", owner="bob", scopes=["session_recording:read"], expires_ms=server.now_ms + 1000
    )
    program = server.client(authorization=f"Bearer {key}")
    assert program.get("/api/recordings").status_code == 200
    server.now_ms += 1000
    assert program.get("/api/recordings").status_code == 401


def test_no_secret_is_stored_as_it_is(server):
    server.user("bob")
    key, token = server.access.make_token("t", owner="bob", scopes=["query:read"])
    secret = server.access.invite("eve", "viewer", ())
    cookie, identity = server.access.sign_in("bob", PASSWORD, address="a")
    stored = repr(
        [
            *server.accounts.tokens.list(),
            *server.accounts.invites.list(),
            *server.accounts.sessions.list(),
            *server.accounts.users.list(),
        ]
    )
    for text in (key, secret, cookie, PASSWORD):
        assert text not in stored
    assert token.digest == digest(key)
    assert identity.session in stored
    assert "$argon2id$" in stored


# --- signing in -----------------------------------------------------------------------


def test_a_session_begins_and_ends(server):
    ann = server.browser()
    cookie = ann.cookies[COOKIE]
    assert ann.get("/api/session").json()["name"] == "ann"
    assert ann.get("/api/recordings").status_code == 200
    assert ann.delete("/api/session").status_code == 204
    again = server.client(cookie=f"{COOKIE}={cookie}")
    assert again.get("/api/recordings").status_code == 401  # not only forgotten by the browser
    assert "user.sign_in" in server.audited()


def test_a_session_is_over_after_two_weeks(server):
    ann = server.browser()
    server.now_ms += 14 * 24 * 3600 * 1000 - 1
    assert ann.get("/api/recordings").status_code == 200
    server.now_ms += 1
    assert ann.get("/api/recordings").status_code == 401


def test_the_cookie_is_for_this_server_only(server):
    server.user()
    answer = server.client(origin=URL).post(
        "/api/session", json={"name": "ann", "password": PASSWORD}
    )
    said = answer.headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=lax" in said
    assert "domain" not in said
    assert "secure" not in said  # plain HTTP here


@pytest.mark.parametrize(
    "change", [lambda c: c[:-1], lambda c: c + "x", lambda c: "x", lambda c: "A" * 5000]
)
def test_a_cookie_that_was_changed_is_nobodys(server, change):
    ann = server.browser()
    forged = server.client(cookie=f"{COOKIE}={change(ann.cookies[COOKIE])}")
    assert forged.get("/api/recordings").status_code == 401


def test_wrong_name_and_wrong_password_look_alike(server):
    server.user()
    client = server.client(origin=URL)
    answers = [
        client.post("/api/session", json={"name": name, "password": password})
        for name, password in (("ann", "wrong password"), ("nobody", PASSWORD))
    ]
    assert [a.status_code for a in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()
    assert server.audited().count("user.sign_in_failed") == 2


def test_who_guesses_has_to_wait(server):
    server.user()
    now = [0.0]
    server.access.throttle = Throttle(clock_s=lambda: now[0])
    client = server.client(origin=URL)

    def attempt(password):
        return client.post("/api/session", json={"name": "ann", "password": password})

    assert [attempt(f"guess {n} of many").status_code for n in range(5)] == [401] * 5
    waiting = attempt(PASSWORD)  # even the right one
    assert waiting.status_code == 429
    assert 1 <= int(waiting.headers["retry-after"]) <= 3
    now[0] += 3
    assert attempt(PASSWORD).status_code == 200


def test_waits_grow_and_are_forgotten():
    now = [0.0]
    throttle = Throttle(free=2, window_s=1000, clock_s=lambda: now[0])
    waits = []
    for _ in range(8):
        throttle.failed("k")
        waits.append(throttle.wait_s("k"))
    assert waits == [0, 2, 4, 8, 16, 32, 64, 128]
    assert throttle.wait_s("other") == 0
    now[0] = 1001
    assert throttle.wait_s("k") == 0
    throttle.failed("k")
    throttle.succeeded("k")
    assert throttle.wait_s("k") == 0


def test_a_throttle_does_not_grow_without_bound():
    throttle = Throttle()
    for n in range(throttle.MAX_KEYS + 500):
        throttle.failed(f"k{n}")
    assert len(throttle._failures) == throttle.MAX_KEYS


# --- other sites ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8470.evil.example"},
        {"origin": ""},
        {"origin": URL, "sec-fetch-site": "cross-site"},
        {"origin": URL, "sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
    ],
)
def test_a_page_of_another_site_changes_nothing(server, headers):
    ann = server.browser()
    ann.headers.pop("origin")
    for method, path, body in (
        ("DELETE", "/api/recordings/shop/s-1", None),
        ("POST", "/api/recordings/shop/s-1/notes", {"text": "x"}),
        ("POST", "/api/users", {"name": "evil", "role": "admin"}),
        ("DELETE", "/api/session", None),
        ("POST", "/api/session", {"name": "ann", "password": PASSWORD}),
    ):
        answer = ann.request(method, path, json=body, headers=headers)
        assert answer.status_code == 403, (method, path)
        assert answer.json()["reason"] == "cross_site"
    assert server.archive.has("shop", "s-1")
    assert ann.get("/api/recordings", headers=headers).status_code == 200


def test_a_program_needs_no_origin(server):
    program = server.program("session_recording:read", "annotation:write")
    answer = program.put("/api/recordings/shop/s-1/tags", json={"tags": ["a"]})
    assert answer.status_code == 200


# --- invitations ----------------------------------------------------------------------


def test_the_first_administrator(server):
    secret = server.access.setup_secret()
    client = server.client(origin=URL)
    assert client.get("/api/session").json()["setup_needed"]
    body = {"secret": secret, "name": "Ann@X.example ", "password": PASSWORD}
    short = client.post("/api/invites/accept", json={**body, "password": "short"})
    assert short.status_code == 400
    answer = client.post("/api/invites/accept", json=body)
    assert answer.status_code == 200
    assert answer.json()["role"] == "admin"
    assert client.get("/api/users").json()[0]["name"] == "ann@x.example"
    assert server.access.setup_secret() is None
    assert client.post("/api/invites/accept", json=body).status_code == 410  # once


def test_a_restart_makes_the_older_link_useless(server):
    first, second = server.access.setup_secret(), server.access.setup_secret()
    assert first != second
    client = server.client(origin=URL)
    body = {"name": "ann", "password": PASSWORD}
    assert client.post("/api/invites/accept", json={**body, "secret": first}).status_code == 410
    assert client.post("/api/invites/accept", json={**body, "secret": second}).status_code == 200


def test_invitations_end_and_cannot_be_guessed(server):
    secret = server.access.invite("bob", "viewer", ["shop"])
    client = server.client(origin=URL)
    body = {"name": "root", "password": PASSWORD}
    server.now_ms += 3 * 24 * 3600 * 1000
    assert client.post("/api/invites/accept", json={**body, "secret": secret}).status_code == 410
    for n in range(4):
        client.post("/api/invites/accept", json={**body, "secret": f"guess{n}"})
    assert client.post("/api/invites/accept", json={**body, "secret": "x"}).status_code == 429


def test_an_invitation_decides_name_role_and_projects(server):
    secret = server.access.invite("bob", "viewer", ["shop"])
    user = server.access.accept(secret, "somebody-else", PASSWORD, address="a")
    assert (user.name, user.role, user.projects) == ("bob", "viewer", "shop")


def test_a_new_password_ends_older_sessions(server):
    ann = server.browser()
    secret = server.access.invite("ann", "admin", ())
    server.access.accept(secret, "", "another long password", address="a")
    assert ann.get("/api/recordings").status_code == 401


def test_names_and_passwords():
    assert clean_name("  Ann@X.Example ") == "ann@x.example"
    for name in ("", "   ", "a\nb", "a\x00", "a\u202eb", "x" * 201):
        with pytest.raises(ApiError):
            clean_name(name)
    passwords = Passwords(QUICK)
    for password in ("", "123456789", "x" * 1001):
        with pytest.raises(ApiError):
            passwords.hash(password)
    stored = passwords.hash(PASSWORD)
    assert passwords.verify(stored, PASSWORD)
    assert not passwords.verify(stored, PASSWORD + "x")
    assert not passwords.verify(None, PASSWORD)
    assert not passwords.verify("no hash", PASSWORD)
    assert same_secret("a", "a")
    assert not same_secret("a", "b")


def test_roles_are_made_of_scopes():
    assert set(ROLES) == {"admin", "viewer"}
    assert ROLES["viewer"] < ROLES["admin"] == set(SCOPES)


def test_two_servers_share_one_signing_key(tmp_path):
    with Accounts.open(tmp_path / "x.sqlite") as one, Accounts.open(tmp_path / "x.sqlite") as two:
        assert one.signing_key() == two.signing_key()
