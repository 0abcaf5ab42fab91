"""A recording's files; ranges and conversion are in ``tests/server/test_app.py``."""

from __future__ import annotations

import threading

import pytest
from tests.support.builders import click, draft, visit

from replayport.archive import encode_draft
from replayport.server.routes import files


def test_a_range_cannot_ask_for_more_than_there_is(server):
    ann = server.browser()
    path = "/files/shop/s-1/events.parquet"
    size = int(ann.head(path).headers["content-length"])
    for wanted in (f"bytes=0-{10**17}", f"bytes=-{10**17}"):
        part = ann.get(path, headers={"range": wanted})
        assert (part.status_code, len(part.content)) == (206, size)
    assert ann.get(path, headers={"range": f"bytes={10**17}-"}).status_code == 416
    assert ann.get(path, headers={"range": "bytes=0-" + "9" * 4000}).status_code == 200


def rewritten(server):
    """Put new events in the place of the old ones; gives what is to end it, and the events."""
    archive = server.services.archive
    old = archive.recording("shop/s-1").manifest
    made = draft([*visit(), click(7_000)], project="shop", session_id="s-1")
    new, data = encode_draft(made, created_ms=old.created_ms)
    archive.store.put(f"{old.key_prefix}/events.parquet", data["events.parquet"])
    return (
        lambda: archive.store.put(f"{old.key_prefix}/manifest.json", new.to_bytes()),
        data["events.parquet"],
    )


def test_a_recording_that_is_replaced_just_now_is_served_whole(server):
    finish, data = rewritten(server)
    timer = threading.Timer(0.25, finish)
    timer.start()
    try:
        found = server.browser().get(
            "/files/shop/s-1/events.parquet", headers={"range": "bytes=0-1048575"}
        )
    finally:
        timer.join()
    assert (found.status_code, found.content) == (206, data)


def test_of_a_damaged_recording_what_is_there_is_served(server, monkeypatch):
    monkeypatch.setattr(files, "REWRITE_WAIT_S", 0.0)
    said_bytes = (
        server.services.archive.recording("shop/s-1").manifest.files["events.parquet"].bytes
    )
    _, data = rewritten(server)
    found = server.browser().get("/files/shop/s-1/events.parquet")
    assert found.status_code == 200
    assert found.content == data[:said_bytes]


@pytest.mark.parametrize("sha256", ["../../archive.json", "a" * 64, "%2e%2e", ""])
def test_only_assets_of_the_recording(server, sha256):
    ann = server.browser()
    assert ann.get("/files/shop/s-1/assets.json").json()["assets"] == {}
    assert ann.get(f"/files/shop/s-1/assets/{sha256[:2]}/{sha256}").status_code in (404, 405)
