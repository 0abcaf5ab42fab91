"""Freezing: everything a recording names, kept once, with what could not be had named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.assets.conftest import Site
from tests.support.builders import START_MS, draft, meta

from replayport.archive import Archive
from replayport.assets.fetch import Fetcher, MissReason
from replayport.assets.freeze import (
    FreezeLimits,
    Freezer,
    Frozen,
    unused_assets,
    used_assets,
)
from replayport.errors import DamagedRecordingError, RecordingNotFoundError
from replayport.export import ExportOptions
from replayport.export.bundle import export as export_bundle
from replayport.export.html import render_html
from replayport.format.assets import asset_key
from replayport.importing import import_paths
from replayport.player_assets import PlayerNotBuiltError
from replayport.verifying import verify_archive

LATER_MS = 2**53


def png(name: str) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + name.encode().ljust(50, b".")


def page(site: Site, *images: str, sheets: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """A visit to a page with those images and linked stylesheets."""
    nodes: list[dict[str, Any]] = [
        {"type": 2, "id": 10 + i, "tagName": "img", "attributes": {"src": src}, "childNodes": []}
        for i, src in enumerate(images)
    ]
    nodes += [
        {
            "type": 2,
            "id": 100 + i,
            "tagName": "link",
            "attributes": {"rel": "stylesheet", "href": href},
            "childNodes": [],
        }
        for i, href in enumerate(sheets)
    ]
    document = {"type": 0, "id": 1, "childNodes": nodes}
    snapshot = {"type": 2, "timestamp": START_MS + 1, "data": {"node": document}}
    return [meta(0, f"{site.url}/"), snapshot]


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.open(tmp_path / "archive", create=True) as archive:
        yield archive


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    fetcher = Fetcher(allow_private=True, timeout_s=5, sleep=lambda _: None)
    yield fetcher
    fetcher.close()


def freeze(archive: Archive, fetcher: Fetcher, name: str = "s-1", **options: Any) -> Frozen:
    return Freezer(archive, fetcher, now_ms=lambda: START_MS, **options).freeze(name)


def add(archive: Archive, events: list[dict[str, Any]], session_id: str = "s-1") -> None:
    assert archive.write(draft(events, session_id=session_id)).written


def stored(archive: Archive) -> list[str]:
    return sorted(info.key for info in archive.store.list("assets/"))


def paths(site: Site, archive: Archive, name: str = "s-1") -> dict[str, str]:
    """What the map of a recording says, by path."""
    assets = archive.recording(name).assets().assets
    return {url.removeprefix(site.url): a.sha256 for url, a in assets.items()}


def test_stores_by_content_and_says_where(archive, fetcher, site):
    site.file("/a.png", png("a"), "image/png")
    add(archive, page(site, "/a.png", "/gone.png"))
    events_before = archive.recording("s-1").manifest.files["events.parquet"]
    frozen = freeze(archive, fetcher)
    digest = hashlib.sha256(png("a")).hexdigest()
    assert (frozen.stored, frozen.fetched, frozen.bytes) == (1, 1, len(png("a")))
    assert frozen.missing == {f"{site.url}/gone.png": MissReason.NOT_FOUND}
    assert not frozen.ok
    assert stored(archive) == [f"assets/{digest[:2]}/{digest}"]
    recording = archive.recording("s-1")
    assert paths(site, archive) == {"/a.png": digest}
    assert recording.asset(digest) == png("a")
    manifest = recording.manifest
    assert manifest.assets is not None
    assert (manifest.assets.stored, manifest.assets.bytes) == (1, len(png("a")))
    assert [(m.url, m.reason) for m in manifest.assets.missing] == [
        (f"{site.url}/gone.png", "not_found")
    ]
    assert manifest.files["events.parquet"] == events_before
    assert verify_archive(archive)[1] == []


def test_follows_stylesheets_from_where_they_are(archive, fetcher, site):
    site.file("/css/a.css", b"@import 'deep/b.css';a{background:url(../1.png)}", "text/css")
    site.status("/css/deep/b.css", 302, Location="/moved/b.css")
    site.file("/moved/b.css", b"@font-face{src:url(f.woff2)}b{background:url(2.png)}", "text/css")
    site.file("/1.png", png("1"), "image/png")
    site.file("/moved/2.png", png("2"), "image/png")
    site.file("/moved/f.woff2", b"wOF2....", "font/woff2")
    add(archive, page(site, sheets=("/css/a.css",)))
    assert freeze(archive, fetcher).ok
    assert set(paths(site, archive)) == {
        "/css/a.css", "/css/deep/b.css", "/1.png", "/moved/2.png", "/moved/f.woff2",
    }  # fmt: skip
    moved = archive.recording("s-1").assets().assets[f"{site.url}/css/deep/b.css"]
    assert moved.final_url == f"{site.url}/moved/b.css"


def test_stylesheets_that_import_each_other_end(archive, fetcher, site):
    site.file("/a.css", b"@import '/b.css';", "text/css")
    site.file("/b.css", b"@import '/a.css';", "text/css")
    for n in range(10):
        site.file(f"/{n}.css", b"@import '/%d.css';" % (n + 1), "text/css")
    add(archive, page(site, sheets=("/a.css", "/0.css")))
    frozen = freeze(archive, fetcher)
    assert frozen.missing == {f"{site.url}/6.css": MissReason.LIMIT_DEPTH}
    assert len(site.hits) == len(set(site.hits)) == 2 + 6


def test_freezing_twice_asks_and_writes_once(archive, fetcher, site):
    site.file("/a.css", b"a{background:url(/a.png)}", "text/css")
    site.file("/a.png", png("a"), "image/png")
    add(archive, page(site, sheets=("/a.css",)))
    assert freeze(archive, fetcher).fetched == 2
    before = archive.recording("s-1").manifest
    hits = len(site.hits)
    again = Freezer(archive, fetcher, now_ms=lambda: START_MS + 1).freeze("s-1")
    assert (again.stored, again.fetched) == (2, 0)
    assert len(site.hits) == hits
    assert archive.recording("s-1").manifest == before


def test_what_was_missing_is_tried_again(archive, fetcher, site):
    site.file("/a.png", png("a"), "image/png")
    add(archive, page(site, "/a.png", "/b.png"))
    assert not freeze(archive, fetcher).ok
    site.file("/b.png", png("b"), "image/png")
    site.file("/a.png", png("changed"), "image/png")
    again = freeze(archive, fetcher)
    assert again.ok
    assert again.fetched == 1
    assert paths(site, archive)["/a.png"] == hashlib.sha256(png("a")).hexdigest()
    assert archive.recording("s-1").manifest.assets.missing == []


def test_refresh_asks_again_and_never_loses(archive, fetcher, site):
    site.file("/a.png", png("a"), "image/png")
    site.file("/b.png", png("b"), "image/png")
    add(archive, page(site, "/a.png", "/b.png"))
    freeze(archive, fetcher)
    site.file("/a.png", png("newer"), "image/png")
    site.answers.pop("/b.png")
    frozen = freeze(archive, fetcher, refresh=True)
    assert frozen.ok
    assert paths(site, archive) == {
        "/a.png": hashlib.sha256(png("newer")).hexdigest(),
        "/b.png": hashlib.sha256(png("b")).hexdigest(),
    }


def test_recordings_share(archive, fetcher, site):
    site.file("/a.png", png("same"), "image/png")
    site.file("/copy.png", png("same"), "image/png")
    add(archive, page(site, "/a.png"), "s-1")
    add(archive, page(site, "/a.png", "/copy.png"), "s-2")
    freezer = Freezer(archive, fetcher)
    assert freezer.freeze("s-1").fetched == 1
    second = freezer.freeze("s-2")
    assert (second.stored, second.fetched, second.bytes) == (2, 1, len(png("same")))
    assert site.hits.count("/a.png") == 1
    assert len(stored(archive)) == 1
    assert list(used_assets(archive).values()) == [{"p/s-1", "p/s-2"}]
    archive.delete("s-1")
    assert unused_assets(archive, stored_before_ms=LATER_MS) == []
    archive.delete("s-2")
    assert unused_assets(archive, stored_before_ms=0) == []
    assert unused_assets(archive, stored_before_ms=LATER_MS) == stored(archive)


def test_nothing_is_called_unused_on_a_guess(archive, fetcher, site):
    site.file("/a.png", png("a"), "image/png")
    add(archive, page(site, "/a.png"))
    freeze(archive, fetcher)
    recording = archive.recording("s-1")
    archive.store.put(f"{recording.prefix}/assets.json", b"{")
    with pytest.raises(DamagedRecordingError):
        unused_assets(archive, stored_before_ms=LATER_MS)


def test_limit_of_count_leaves_fonts_out_first(archive, fetcher, site):
    site.file("/a.css", b"@font-face{src:url(/f.woff2)}", "text/css")
    for name in ("1", "2"):
        site.file(f"/{name}.png", png(name), "image/png")
    site.file("/f.woff2", b"wOF2....", "font/woff2")
    add(archive, page(site, "/1.png", "/2.png", sheets=("/a.css",)))
    frozen = freeze(archive, fetcher, limits=FreezeLimits(assets=3))
    assert frozen.missing == {f"{site.url}/f.woff2": MissReason.LIMIT_COUNT}
    assert "/f.woff2" not in site.hits


def test_limit_of_bytes(archive, fetcher, site):
    for name in ("1", "2", "3"):
        site.file(f"/{name}.png", png(name), "image/png")
    add(archive, page(site, "/1.png", "/2.png", "/3.png"))
    frozen = freeze(archive, fetcher, limits=FreezeLimits(bytes=2 * len(png("1"))))
    assert list(frozen.missing.values()) == [MissReason.LIMIT_BYTES]
    assert len(stored(archive)) == 2


def test_limit_of_time(archive, fetcher, site):
    ticks = iter(range(0, 100_000, 100))
    add(archive, page(site, "/1.png", "/2.png"))
    frozen = freeze(
        archive, fetcher, limits=FreezeLimits(time_s=50), clock=lambda: float(next(ticks))
    )
    assert set(frozen.missing.values()) == {MissReason.LIMIT_TIME}
    assert site.hits == []


def test_something_else_than_wanted_is_not_kept(archive, fetcher, site):
    site.file("/a.css", png("a"), "text/css")
    site.file("/a.png", b"<!doctype html>", "text/html")
    add(archive, page(site, "/a.png", sheets=("/a.css",)))
    frozen = freeze(archive, fetcher)
    assert set(frozen.missing.values()) == {MissReason.WRONG_TYPE}
    assert archive.recording("s-1").assets().assets == {}


def test_a_recording_that_names_nothing(archive, fetcher):
    archive.write(draft())
    frozen = freeze(archive, fetcher)
    assert frozen.ok
    assert frozen.stored == 0
    assert archive.recording("s-1").manifest.assets is not None


def test_one_there_is_not(archive, fetcher):
    with pytest.raises(RecordingNotFoundError):
        freeze(archive, fetcher, "nobody")


def test_a_damaged_asset_is_found_and_mended(archive, fetcher, site):
    site.file("/a.png", png("a"), "image/png")
    add(archive, page(site, "/a.png"))
    freeze(archive, fetcher)
    (key,) = stored(archive)
    for damage in (png("b"), None):
        if damage is None:
            archive.store.delete(key)
        else:
            archive.store.put(key, damage)
        assert [p.code for p in verify_archive(archive)[1]] == ["asset_missing"]
        assert freeze(archive, fetcher).ok
        assert verify_archive(archive)[1] == []


def test_a_damaged_map_is_named_once_and_mended(archive, fetcher, site):
    site.file("/a.png", png("a"), "image/png")
    add(archive, page(site, "/a.png"))
    freeze(archive, fetcher)
    archive.store.put(f"{archive.recording('s-1').prefix}/assets.json", b"{}")
    assert [p.code for p in verify_archive(archive)[1]] == ["file_damaged"]
    assert freeze(archive, fetcher).ok
    assert verify_archive(archive)[1] == []


def test_it_lasts(archive, fetcher, site):
    """Compaction, another pull and a new catalog leave what was frozen where it is."""
    site.file("/a.png", png("a"), "image/png")
    add(archive, page(site, "/a.png"))
    freeze(archive, fetcher)
    frozen = archive.recording("s-1").manifest.assets
    archive.compact("s-1")
    assert archive.recording("s-1").manifest.assets == frozen
    archive.write(draft(page(site, "/a.png", "/b.png")), replace=True)
    archive.reindex()
    recording = archive.recording("s-1")
    assert recording.manifest.assets == frozen
    assert set(paths(site, archive)) == {"/a.png"}
    assert verify_archive(archive)[1] == []


def test_a_cut_is_finished_over_what_another_left(archive, fetcher, site, monkeypatch):
    """A compaction cut before its marker leaves a file beside; a freeze is cut after its own."""
    site.file("/a.png", png("a"), "image/png")
    add(archive, page(site, "/a.png"))
    prefix = archive.recording("s-1").prefix
    archive.store.put(f"{prefix}/events.parquet.next", b"of a compaction that was cut")

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Archive, "_finish_rewrite", cut)
        freeze(archive, fetcher)
    assert archive.recording("s-1").manifest.assets is None
    assert archive.recover(prefix)
    assert archive.recording("s-1").manifest.assets is not None
    assert set(paths(site, archive)) == {"/a.png"}
    assert verify_archive(archive)[1] == []


def test_a_bundle_carries_assets_and_refuses_changed_ones(archive, fetcher, site, tmp_path):
    site.file("/a.png", png("a"), "image/png")
    add(archive, page(site, "/a.png"))
    freeze(archive, fetcher)
    recording = archive.recording("s-1")
    bundle = b"".join(export_bundle(recording, ExportOptions()))
    assert bundle.count(png("a")) == 1
    path = tmp_path / "s-1.replay.zip"
    for data, rejected in ((bundle.replace(png("a"), png("b")), 1), (bundle, 0)):
        path.write_bytes(data)
        with Archive.open(tmp_path / f"copy-{rejected}", create=True) as copy:
            assert len(import_paths([path], copy).rejected) == rejected
            if not rejected:
                assert copy.recording("s-1").manifest == recording.manifest
                assert copy.recording("s-1").assets() == recording.assets()
                assert stored(copy) == stored(archive)
                assert verify_archive(copy)[1] == []


def test_an_html_export_carries_each_file_once(archive, fetcher, site):
    site.file("/a.png", png("<script>"), "image/png")
    site.file("/b.png", png("<script>"), "image/png")
    add(archive, page(site, "/a.png", "/b.png?</script><script>alert(1)</script>"))
    site.answers["/b.png?%3C/script%3E%3Cscript%3Ealert(1)%3C/script%3E"] = site.answers["/b.png"]
    assert freeze(archive, fetcher).stored == 2
    recording = archive.recording("s-1")
    assets = recording.assets()
    files = {sha256: recording.asset(sha256) for sha256 in assets.sizes()}
    try:
        with_assets = render_html(recording.file("events.parquet"), {}, assets, files)
        without = render_html(recording.file("events.parquet"), {})
    except PlayerNotBuiltError as e:
        pytest.skip(str(e))
    (digest,) = files
    assert with_assets.count(f'"{digest}":'.encode()) == 1
    assert with_assets.count(b"<script") == without.count(b"<script")


def test_an_asset_key_is_never_a_path_of_somebody():
    for name in ("../../etc/passwd", "", "AB" * 32, "ab" * 32 + "\n"):
        with pytest.raises(ValueError, match="SHA-256"):
            asset_key(name)
    with pytest.raises(ValueError, match="SHA-256"):
        asset_key("g" * 64)
