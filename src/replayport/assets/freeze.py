"""
Freezes recordings: fetches what they refer to, once, and keeps it by content.

```
<archive>/
├── recordings/…/<recording_id>/
│   ├── manifest.json       `assets`: how much was stored, what could not be had and why
│   └── assets.json         address → digest
└── assets/<ab>/<sha256>    <- Freezer puts these first, so that no map names what is not there
```

Stylesheets come first, with whatever they import; then images; then fonts: when a limit is
met, what is left out is what shows least. What was frozen before is kept and not asked for
again; freezing again tries only what is missing, because the page as it was recorded is
nearer to the first copy than to any later one.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import msgspec

from replayport.archive import Archive
from replayport.assets.fetch import Fetcher, MissReason
from replayport.assets.find import (
    KINDS,
    MAX_REFERENCES,
    Finder,
    Use,
    css_bytes_references,
    find,
    resolve,
)
from replayport.errors import DamagedRecordingError
from replayport.format.assets import (
    ASSET_NAME,
    ASSETS,
    ASSETS_FILE,
    CSS_TYPE,
    FONT_TYPES,
    IMAGE_TYPES,
    Asset,
    AssetMap,
)
from replayport.format.reader import Recording
from replayport.recording import MAX_MISSING_ASSETS, FrozenAssets, Manifest, MissingAsset

MAX_IMPORT_DEPTH: Final = 5
"""Sheets that import sheets; the player follows as many."""
THREADS: Final = 8

_TYPES_OF: Final[dict[Use, frozenset[str]]] = {
    Use.STYLESHEET: frozenset({CSS_TYPE}),
    Use.IMAGE: IMAGE_TYPES,
    Use.FONT: FONT_TYPES,
}


@dataclass(frozen=True, slots=True)
class FreezeLimits:
    """How much is fetched for one recording."""

    assets: int = 300
    bytes: int = 200 * 2**20
    time_s: float = 600.0


@dataclass(slots=True)
class Frozen:
    """What became of one recording."""

    id: str
    project: str
    stored: int = 0
    """Addresses that the archive now has."""
    fetched: int = 0
    """Of those, fetched by this run."""
    bytes: int = 0
    """Of the files, each counted once."""
    missing: dict[str, MissReason] = field(default_factory=dict)
    left_out: int = 0
    """Addresses the recording names beyond the number that is remembered."""

    @property
    def ok(self) -> bool:
        """True when everything the recording refers to is there."""
        return not self.missing and not self.left_out

    def reasons(self) -> Counter[str]:
        """Count what is missing by reason."""
        return Counter(reason.value for reason in self.missing.values())


class Freezer:
    """
    Freezes recordings of one archive; what an address served is asked once per run.

    Not for several threads; it uses some itself.

    Args:
        archive: Whose recordings; stays the caller's to close.
        fetcher: Stays the caller's to close.
        limits: For each recording.
        refresh: Ask for what is frozen already too; a copy is kept when that fails.
        clock: Seconds, for the limit of time.
        now_ms: Epoch milliseconds, for the manifest.
    """

    def __init__(
        self,
        archive: Archive,
        fetcher: Fetcher,
        *,
        limits: FreezeLimits | None = None,
        refresh: bool = False,
        clock: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.archive = archive
        self.fetcher = fetcher
        self.limits = limits if limits is not None else FreezeLimits()
        self.refresh = refresh
        self.clock = clock
        self._now_ms = now_ms
        self.served: dict[str, Asset | MissReason] = {}

    def freeze(
        self, recording_id: str, *, on_asset: Callable[[str], None] = lambda _: None
    ) -> Frozen:
        """
        Freeze one recording.

        Args:
            recording_id: Its id, or ``project/id``.
            on_asset: Called with each address dealt with, from several threads.

        Raises:
            RecordingError: There is none, or it does not read.
            StoreError: The store refused; what the recording had before stands.
        """
        recording = self.archive.recording(recording_id)
        try:
            before = dict(recording.assets().assets)
        except DamagedRecordingError:
            before = {}  # a new map replaces it
        finder = find(recording.events(kinds=KINDS))
        run = _Run(self, recording, before, on_asset)
        run.all(finder)
        self._write(recording, run, finder)
        sizes = AssetMap(assets=run.kept).sizes()
        return Frozen(
            id=recording.id,
            project=recording.manifest.project,
            stored=len(run.kept),
            fetched=run.fetched,
            bytes=sum(sizes.values()),
            missing=run.missing,
            left_out=finder.left_out,
        )

    def _write(self, recording: Recording, run: _Run, finder: Finder) -> None:
        assets = AssetMap(assets=run.kept)
        listed = [
            MissingAsset(url=url, reason=reason.value)
            for url, reason in sorted(run.missing.items())[:MAX_MISSING_ASSETS]
        ]
        frozen = FrozenAssets(
            stored=len(run.kept),
            bytes=sum(assets.sizes().values()),
            missing=listed,
            not_listed=len(run.missing) - len(listed) + finder.left_out,
            frozen_ms=self._now_ms(),
        )
        data = assets.to_bytes()
        manifest = recording.manifest
        if manifest.assets is not None:
            same = msgspec.structs.replace(frozen, frozen_ms=manifest.assets.frozen_ms)
            if same == manifest.assets and _has(recording, data):
                return  # freezing twice writes once

        def change(newest: Manifest) -> Manifest:
            return msgspec.structs.replace(newest, assets=frozen)

        self.archive.add_files(f"{manifest.project}/{manifest.id}", {ASSETS_FILE: data}, change)


def _has(recording: Recording, data: bytes) -> bool:
    try:
        return recording.file(ASSETS_FILE) == data
    except DamagedRecordingError:
        return False


class _Run:
    """One recording being frozen."""

    def __init__(
        self,
        freezer: Freezer,
        recording: Recording,
        before: Mapping[str, Asset],
        on_asset: Callable[[str], None],
    ) -> None:
        self.kept: dict[str, Asset] = {}
        self.missing: dict[str, MissReason] = {}
        self.fetched = 0
        self._archive = freezer.archive
        self._fetcher = freezer.fetcher
        self._served = freezer.served
        self._limits = freezer.limits
        self._refresh = freezer.refresh
        self._clock = freezer.clock
        self._recording = recording
        self._before = before
        self._on_asset = on_asset
        self._asked: set[str] = set()
        self._taken = 0
        self._bytes: dict[str, int] = {}
        self._lock = threading.Lock()
        self._ends_at_s = self._clock() + self._limits.time_s

    def all(self, finder: Finder) -> None:
        """Take everything a recording names, and what its stylesheets name."""
        wanted: dict[Use, dict[str, None]] = {use: {} for use in Use}
        for url, use in finder.found.items():
            wanted[use][url] = None
        with ThreadPoolExecutor(THREADS, thread_name_prefix="freeze") as pool:
            sheets = list(wanted[Use.STYLESHEET])
            for depth in range(MAX_IMPORT_DEPTH + 1):
                self._take(pool, sheets, Use.STYLESHEET)
                found = [(url, use) for sheet in sheets for url, use in self._inside(sheet)]
                sheets = list(
                    dict.fromkeys(
                        u for u, use in found if use is Use.STYLESHEET and u not in self._asked
                    )
                )
                for url, use in found:
                    if sum(map(len, wanted.values())) < MAX_REFERENCES:
                        wanted[use][url] = None
                if not sheets or depth == MAX_IMPORT_DEPTH:
                    break
            self.missing.update(dict.fromkeys(sheets, MissReason.LIMIT_DEPTH))
            self._take(pool, wanted[Use.IMAGE], Use.IMAGE)
            self._take(pool, wanted[Use.FONT], Use.FONT)
        # What was frozen and is not found any more (a limit, a changed finder) stays frozen.
        for url, asset in self._before.items():
            self.kept.setdefault(url, asset)
            self.missing.pop(url, None)

    def _take(self, pool: ThreadPoolExecutor, urls: Iterable[str], use: Use) -> None:
        new = [url for url in dict.fromkeys(urls) if url not in self._asked]
        self._asked.update(new)
        for url, got in zip(new, pool.map(lambda url: self._one(url, use), new), strict=True):
            if isinstance(got, Asset):
                self.kept[url] = got
            else:
                self.missing[url] = got

    def _one(self, url: str, use: Use) -> Asset | MissReason:
        got = self._get(url)
        self._on_asset(url)
        if isinstance(got, Asset) and got.content_type not in _TYPES_OF[use]:
            return MissReason.WRONG_TYPE
        return got

    def _get(self, url: str) -> Asset | MissReason:
        before = self._before.get(url)
        there = before if before is not None and self._is_there(before) else None
        with self._lock:
            self._taken += 1
            if self._taken > self._limits.assets:
                return MissReason.LIMIT_COUNT
        if there is not None and not self._refresh:
            return there if self._fits(there) else MissReason.LIMIT_BYTES
        served = self._served.get(url)
        if served is None:
            served = self._fetch(url, mend=before is not None)
        elif isinstance(served, Asset) and not self._fits(served):
            served = MissReason.LIMIT_BYTES
        return there if isinstance(served, MissReason) and there is not None else served

    def _fetch(self, url: str, *, mend: bool) -> Asset | MissReason:
        if self._clock() >= self._ends_at_s:
            return MissReason.LIMIT_TIME  # of this recording; the next one may ask
        got = self._fetcher.fetch(url)
        if isinstance(got, MissReason):
            self._served[url] = got
            return got
        asset = Asset(
            sha256=hashlib.sha256(got.data).hexdigest(),
            bytes=len(got.data),
            content_type=got.content_type,
            charset=got.charset,
            final_url=got.final_url if got.final_url != url else "",
        )
        if not self._fits(asset):
            return MissReason.LIMIT_BYTES
        self._archive.put_asset(got.data, mend=mend)
        self._served[url] = asset
        with self._lock:
            self.fetched += 1
        return asset

    def _fits(self, asset: Asset) -> bool:
        with self._lock:
            sizes = {**self._bytes, asset.sha256: asset.bytes}
            if sum(sizes.values()) > self._limits.bytes:
                return False
            self._bytes = sizes
            return True

    def _is_there(self, asset: Asset) -> bool:
        try:
            self._recording.asset(asset.sha256)
        except DamagedRecordingError:
            return False
        return True

    def _inside(self, url: str) -> list[tuple[str, Use]]:
        """Give what a stylesheet that was stored refers to."""
        asset = self.kept.get(url)
        if asset is None:
            return []
        base = asset.final_url or url
        references = css_bytes_references(self._recording.asset(asset.sha256), asset.charset)
        found = ((resolve(address, base), use) for address, use in references)
        return [(address, use) for address, use in found if address is not None]


def used_assets(archive: Archive) -> dict[str, set[str]]:
    """
    Tell which recordings use each asset.

    Returns:
        SHA-256 to ``project/id`` of each recording whose map names it. A recording whose map
        does not read raises: nothing may be called unused on a guess.

    Raises:
        RecordingError: A manifest or a map does not read.
    """
    used: dict[str, set[str]] = {}
    for prefix in archive.prefixes():
        recording = archive.recording_at(prefix)
        for sha256 in recording.assets().sizes():
            used.setdefault(sha256, set()).add(f"{recording.manifest.project}/{recording.id}")
    return used


def unused_assets(archive: Archive, *, stored_before_ms: int) -> list[str]:
    """
    Find assets that no recording uses any more, such as after an erasure.

    Args:
        archive: The archive.
        stored_before_ms: Only those stored before this; a freeze under way puts its assets
            before the map that names them, so leave it a day.

    Returns:
        Store keys, in order; deleting them loses nothing that plays.

    Raises:
        RecordingError: A manifest or a map does not read.
    """
    # Listed before the maps are read: what comes in between is not in the list.
    stored = [info for info in archive.store.list(ASSETS) if info.modified_ms < stored_before_ms]
    used = used_assets(archive)
    unused = []
    for info in stored:
        name = ASSET_NAME.fullmatch(info.key)
        if name is not None and name[2] not in used:
            unused.append(info.key)
    return sorted(unused)
