"""
What an archive has of a person, a recording, or an address: looked up in the files.

```
recordings/…  one listing, folder by folder
├── manifest.json        whose it is, which pages
├── analytics.parquet    rows of that person; who is known under which ids
├── events.parquet       addresses, when the manifest cannot hold them all
└── anything else        leftovers of cut writes
```

Erasure, retention and subject access start here. The catalog is not asked, it may be
behind: what it knows besides is taken in addition, so that nothing is missed.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Final, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from replayport.archive import RECORDINGS, Archive
from replayport.errors import RecordingError, RecordingNotFoundError
from replayport.format.assets import ASSETS_FILE, AssetMap
from replayport.format.schema import ANALYTICS_FILE, EVENTS_FILE, MANIFEST_FILE
from replayport.pseudonyms import Pseudonyms
from replayport.recording import MAX_URLS, Manifest
from replayport.store import ObjectInfo
from replayport.tombstones import fingerprint

ScopeKind = Literal["person", "distinct_id", "recording", "url_pattern", "retention"]

IDENTIFYING: Final = frozenset(
    {"email", "$email", "id", "uuid", "user_id", "userid", "username", "phone", "$user_id"}
)
"""Person properties that tell one person from all others; ``plan: free`` does not."""

_LINKS: Final = {
    "$identify": "$anon_distinct_id",
    "$create_alias": "alias",
    "$merge_dangerously": "alias",
}
"""Events that say two ids are one person, and the property with the other id."""

_FOLDER: Final = re.compile(r"recordings/([^/]+)/(\d{4})/(\d{2})/(\d{2})/([^/]+)")
_READERS: Final = 8
_PAGE: Final = 256


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked for."""

    kind: ScopeKind
    value: str
    """A distinct id, a recording's id, a pattern; of ``retention`` a project."""

    def url_match(self) -> Callable[[str], bool] | None:
        """Give a test for addresses; None when the scope is not about any."""
        return url_pattern(self.value) if self.kind == "url_pattern" else None


@dataclass(slots=True)
class Folder:
    """One recording's folder, as far as a scope needs it."""

    prefix: str
    """Empty for a visit that is not sealed yet."""
    project: str
    id: str
    objects: list[ObjectInfo]
    manifest: Manifest | None = None
    """None when it is missing or does not read."""
    distinct_id: str | None = None
    """Whose the recording is."""
    problem: str = ""
    """Why something of it could not be read; empty when all could."""
    persons: Counter[str] = field(default_factory=Counter)
    """Analytics rows by distinct id."""
    links: list[tuple[int, str, str]] = field(default_factory=list)
    """When, distinct id, and another id of the same person."""
    known_as: dict[str, set[str]] = field(default_factory=dict)
    """Distinct id to identifying values its events set."""
    url_matches: bool = False

    @property
    def name(self) -> str:
        """``project/id``."""
        return f"{self.project}/{self.id}"


@dataclass(slots=True)
class Survey:
    """What was found."""

    distinct_ids: set[str] = field(default_factory=set)
    """All ids of the person."""
    folders: list[Folder] = field(default_factory=list)
    """Of recordings meant as a whole."""
    rows: dict[str, int] = field(default_factory=dict)
    """``project/id`` of recordings of others to analytics rows of the person in them."""
    unsealed_rows: dict[str, int] = field(default_factory=dict)
    """The same of visits of others that are not sealed yet."""
    leftovers: list[Folder] = field(default_factory=list)
    """Folders without a manifest: writes that were cut; whose is not known."""
    unreadable: list[Folder] = field(default_factory=list)
    """Folders something of which does not read: what they hold of the person is not known."""


def url_pattern(pattern: str) -> Callable[[str], bool]:
    """Make a test for whole addresses; ``*`` stands for any text, all else for itself."""
    compiled = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
    return lambda url: compiled.fullmatch(url) is not None


def survey(
    archive: Archive,
    scope: Scope,
    *,
    also: Iterable[str] = (),
    unsealed: Iterable[Folder] = (),
    on_folder: Callable[[], None] = lambda: None,
) -> Survey:
    """
    Look through an archive.

    Args:
        archive: The archive.
        scope: What for; a person, a recording, an address.
        also: More distinct ids known to be the person's.
        unsealed: Visits to look at besides, by `unsealed_folder`.
        on_folder: Called with each folder looked at, for progress.

    Memory:
        What is known of each recording, without its events.
    """
    everything = []
    for folder in _folders(archive, scope):
        everything.append(folder)
        on_folder()
    owners = {folder.name: folder.distinct_id for folder in everything}
    for folder in unsealed:
        # More of a recording is its person's, whoever is at the browser now.
        folder.distinct_id = owners.get(folder.name) or folder.distinct_id
        everything.append(folder)
    found = Survey()
    if scope.kind in ("person", "distinct_id"):
        found.distinct_ids = {scope.value, *also}
        pseudonyms = Pseudonyms.find(archive.store)
        before: set[str] = set()
        while before != found.distinct_ids:
            before = set(found.distinct_ids)
            if scope.kind == "person":
                found.distinct_ids = _ids_of(everything, found.distinct_ids)
            if pseudonyms is not None:
                found.distinct_ids |= _stand_ins(everything, found.distinct_ids, pseudonyms)
    project, _, bare = scope.value.rpartition("/")
    for folder in everything:
        if folder.problem:
            found.unreadable.append(folder)
        if scope.kind == "recording":
            wanted = folder.id == bare and project in ("", folder.project)
        elif scope.kind == "url_pattern":
            wanted = folder.url_matches
        else:
            wanted = folder.distinct_id in found.distinct_ids
        if wanted:
            found.folders.append(folder)
        elif folder.prefix and folder.manifest is None and not folder.problem:
            found.leftovers.append(folder)
        elif n := sum(folder.persons[d] for d in found.distinct_ids):
            (found.rows if folder.prefix else found.unsealed_rows)[folder.name] = n
    if scope.kind != "recording":
        _take_from_catalog(archive, found, everything)
    return found


def unsealed_folder(
    project: str,
    id: str,  # noqa: A002 - the field's name
    distinct_id: str | None,
    analytics: pa.Table,
    scope: Scope,
) -> Folder:
    """
    Make what `survey` looks at of a visit that is not in the archive yet.

    Args:
        project: Its project, and
        id: the id its recording will have.
        distinct_id: Whose it is; None when nothing says.
        analytics: Its analytics events so far, of `ANALYTICS_SCHEMA`.
        scope: As for `survey`.
    """
    folder = Folder("", project, id, [], distinct_id=distinct_id)
    _take_analytics(folder, analytics, scope)
    if scope.kind == "person":
        _take_links(folder, analytics)
    return folder


def folder_at(archive: Archive, prefix: str) -> Folder:
    """
    Look at one folder, without its analytics.

    Raises:
        ValueError: It is no recording's folder.
    """
    found = _FOLDER.fullmatch(prefix)
    if found is None:
        raise ValueError(f"{prefix!r} is no recording's folder")
    folder = Folder(prefix, found[1], found[5], list(archive.store.list(prefix)))
    return _read(archive, folder, Scope("retention", found[1]))


def facts(archive: Archive, folder: Folder) -> tuple[str | None, list[str]]:
    """
    Give what an erasure has to know of a recording before it is gone.

    Returns:
        Its `fingerprint`, and the SHA-256 of the assets its map names; what does not read
        is None and none.
    """
    times: list[int] = []
    types: list[int] = []
    try:
        raw = archive.store.get(f"{folder.prefix}/{EVENTS_FILE}")
        group = pq.ParquetFile(pa.BufferReader(raw)).read_row_group(
            0, columns=["timestamp_ms", "type"]
        )
        times, types = group["timestamp_ms"].to_pylist(), group["type"].to_pylist()
    except (FileNotFoundError, pa.ArrowException, OSError):
        pass
    assets: list[str] = []
    try:
        key = f"{folder.prefix}/{ASSETS_FILE}"
        assets = sorted(AssetMap.from_bytes(archive.store.get(key), key=key).sizes())
    except (FileNotFoundError, RecordingError):
        pass
    return fingerprint(times, types), assets


def _folders(archive: Archive, scope: Scope) -> Iterator[Folder]:
    """Yield every folder below ``recordings/``, read by several threads."""
    groups = groupby(archive.store.list(RECORDINGS), key=_folder_of)
    folders = (
        Folder(prefix, found[1], found[5], list(objects))
        for prefix, objects in groups
        if prefix and (found := _FOLDER.fullmatch(prefix)) is not None
    )
    with ThreadPoolExecutor(_READERS, thread_name_prefix="survey") as pool:
        while page := list(islice(folders, _PAGE)):
            yield from pool.map(lambda f: _read(archive, f, scope), page)


def _folder_of(info: ObjectInfo) -> str:
    found = _FOLDER.match(info.key)
    return found[0] if found else ""


def _read(archive: Archive, folder: Folder, scope: Scope) -> Folder:
    names = {info.key.removeprefix(f"{folder.prefix}/") for info in folder.objects}
    if MANIFEST_FILE not in names:
        return folder
    try:
        recording = archive.recording_at(folder.prefix)
    except RecordingNotFoundError:
        return folder  # removed since it was listed
    except RecordingError as e:
        folder.problem = str(e)
        return folder
    folder.manifest = recording.manifest
    if recording.manifest.person is not None:
        folder.distinct_id = recording.manifest.person.distinct_id
    try:
        if ANALYTICS_FILE in recording.manifest.files and scope.kind not in (
            "recording",
            "retention",
        ):
            _read_analytics(folder, recording.file(ANALYTICS_FILE), scope)
        match = scope.url_match()
        if match is not None and not folder.url_matches:
            m = recording.manifest
            urls = [*m.urls, *(w.first_url for w in m.windows if w.first_url)]
            folder.url_matches = any(map(match, urls))
            if not folder.url_matches and len(m.urls) >= MAX_URLS:
                column = pc.unique(recording.table(["url"])["url"]).to_pylist()
                folder.url_matches = any(match(u) for u in column if u)
    except (RecordingError, pa.ArrowException, OSError) as e:
        folder.problem = str(e)
    return folder


def _read_analytics(folder: Folder, raw: bytes, scope: Scope) -> None:
    file = pq.ParquetFile(io.BytesIO(raw))
    _take_analytics(folder, file.read(columns=["distinct_id", "url"]), scope)
    if scope.kind == "person" and pc.any(_says_who(file.read(columns=["event"]))).as_py():
        columns = ["timestamp_ms", "event", "distinct_id", "properties"]
        _take_links(folder, file.read(columns=columns))


def _take_analytics(folder: Folder, table: pa.Table, scope: Scope) -> None:
    counts = pc.value_counts(table["distinct_id"].combine_chunks())
    for entry in counts.to_pylist():
        if entry["values"] is not None:
            folder.persons[entry["values"]] = entry["counts"]
    match = scope.url_match()
    if match is not None:
        folder.url_matches = any(match(u) for u in pc.unique(table["url"]).to_pylist() if u)


def _says_who(table: pa.Table) -> pa.ChunkedArray:
    return pc.is_in(table["event"], value_set=pa.array([*_LINKS, "$set"]))


def _take_links(folder: Folder, table: pa.Table) -> None:
    for row in table.filter(_says_who(table)).to_pylist():
        try:
            properties = json.loads(row["properties"] or "{}")
        except (ValueError, RecursionError):
            continue
        if not isinstance(properties, dict) or row["distinct_id"] is None:
            continue
        other = properties.get(_LINKS.get(row["event"], ""))
        if isinstance(other, str) and other:
            folder.links.append((row["timestamp_ms"], row["distinct_id"], other))
        for key in ("$set", "$set_once"):
            said = properties.get(key)
            if isinstance(said, dict):
                folder.known_as.setdefault(row["distinct_id"], set()).update(_identifying(said))


def _stand_ins(folders: Iterable[Folder], ids: Iterable[str], pseudonyms: Pseudonyms) -> set[str]:
    """Give what stands for these ids in recordings that were redacted."""
    possible = {pseudonyms.stand_in(i) for i in ids}
    return {d for f in folders for d in (f.distinct_id, *f.persons) if d in possible}


def _identifying(properties: dict[str, object]) -> set[str]:
    return {
        str(value)
        for name, value in properties.items()
        if name.lower() in IDENTIFYING and isinstance(value, str | int) and value != ""
    }


def _ids_of(folders: Iterable[Folder], given: set[str]) -> set[str]:
    """
    Give all ids of the person known by one of them, or by an e-mail or other own property.

    An anonymous id belongs to who identified with it first, as in PostHog: a shared
    computer must not make two people one.
    """
    owner: dict[str, tuple[int, str]] = {}
    ids = set(given)
    for folder in folders:
        if folder.manifest and folder.manifest.person:
            person = folder.manifest.person
            if given & _identifying(person.properties):
                ids.add(person.distinct_id)
        for distinct_id, values in folder.known_as.items():
            if given & values:
                ids.add(distinct_id)
        for at_ms, distinct_id, other in folder.links:
            if other != distinct_id and (at_ms, distinct_id) < owner.get(other, (2**63, "")):
                owner[other] = (at_ms, distinct_id)
    while True:
        more = {owner[i][1] for i in ids if i in owner} | {
            other for other, (_, distinct_id) in owner.items() if distinct_id in ids
        }
        if more <= ids:
            return ids
        ids |= more


def _take_from_catalog(archive: Archive, found: Survey, everything: list[Folder]) -> None:
    """Add folders whose manifest does not read but whose row names the person."""
    by_prefix = {folder.prefix: folder for folder in everything}
    known = {folder.prefix for folder in found.folders}
    for distinct_id in found.distinct_ids:
        for row in archive.catalog.list(person=distinct_id):
            folder = by_prefix.get(row.key_prefix)
            if folder is not None and folder.prefix not in known and folder.manifest is None:
                found.folders.append(folder)
                known.add(folder.prefix)
    found.leftovers = [f for f in found.leftovers if f.prefix not in known]
