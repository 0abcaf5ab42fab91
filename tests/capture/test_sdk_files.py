from __future__ import annotations

import gzip
import hashlib
import io
import runpy
import tarfile
from pathlib import Path

import pytest

from replayport.capture.sdk_files import SdkFiles, SdkFilesMissingError
from replayport.demo import record

ROOT = Path(__file__).parents[2]
FETCH = runpy.run_path(str(ROOT / "web" / "sdk" / "fetch.py"))


def package(folder, files):
    path = folder / f"posthog-js-{FETCH['VERSION']}.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


FILES = {
    "package/dist/array.js": b"array",
    "package/dist/recorder.js": b"recorder",
    "package/dist/module.js": b"for bundlers",
    "package/dist/array.js.map": b"{}",
    "package/lib/src/x.js": b"source",
    "package/LICENSE": b"the licence",
    "package/dist/../../../evil.js": b"evil",
}


@pytest.fixture
def fetch(tmp_path, monkeypatch):
    """`fetch_sdk` with a package of ours in npm's place."""
    given = tmp_path / "given"
    given.mkdir()
    made = package(given, FILES)
    namespace = FETCH["fetch_sdk"].__globals__
    monkeypatch.setitem(namespace, "SHA256", hashlib.sha256(made.read_bytes()).hexdigest())
    calls = []

    def npm(folder, *arguments):
        calls.append(arguments)
        (folder / made.name).write_bytes(made.read_bytes())

    return FETCH["fetch_sdk"], npm, calls


def test_the_build_pins_what_the_demo_was_recorded_with():
    assert FETCH["VERSION"] == record.POSTHOG_JS_VERSION
    assert FETCH["SHA256"] == record.POSTHOG_JS_SHA256


def test_fetching(fetch, tmp_path):
    fetch_sdk, npm, calls = fetch
    target = tmp_path / "static" / "posthog-js"
    assert fetch_sdk(target, npm) is True
    assert {p.name for p in target.iterdir()} == {
        "array.js", "recorder.js", "LICENSE", "NOTICE.txt", "version.txt"
    }  # fmt: skip
    assert "posthog-js" in (target / "NOTICE.txt").read_text("utf-8")
    assert not (tmp_path / "evil.js").exists()
    assert fetch_sdk(target, npm) is False
    assert len(calls) == 1
    files = SdkFiles.of_folder(target)
    assert files.version == FETCH["VERSION"]
    assert files.names == {"array.js", "recorder.js"}


def test_a_changed_package_is_refused(fetch, tmp_path, monkeypatch):
    fetch_sdk, npm, _ = fetch
    monkeypatch.setitem(fetch_sdk.__globals__, "SHA256", "0" * 64)
    with pytest.raises(FETCH["SdkFetchError"], match="not the pinned one"):
        fetch_sdk(tmp_path / "x", npm)
    with pytest.raises(FETCH["SdkFetchError"], match="npm gave no"):
        fetch_sdk(tmp_path / "x", lambda *_: None)
    assert not (tmp_path / "x").exists()


def test_an_incomplete_folder_is_none(tmp_path):
    (tmp_path / "array.js").write_bytes(b"x")
    with pytest.raises(SdkFilesMissingError, match="make web"):
        SdkFiles.of_folder(tmp_path)


FILES_1 = SdkFiles("1.449.2", {"array.js": b"a" * 5000, "recorder.js": b"r"})


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("array.js", ("array.js", False)),
        ("1.449.2/array.js", ("array.js", True)),
        ("1.100.0/recorder.js", ("recorder.js", False)),
        ("1.450.0-beta.1/array.js", ("array.js", False)),
        ("nope.js", None),
        ("x/array.js", None),
        ("1.2/array.js", None),
        ("1.449.2/../array.js", None),
        ("1.449.2//array.js", None),
        ("", None),
    ],
)
def test_addresses(path, found):
    assert FILES_1.find(path) == found


def test_compressed_once():
    packed = FILES_1.gzipped("array.js")
    assert gzip.decompress(packed) == FILES_1.file("array.js").body
    assert FILES_1.gzipped("array.js") is packed
    assert FILES_1.file("array.js").etag != FILES_1.file("recorder.js").etag


def test_none():
    assert SdkFiles.none().find("array.js") is None


def test_the_packages_own_are_complete():
    try:
        files = SdkFiles.shipped()
    except SdkFilesMissingError:
        pytest.skip("not fetched in this checkout")
    assert files.version == FETCH["VERSION"]
    assert {
        "array.js", "array.full.js", "recorder.js", "recorder-v2.js", "lazy-recorder.js",
        "posthog-recorder.js", "surveys.js", "web-vitals.js",
    } <= files.names  # fmt: skip
