"""Links over HTTP: who makes them, what they show to a stranger, and where they may be framed."""

from __future__ import annotations

import io
import json

import pyarrow.parquet as pq
import pytest
from tests.support.builders import START_MS, click, draft, full_snapshot, meta
from tests.support.servers import Server

from replayport.server.auth import Throttle

BODY = {"project": "shop", "recording_id": "s-1"}


@pytest.fixture
def ann(server):
    return server.browser()


def make(ann, **more):
    answer = ann.post("/api/shares", json={**BODY, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def path_of(link, page="shared"):
    return link["url" if page == "shared" else "embed_url"].removeprefix("http://127.0.0.1:8470")


def kinds(answer):
    return set(pq.read_table(io.BytesIO(answer.content))["kind"].to_pylist())


def test_a_stranger_sees_what_the_link_shows(ann, server):
    link = make(ann, show="actions")
    stranger = server.client()
    page = stranger.get(path_of(link))
    assert page.status_code == 200
    about = stranger.get(f"{path_of(link)}/recording").json()
    assert about["feeds"] == ["actions"]
    assert about["duration_ms"] == 200
    events = stranger.get(about["events_url"])
    assert "click" in kinds(events)
    assert "console" not in kinds(events)
    part = stranger.get(about["events_url"], headers={"range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"PAR1")
    feed = stranger.get(f"{path_of(link)}/feeds/actions").json()
    assert "click" in "".join(row["kind"] for row in feed["items"])
    for hidden in ("console", "network", "analytics", "llm", "events", "nothing"):
        assert stranger.get(f"{path_of(link)}/feeds/{hidden}").status_code == 404
    assert {"share.create", "share.open"} <= set(server.audited())
    assert ann.get("/api/shares").json()[0]["opened"] == 1


@pytest.mark.parametrize(
    ("profile", "is_shown"), [("", False), ("secrets", False), ("gdpr", False), ("off", True)]
)
def test_what_is_hidden_is_the_links_own_choice(ann, server, stored, profile, is_shown):
    card = "4111 1111 1111 1111"
    stored.write(
        draft([meta(), full_snapshot(text=card), click(9)], session_id="s-1", project="shop"),
        replace=True,
    )
    link = make(ann, profile=profile)
    assert link["profile"] == profile
    stranger = server.client()
    about = stranger.get(f"{path_of(link)}/recording").json()
    events = pq.read_table(io.BytesIO(stranger.get(about["events_url"]).content))
    assert any(card in (text or "") for text in events["data"].to_pylist()) is is_shown
    (said,) = [e.detail for e in server.services.audit.entries() if e.action == "share.create"]
    assert said.get("profile") == (profile or None)
    assert ann.post("/api/shares", json={**BODY, "profile": "/x.toml"}).status_code == 400


def test_nothing_about_the_recording_is_told_beside(ann, server):
    link = make(ann)
    stranger = server.client()
    said = stranger.get(path_of(link)).text + stranger.get(f"{path_of(link)}/recording").text
    # The token is random text: short names turn up in it by chance.
    said = said.replace(path_of(link).rpartition("/")[2], "")
    for secret in ("s-1", "shop.example", '"shop"', "w1", link["id"]):
        assert secret not in said
    for path in ("/api/recordings", "/files/shop/s-1/events.parquet", "/api/recordings/shop/s-1"):
        assert stranger.get(path).status_code == 401


def test_start_and_end_hold_for_feeds_too(ann, server):
    link = make(ann, start_ms=START_MS + 110, end_ms=START_MS + 135, show="all")
    stranger = server.client()
    about = stranger.get(f"{path_of(link)}/recording").json()
    assert about["start_ms"] == START_MS + 110
    actions = stranger.get(f"{path_of(link)}/feeds/actions").json()["items"]
    assert "click" not in {a["kind"] for a in actions}
    console = stranger.get(f"{path_of(link)}/feeds/console").json()["items"]
    assert [c["text"] for c in console] == ["boom"]
    times = pq.read_table(io.BytesIO(stranger.get(about["events_url"]).content))["timestamp_ms"]
    assert START_MS + 110 <= min(times.to_pylist()) <= max(times.to_pylist()) < START_MS + 135


def test_expiry_and_revocation_end_everything(ann, server):
    ending = make(ann, expires_ms=server.now_ms + 1000)
    revoked = make(ann)
    stranger = server.client(accept="application/json")
    paths = [
        "",
        "/recording",
        "/events.parquet",
        "/assets.json",
        f"/assets/ab/ab{'0' * 62}",
        "/feeds/actions",
    ]
    server.now_ms += 1000
    assert ann.delete(f"/api/shares/{revoked['id']}").json()["is_good"] is False
    for link in (ending, revoked):
        for end in paths:
            answer = stranger.get(path_of(link) + end)
            assert answer.status_code == 410, end
            assert "s-1" not in answer.text
        assert stranger.get(path_of(link, "embed")).status_code == 410
        unlock = stranger.post(f"{path_of(link)}/unlock", json={"password": "x"})
        assert unlock.status_code == 410
    assert "share.revoke" in server.audited()


def test_a_password(ann, server):
    link = make(ann, password="open sesame")
    assert link["has_password"]
    assert "sesame" not in json.dumps(link)
    stranger = server.client()
    base = path_of(link)
    assert "This replay asks for a password" in stranger.get(base).text
    for end in ("/recording", "/events.parquet", "/assets.json"):
        assert stranger.get(base + end).status_code == 401
        assert stranger.get(base + end, params={"grant": "x"}).status_code == 401
    wrong = stranger.post(f"{base}/unlock", json={"password": "guess"})
    assert (wrong.status_code, wrong.json()["reason"]) == (401, "wrong_password")
    grant = stranger.post(f"{base}/unlock", json={"password": "open sesame"}).json()["grant"]
    about = stranger.get(f"{base}/recording", params={"grant": grant}).json()
    assert stranger.get(about["events_url"]).content[:4] == b"PAR1"
    other = make(ann, password="another")
    assert stranger.get(f"{path_of(other)}/recording", params={"grant": grant}).status_code == 401


def test_passwords_cannot_be_guessed_fast(ann, server):
    server.services.share_throttle = Throttle(clock_s=lambda: 0.0)
    base = path_of(make(ann, password="open sesame"))
    stranger = server.client()
    seen = [
        stranger.post(f"{base}/unlock", json={"password": f"guess {n}"}).status_code
        for n in range(8)
    ]
    assert seen == [401] * 5 + [429] * 3
    assert stranger.post(f"{base}/unlock", json={"password": "open sesame"}).status_code == 429


def test_only_embeds_may_be_framed_and_only_where_the_link_says(ann, server):
    link = make(ann, embed_in=["https://help.example.com", "https://docs.example.com"])
    anywhere = make(ann)
    stranger = server.client()

    def ancestors(path):
        policy = stranger.get(path).headers["content-security-policy"]
        return policy.rpartition("frame-ancestors ")[2]

    assert ancestors(path_of(link, "embed")) == "https://help.example.com https://docs.example.com"
    assert ancestors(path_of(anywhere, "embed")) == "*"
    for path in (path_of(link), "/sign-in", "/", f"{path_of(link)}/recording", "/static/player.js"):
        assert ancestors(path) == "'none'", path
        assert stranger.get(path).headers["x-frame-options"] == "DENY"
    embed = stranger.get(path_of(link, "embed"))
    assert "x-frame-options" not in embed.headers
    assert 'embed="https://help.example.com https://docs.example.com"' in embed.text
    assert "embed=" not in stranger.get(path_of(link)).text
    for path in (path_of(link), path_of(link, "embed")):
        assert stranger.get(path).headers["referrer-policy"] == "no-referrer"
        assert "noindex" in stranger.get(path).headers["x-robots-tag"]
    assert link["embed_url"] in link["iframe"]
    assert 'referrerpolicy="no-referrer"' in link["iframe"]


def test_the_servers_own_list_of_sites(stored):
    server = Server(stored, {"embed_origins": "https://a.example, https://b.example:8443"})
    link = make(server.browser())
    policy = server.client().get(path_of(link, "embed")).headers["content-security-policy"]
    assert policy.endswith("frame-ancestors https://a.example https://b.example:8443")


@pytest.mark.parametrize(
    "wrong",
    [
        {"embed_in": ["https://a.example; script-src 'unsafe-inline'"]},
        {"embed_in": ["https://a.example\r\nx-evil: 1"]},
        {"show": "everything"},
        {"expires_ms": 1},
        {"start_ms": 9, "end_ms": 3},
    ],
)
def test_links_that_cannot_be_made(ann, wrong):
    answer = ann.post("/api/shares", json={**BODY, **wrong})
    assert (answer.status_code, answer.json()["reason"]) == (400, "invalid")
    assert ann.get("/api/shares").json() == []


def test_who_may_make_links(ann, server):
    link = make(ann)
    viewer = server.browser("vic", "viewer")
    assert viewer.get("/api/session").json()["may_share"] is False
    for method, path, body in (
        ("GET", "/api/shares", None),
        ("POST", "/api/shares", BODY),
        ("DELETE", f"/api/shares/{link['id']}", None),
    ):
        assert viewer.request(method, path, json=body).status_code == 403
    assert ann.get("/api/shares").json()[0]["is_good"]


def test_viewers_may_share_when_told(stored):
    server = Server(stored, {"viewers_may_share": True})
    ann = server.browser()
    blog = ann.post("/api/shares", json={"project": "blog", "recording_id": "s-2"}).json()
    viewer = server.browser("vic", "viewer", projects="shop")
    assert viewer.post("/api/shares", json=BODY).status_code == 201
    other = {"project": "blog", "recording_id": "s-2"}
    assert viewer.post("/api/shares", json=other).status_code == 404
    assert viewer.delete(f"/api/shares/{blog['id']}").status_code == 404
    assert [x["project"] for x in viewer.get("/api/shares").json()] == ["shop"]


def test_a_recording_that_is_gone_is_gone_for_its_links(ann, server):
    link = make(ann)
    server.archive.delete("shop/s-1")
    stranger = server.client()
    assert stranger.get(f"{path_of(link)}/recording").status_code == 410


class _Live:
    """Stands for a recording that is being made."""

    def __init__(self, recording):
        self.found = recording

    def recording(self, project, recording_id):
        return self.found if (project, recording_id) == ("shop", "now") else None

    def version(self, *_):
        return None

    def rows(self):
        return iter(())


def test_what_is_live_needs_a_link_that_allows_it(stored):
    import msgspec

    from replayport.format.reader import Recording

    sealed = stored.recording("s-1")
    manifest = msgspec.structs.replace(sealed.manifest, id="now", created_ms=0)
    server = Server(stored, live=_Live(Recording(stored.store, sealed.prefix, manifest)))
    ann = server.browser()
    body = {"project": "shop", "recording_id": "now"}
    assert ann.post("/api/shares", json=body).status_code == 409
    link = make(ann, recording_id="now", live=True)
    stranger = server.client()
    assert stranger.get(f"{path_of(link)}/recording").status_code == 200
    server.accounts.shares.change(link["id"], is_live=False)
    assert stranger.get(f"{path_of(link)}/recording").status_code == 410
    assert stranger.get(f"{path_of(link)}/events.parquet").status_code == 410
