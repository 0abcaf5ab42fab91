"""The manifest: read as it was written, or refused; names that stay names."""

from __future__ import annotations

import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replayport.errors import DamagedRecordingError, FormatVersionError
from replayport.recording import (
    FORMAT_VERSION,
    FileInfo,
    Finding,
    Manifest,
    Person,
    Viewport,
    Window,
    recording_prefix,
    safe_id,
    safe_project,
    storable,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()))

MANIFEST = Manifest(
    id="s-1",
    project="p",
    session_id="s-1",
    start_ms=1_790_000_000_000,
    end_ms=1_790_000_000_500,
    duration_ms=500,
    events=3,
    raw_bytes=100,
    windows=[Window(window_id="w", events=3, start_ms=1, end_ms=2, first_url="u")],
    kinds={"click": 2, "meta": 1},
    files={"events.parquet": FileInfo(bytes=9, sha256="0" * 64)},
    source={"kind": "test", "more": {"a": [1, None]}},
    viewport=Viewport(width=1, height=2),
    person=Person(distinct_id="d", properties={"plan": "pro"}),
    findings=[Finding(code="x", count=2)],
    rejected={"invalid_json": 1},
)


def test_round_trip():
    assert Manifest.from_bytes(MANIFEST.to_bytes(), key="k") == MANIFEST
    assert MANIFEST.to_bytes().endswith(b"}\n")
    assert MANIFEST.clicks == 2


def test_unknown_fields_are_no_error():
    text = json.loads(MANIFEST.to_bytes()) | {"new_field": {"x": 1}}
    assert Manifest.from_bytes(json.dumps(text).encode(), key="k") == MANIFEST


def test_a_newer_version_says_so():
    newer = msgspec.structs.replace(MANIFEST, format_version=FORMAT_VERSION + 1)
    with pytest.raises(FormatVersionError, match="Upgrade") as caught:
        Manifest.from_bytes(newer.to_bytes(), key="k")
    assert caught.value.found == FORMAT_VERSION + 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"format":"other","format_version":1}',
        b"\xff\xfe",
        b"[" * 5000,
        b'{"format":"replayport-recording","format_version":1}',
        MANIFEST.to_bytes()[:-20],
        b'{"format":"replayport-recording","format_version":1,"source":' + b"[" * 5000,
        MANIFEST.to_bytes().replace(b'"s-1"', b'"\\ud800"'),
    ],
)
def test_what_is_no_manifest_is_refused(data):
    with pytest.raises(DamagedRecordingError, match="key k"):
        Manifest.from_bytes(data, key="k")


@given(ANY_TEXT)
def test_ids_become_safe_names_and_stay_apart(text):
    name = safe_id(text)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", name)
    assert safe_id(name) == name
    assert name == text or name.startswith("id-")


@given(ANY_TEXT)
def test_projects_become_safe_names(text):
    name = safe_project(text)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name)
    assert ".." not in name
    assert safe_project(name) == name


def test_names_do_not_meet():
    names = ["a/b", "a_b", "a.b", "../a", "..", "", "\ud800", "\ufffd", "a\n", "é", "e\u0301"]
    assert len({safe_id(n) for n in names}) == len(names)
    assert len({safe_project(n) for n in names}) == len(names)


@given(ANY_TEXT)
def test_storable_text_is_utf8(text):
    assert storable(text).encode("utf-8").decode("utf-8") == storable(text)
    assert len(storable(text)) == len(text)


@given(st.integers(-(2**63), 2**63))
def test_any_time_has_a_folder(start_ms):
    assert re.fullmatch(r"recordings/p/\d{4}/\d\d/\d\d/i", recording_prefix("p", "i", start_ms))


def test_the_folder_is_that_of_the_day():
    assert recording_prefix("p", "i", 1_790_000_000_000) == "recordings/p/2026/09/21/i"
    assert recording_prefix("p", "i", -5) == "recordings/p/1970/01/01/i"
