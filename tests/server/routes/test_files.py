"""A recording's files; ranges and conversion are in ``tests/server/test_app.py``."""

from __future__ import annotations

import pytest


def test_a_range_cannot_ask_for_more_than_there_is(server):
    ann = server.browser()
    path = "/files/shop/s-1/events.parquet"
    size = int(ann.head(path).headers["content-length"])
    for wanted in (f"bytes=0-{10**17}", f"bytes=-{10**17}"):
        part = ann.get(path, headers={"range": wanted})
        assert (part.status_code, len(part.content)) == (206, size)
    assert ann.get(path, headers={"range": f"bytes={10**17}-"}).status_code == 416
    assert ann.get(path, headers={"range": "bytes=0-" + "9" * 4000}).status_code == 200


@pytest.mark.parametrize("sha256", ["../../archive.json", "a" * 64, "%2e%2e", ""])
def test_only_assets_of_the_recording(server, sha256):
    ann = server.browser()
    assert ann.get("/files/shop/s-1/assets.json").json()["assets"] == {}
    assert ann.get(f"/files/shop/s-1/assets/{sha256[:2]}/{sha256}").status_code in (404, 405)
