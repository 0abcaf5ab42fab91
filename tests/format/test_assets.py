"""``assets.json``: read back as written, refused when it is not what it says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replayport.errors import DamagedRecordingError
from replayport.format.assets import ASSET_NAME, CONTENT_TYPES, Asset, AssetMap, asset_key

DIGEST = "ab" * 32

digests = st.text("0123456789abcdef", min_size=64, max_size=64)
assets = st.builds(
    Asset,
    sha256=digests,
    bytes=st.integers(0, 2**40),
    content_type=st.sampled_from(sorted(CONTENT_TYPES)),
    charset=st.sampled_from(["", "utf-8"]),
    final_url=st.sampled_from(["", "https://shop.example/moved"]),
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), assets, max_size=5))
def test_round_trip(found):
    written = AssetMap(assets=found).to_bytes()
    again = AssetMap.from_bytes(written, key="k")
    assert again.assets == found
    assert again.to_bytes() == written
    assert set(again.sizes()) == {a.sha256 for a in found.values()}


def test_what_is_in_the_file():
    asset = Asset(sha256=DIGEST, bytes=3, content_type="image/png")
    assert json.loads(AssetMap(assets={"https://shop.example/a.png": asset}).to_bytes()) == {
        "version": 1,
        "assets": {
            "https://shop.example/a.png": {
                "sha256": DIGEST,
                "bytes": 3,
                "content_type": "image/png",
            }
        },
    }


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "../../../etc/passwd"},
        {"sha256": DIGEST.upper()},
        {"sha256": DIGEST + "\n"},
        {"content_type": "text/html"},
        {"content_type": "application/javascript"},
        {"bytes": "3"},
    ],
)
def test_refuses_what_is_never_stored(change: dict[str, Any]):
    entry = {"sha256": DIGEST, "bytes": 3, "content_type": "image/png", **change}
    data = json.dumps({"version": 1, "assets": {"https://shop.example/a": entry}}).encode()
    with pytest.raises(DamagedRecordingError):
        AssetMap.from_bytes(data, key="k")


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"\xff", b'{"version":2,"assets":{}}', b'{"assets":1}']
)
def test_refuses_what_is_no_map(data: bytes):
    with pytest.raises(DamagedRecordingError):
        AssetMap.from_bytes(data, key="k")


def test_unknown_fields_are_ignored():
    data = b'{"version":1,"assets":{},"later":1}'
    assert AssetMap.from_bytes(data, key="k") == AssetMap()


@given(digests)
def test_keys_and_names_agree(digest):
    found = ASSET_NAME.fullmatch(asset_key(digest))
    assert found is not None
    assert found[2] == digest
