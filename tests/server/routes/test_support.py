"""Backends that name their users, and links for support tools."""

from __future__ import annotations

import pytest
from tests.support.builders import draft
from tests.support.servers import Server

from replayport.server.routes.recordings import Detail


@pytest.fixture
def backend(server):
    return server.program("person:write")


def send(backend, **body):
    return backend.post("/api/update-user-session", json=body)


def test_a_sealed_recording_gets_its_person(server, backend):
    answer = send(
        backend,
        posthog_session_id="s-1",
        project="shop",
        distinct_id="kim",
        user={"email": "kim@x.example", "plan": "pro"},
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["sealed"] is True
    assert answer.json()["replay_url"].endswith("/recordings/shop/s-1")
    manifest = server.archive.recording("shop/s-1").manifest
    assert manifest.person.distinct_id == "kim"
    assert manifest.person.properties == {"email": "kim@x.example", "plan": "pro"}
    (row,) = server.archive.catalog.list(person="kim")
    assert (row.id, row.person_label) == ("s-1", "kim@x.example")
    send(backend, posthog_session_id="s-1", project="shop", user={"plan": "max"})
    properties = server.archive.recording("shop/s-1").manifest.person.properties
    assert properties == {"email": "kim@x.example", "plan": "max"}
    detail = server.browser().get("/api/recordings/shop/s-1").json()
    assert Detail.model_validate(detail).person_properties["plan"] == "max"


def test_a_session_that_is_not_sealed_keeps_it_until_then(server, backend):
    answer = send(backend, posthog_session_id="later", project="shop", distinct_id="kim")
    assert answer.json()["sealed"] is False
    server.archive.write(draft(session_id="later", project="shop"))
    assert server.services.annotations.apply("shop", "later")  # what sealing does
    assert [r.id for r in server.archive.catalog.list(person="kim")] == ["later"]


def test_the_project_is_found_when_it_can_be(server):
    one = server.program("person:write", projects=["shop"])
    assert send(one, posthog_session_id="any").json()["project"] == "shop"
    both = server.program("person:write")
    assert send(both, posthog_session_id="s-2").json()["project"] == "blog"
    assert send(both, posthog_session_id="nobody-knows").status_code == 400
    assert send(one, posthog_session_id="s-2", project="blog").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"posthog_session_id": ""},
        {"posthog_session_id": "../../x"},
        {"posthog_session_id": "a/b"},
        {"posthog_session_id": "x" * 101},
        {"posthog_session_id": "s-1", "user": {"x": "y" * 40_000}},
        {"posthog_session_id": "s-1", "user": "kim"},
        {"posthog_session_id": "s-1", "distinct_id": 5},
        {},
    ],
)
def test_what_cannot_be_attached(backend, server, body):
    assert send(backend, **{"project": "shop", **body}).status_code == 400
    assert server.archive.recording("shop/s-1").manifest.person is None


def test_a_body_is_bounded(backend):
    answer = backend.post(
        "/api/update-user-session",
        content=b'{"posthog_session_id": "s-1", "user": {"x": "' + b"y" * 2**20 + b'"}}',
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 413
    assert answer.json()["reason"] == "too_large"


def test_a_link_for_a_support_tool(stored):
    server = Server(
        stored,
        {
            "public_url": "https://replay.example.com/",
            "support_links": "https://desk.example/new?body={{replay_url}}&s={{session_id}}",
        },
    )
    reader = server.program("session_recording:read")
    answer = reader.get("/api/support-link", params={"session_id": "s-1", "at_ms": 5000}).json()
    assert answer["replay_url"] == "https://replay.example.com/recordings/shop/s-1?t=5000"
    assert answer["support_link"] == (
        "https://desk.example/new?body=https%3A%2F%2Freplay.example.com%2Frecordings%2Fshop%2Fs-1"
        "&s=s-1"
    )
