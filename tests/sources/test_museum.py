"""The museum of damaged files: no damage raises anything but the one error, or hangs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.files import FORMS, exported

from replayport.errors import SourceDataError
from replayport.outcomes import RejectReason
from replayport.sources.files import BundleFile, read_files

PREFIX_KEEPS = {
    name
    for name, case in FORMS.items()
    if case.form in ("rrweb_array", "posthog_lines")
    and not name.startswith(("one-event", "posthog-one-line"))
    and "gz" not in name
    and "zst" not in name
    and name != "v1-blob"
}
"""Forms of which every whole event before a cut is kept, byte by byte."""


@pytest.fixture(scope="module")
def museum(tmp_path_factory):
    tmp = tmp_path_factory.mktemp("museum")
    files = {name: case.make() for name, case in FORMS.items()}
    files["bundle"] = exported("bundle", tmp / "1")
    files["parquet"] = exported("parquet", tmp / "2")
    path = tmp / "exhibit"
    return files, path


def outcome(path, data):
    """Import, and say how many events came out; the reason when none did."""
    path.write_bytes(data)
    n = 0
    try:
        for found in read_files([path], project="p", max_recording_bytes=2**22):
            if isinstance(found, BundleFile):
                n += found.manifest.events
            else:
                assert set(found.rejected) <= set(RejectReason)
                n += len(found.columns)
                found.columns.events()
    except SourceDataError as e:
        return RejectReason(e.reason)
    return n


ALL = [*FORMS, "bundle", "parquet"]


@pytest.mark.parametrize("name", ALL)
def test_cut_anywhere(museum, name):
    files, path = museum
    whole = files[name]
    step = max(1, len(whole) // 60)
    for end in [*range(min(20, len(whole))), *range(20, len(whole), step), len(whole) - 1]:
        outcome(path, whole[:end])
        outcome(path, whole[end:])


@pytest.mark.parametrize("name", sorted(PREFIX_KEEPS))
def test_what_precedes_a_cut_is_kept(museum, name):
    files, path = museum
    whole = files[name]
    total = len(FORMS[name].events)
    kept = 0
    for end in range(200, len(whole), max(1, len(whole) // 40)):
        n = outcome(path, whole[:end])
        n = n if isinstance(n, int) and not isinstance(n, RejectReason) else 0
        assert n >= kept, f"cut at {end} of {len(whole)}"
        kept = n
    assert kept >= total - 5  # a line of several events goes as a whole


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=40)
@given(data=st.data())
def test_flipped_and_mixed_bytes(museum, name, data):
    files, path = museum
    exhibit = bytearray(files[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(exhibit) - 1))
        change = data.draw(st.sampled_from(["flip", "cut", "insert", "repeat", "zero"]))
        if change == "flip":
            exhibit[at] ^= data.draw(st.integers(1, 255))
        elif change == "cut":
            del exhibit[at : at + data.draw(st.integers(1, 100))]
        elif change == "insert":
            exhibit[at:at] = data.draw(st.binary(max_size=20))
        elif change == "repeat":
            exhibit[at:at] = exhibit[at : at + 200]
        else:
            exhibit[at : at + 8] = bytes(len(exhibit[at : at + 8]))
        if not exhibit:
            exhibit = bytearray(b"x")
    outcome(path, bytes(exhibit))


@settings(max_examples=150)
@given(st.binary(max_size=300))
def test_noise(museum, data):
    outcome(museum[1], data)


@settings(max_examples=100)
@given(
    st.sampled_from(
        [
            b"PK\x03\x04",
            b"PAR1",
            b"\x1f\x8b\x08",
            b"\x28\xb5\x2f\xfd",
            b"H4sI",
            b"\x78\x9c",
            b"[",
            b"{",
            b'{"segment_id":1}\n',
            b"data=",
            b'["w",',
            b"\xef\xbb\xbf",
        ]
    ),
    st.binary(max_size=200),
)
def test_noise_behind_a_magic(museum, magic, data):
    outcome(museum[1], magic + data)


def test_brackets_without_end(museum):
    for text in (
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'["w",' + b"[" * 50_000,
        b'[{"type":4,' * 9000,
    ):
        outcome(museum[1], text)


def test_deep_events_are_kept(museum):
    deep = b"[" * 5000 + b"]" * 5000
    event = b'{"type":5,"timestamp":1,"data":{"tag":"x","payload":' + deep + b"}}"
    assert outcome(museum[1], b"[" + event + b"]") == 1
