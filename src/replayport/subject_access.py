"""
Subject access: everything about one person in one file that person can open.

```
<name>.zip
├── index.html                 what this is, in plain words, with links to the rest
├── recordings/<n>.html        each visit as a page that plays offline
├── recordings/<n>.json        its manifest: when, which pages, what was counted
├── recordings/<n>-said.json   what was said of it: tags, notes, signals found, scores computed
├── analytics.json, .csv       every analytics event of the person
├── person.json                ids and properties known
└── manifest.json              every file with its SHA-256, and what is not in here
```
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from replayport import __version__
from replayport.annotations import AnnotationStore
from replayport.archive import Archive
from replayport.catalog.base import ScoreRow
from replayport.errors import RecordingError, RecordingNotFoundError
from replayport.export import ExportOptions, html
from replayport.format.reader import Recording
from replayport.plurals import counted
from replayport.recording import Manifest
from replayport.surveying import Folder, Scope, survey

_NOT_LOOKED_AT: Final = "visits that are still being received by another server, into inbox"

_CSV_COLUMNS: Final = ("time", "event", "distinct_id", "url", "recording", "properties")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would run when a cell begins with it."""


@dataclass(frozen=True, slots=True)
class UnsealedVisit:
    """A visit of which something is not sealed yet."""

    recording: Recording | None
    """None when it has no event that is drawn, or none that is not sealed."""
    analytics: Sequence[Mapping[str, Any]]
    """Its events, rows of `ANALYTICS_SCHEMA`."""
    follows: bool
    """Whether both have what is sealed of it as well."""


class Unsealed(Protocol):
    """What is not sealed yet; `capture.unsealed.UnsealedVisits` is it."""

    def folders(self, scope: Scope) -> Iterable[Folder]:
        """Give all visits, for `survey`."""
        ...

    def visit(self, name: str) -> UnsealedVisit | None:
        """Give one of them; None when it is gone since."""
        ...


@dataclass(slots=True)
class SubjectAccess:
    """What was put together."""

    distinct_ids: list[str]
    recordings: list[str] = field(default_factory=list)
    """``project/id`` of each visit in the file."""
    analytics_events: int = 0
    unreadable: list[str] = field(default_factory=list)
    """``project/id`` of visits that could not be put in."""
    unread_notes: list[str] = field(default_factory=list)
    """``project/id`` of visits whose tags and notes could not be read."""


def write_subject_access(
    archive: Archive,
    scope: Scope,
    path: Path,
    *,
    unsealed: Unsealed | None = None,
    not_looked_at: Sequence[str] = (),
    on_recording: Callable[[str], None] = lambda _: None,
) -> SubjectAccess:
    """
    Put everything about a person into a ZIP file.

    Args:
        archive: Where from.
        scope: ``person`` or ``distinct_id``.
        path: The file to write.
        unsealed: Visits that are not in the archive yet.
        not_looked_at: Names of inboxes whose visits are not; the file says so.
        on_recording: Called with each recording, for progress.

    Raises:
        RecordingNotFoundError: Nothing is known of that person.
        PlayerNotBuiltError: The web player was not built (``make web``).
        StoreError: What is not sealed cannot be read.

    Memory:
        One recording at a time, and the person's analytics events.
    """
    waiting = {} if unsealed is None else {f.name: f for f in unsealed.folders(scope)}
    found = survey(archive, scope, unsealed=list(waiting.values()))
    in_others = sorted({*found.rows, *found.unsealed_rows})
    if not found.folders and not in_others:
        raise RecordingNotFoundError(
            "nothing in this archive is of that person. Try --person with an e-mail or a distinct "
            "id" + (f"; {_NOT_LOOKED_AT} {', '.join(not_looked_at)}" if not_looked_at else "")
        )
    done = SubjectAccess(sorted(found.distinct_ids))
    ids = set(done.distinct_ids)
    visits: list[_Visit] = []
    events: list[dict[str, Any]] = []
    people: dict[str, dict[str, Any]] = {}

    def late(name: str) -> UnsealedVisit | None:
        """Give what is not sealed of a visit, once."""
        here = waiting.pop(name, None)
        return None if unsealed is None or here is None else unsealed.visit(name)

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zip_:
        out = _Writer(zip_)
        sealed = [f for f in found.folders if f.manifest is not None]
        names = {f.name for f in sealed}
        folders = sorted(sealed, key=_start_ms)
        folders += [f for f in found.folders if not f.prefix and f.name not in names]
        scores = _scores(archive, {f.name for f in folders})
        for folder in folders:
            name = folder.name
            on_recording(name)
            try:
                for part in _parts(archive, folder, late(name)):
                    events += _events(name, part.analytics, None)
                    if part.recording is None:
                        continue
                    n = len(visits) + 1
                    manifest = part.recording.manifest
                    page = html.export(part.recording, ExportOptions())
                    out.add(f"recordings/{n:04d}.html", page)
                    out.add(f"recordings/{n:04d}.json", [manifest.to_bytes()])
                    said = _said(archive, name, scores.get(name, []), done)
                    out.add(f"recordings/{n:04d}-said.json", [_json(said)])
                    visits.append(_Visit(n, manifest, part.is_open))
                    if name not in done.recordings:
                        done.recordings.append(name)
                    if manifest.person:
                        known = people.setdefault(manifest.person.distinct_id, {})
                        known.update(manifest.person.properties)
            except RecordingError:
                done.unreadable.append(name)
        for name in in_others:
            project, _, recording_id = name.partition("/")
            for part in _parts(archive, Folder("", project, recording_id, []), late(name)):
                events += _events("", part.analytics, ids)
        done.unreadable += [f.name for f in found.unreadable if f.name not in done.unreadable]
        events.sort(key=lambda e: e["timestamp_ms"])
        done.analytics_events = len(events)
        _learn(people, events, ids)
        out.add("analytics.json", [_json(events)])
        out.add("analytics.csv", [_csv(events)])
        out.add(
            "person.json",
            [
                _json(
                    [{"distinct_id": d, "properties": people.get(d, {})} for d in done.distinct_ids]
                )
            ],
        )
        start = _index(done, visits, events, people, elsewhere=bool(not_looked_at))
        out.add("index.html", [start.encode()])
        out.finish(
            {
                "made_at": _time(archive.now_ms()),
                "software": f"replayport {__version__}",
                "distinct_ids": done.distinct_ids,
                "not_in_here": [
                    *(f"{_NOT_LOOKED_AT} {name}" for name in not_looked_at),
                    "who wrote a note",
                    "models that scores were computed with",
                    "copies that were exported or downloaded before",
                    "what PostHog or other services keep",
                    *(f"a visit that could not be read: {name}" for name in done.unreadable),
                    *(f"tags and notes that could not be read: {n}" for n in done.unread_notes),
                ],
            }
        )
    return done


@dataclass(frozen=True, slots=True)
class _Part:
    """What is played of a visit on one page, and its analytics events."""

    recording: Recording | None
    analytics: Sequence[Mapping[str, Any]]
    is_open: bool
    """Whether more may come."""


@dataclass(frozen=True, slots=True)
class _Visit:
    """A visit's page in the file."""

    number: int
    manifest: Manifest
    is_open: bool


def _parts(archive: Archive, folder: Folder, late: UnsealedVisit | None) -> Iterator[_Part]:
    """Yield what is sealed of a visit, and what is not: one part where they can be joined."""
    if late is None or late.recording is None or not late.follows:
        stored: Recording | None = None
        if folder.prefix:
            stored = archive.recording_at(folder.prefix)
        else:
            with contextlib.suppress(RecordingNotFoundError):  # nothing of it is sealed yet
                stored = archive.recording(folder.name)
        if stored is not None:
            yield _Part(stored, stored.analytics_table().to_pylist(), is_open=False)
    if late is not None and (late.recording is not None or late.analytics):
        yield _Part(late.recording, late.analytics, is_open=True)


def _start_ms(folder: Folder) -> int:
    return 0 if folder.manifest is None else folder.manifest.start_ms


def _learn(people: dict[str, dict[str, Any]], events: list[dict[str, Any]], ids: set[str]) -> None:
    """Take in what events in order of time said of their person, as PostHog does."""
    for event in events:
        if event["distinct_id"] not in ids:
            continue
        first, last = (event["properties"].get(key) for key in ("$set_once", "$set"))
        if isinstance(first, dict) or isinstance(last, dict):
            known = people.setdefault(event["distinct_id"], {})
            known.update(last if isinstance(last, dict) else {})
            for name, value in first.items() if isinstance(first, dict) else ():
                known.setdefault(name, value)


def _scores(archive: Archive, names: set[str]) -> dict[str, list[ScoreRow]]:
    found: dict[str, list[ScoreRow]] = {}
    for score in archive.catalog.scores():
        name = f"{score.project}/{score.id}"
        if name in names:
            found.setdefault(name, []).append(score)
    return found


def _said(
    archive: Archive, name: str, scores: list[ScoreRow], done: SubjectAccess
) -> dict[str, Any]:
    """Give what people and programs said of a visit; null is what could not be read."""
    project, _, recording_id = name.partition("/")
    tags: list[str] | None = None
    notes: list[dict[str, Any]] | None = None
    facts: dict[str, Any] | None = None
    try:
        annotations = AnnotationStore(archive).get(project, recording_id)
        tags = annotations.tags
        notes = [
            {
                "text": note.text,
                "about": None if note.at_ms is None else _time(note.at_ms),
                "written": _time(note.created_ms),
            }
            for note in annotations.notes
        ]
        facts = annotations.facts.properties if annotations.facts else {}
    except RecordingError:
        done.unread_notes.append(name)
    try:
        signals: list[str] | None = archive.catalog.get(recording_id, project).signals
    except RecordingNotFoundError:  # it is in the store and not in the catalog yet
        signals = None
    return {
        "tags": tags,
        "notes": notes,
        "properties_said_by_a_backend": facts,
        "signals": signals,
        "scores": [
            {
                "model": score.model,
                "score": score.score,
                "reasons": json.loads(score.reasons or "[]"),
                "computed": _time(score.scored_ms),
            }
            for score in scores
        ],
    }


class _Writer:
    """Writes entries and remembers their digests."""

    def __init__(self, zip_: zipfile.ZipFile) -> None:
        self._zip = zip_
        self._files: list[dict[str, Any]] = []

    def add(self, name: str, pieces: Iterable[bytes]) -> None:
        digest = hashlib.sha256()
        size = 0
        # The pieces first: what cannot be read must not leave half an entry.
        made = list(pieces)
        with self._zip.open(_entry(name), "w", force_zip64=True) as file:
            for piece in made:
                file.write(piece)
                digest.update(piece)
                size += len(piece)
        self._files.append({"name": name, "bytes": size, "sha256": digest.hexdigest()})

    def finish(self, about: dict[str, Any]) -> None:
        self._zip.writestr(_entry("manifest.json"), _json({**about, "files": self._files}))


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    return entry


def _json(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def _events(
    recording: str, rows: Sequence[Mapping[str, Any]], ids: set[str] | None
) -> Iterator[dict[str, Any]]:
    for row in rows:
        if ids is not None and row["distinct_id"] not in ids:
            continue
        try:
            properties = json.loads(row["properties"] or "{}")
        except (ValueError, RecursionError):
            properties = None
        if not isinstance(properties, dict):
            properties = {"text": row["properties"]}
        yield {
            "time": _time(row["timestamp_ms"]),
            "timestamp_ms": row["timestamp_ms"],
            "event": row["event"],
            "distinct_id": row["distinct_id"],
            "url": row["url"],
            "recording": recording,
            "properties": properties,
        }


def _csv(events: list[dict[str, Any]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(_CSV_COLUMNS)
    for event in events:
        cells = [event[c] for c in _CSV_COLUMNS[:-1]]
        cells.append(json.dumps(event["properties"], ensure_ascii=False))
        writer.writerow([_cell("" if c is None else str(c)) for c in cells])
    return b"\xef\xbb\xbf" + out.getvalue().encode("utf-8", "replace")  # spreadsheets want the mark


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _time(ms: int) -> str:
    try:
        return f"{datetime.fromtimestamp(ms / 1000, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"


def _length(ms: int) -> str:
    minutes, seconds = divmod(ms // 1000, 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _index(
    done: SubjectAccess,
    visits: list[_Visit],
    events: list[dict[str, Any]],
    people: dict[str, dict[str, Any]],
    *,
    elsewhere: bool,
) -> str:
    facts = [
        (len(visits), "recorded visit"),
        (sum(v.manifest.events for v in visits), "recorded step"),
        (len(events), "analytics event"),
        (len(done.distinct_ids), "id"),
    ]
    cards = "".join(
        f"<div class=card><b>{n:,}</b><span>{what}{'' if n == 1 else 's'}</span></div>"
        for n, what in facts
    )
    rows = "".join(map(_visit, visits))
    known = "".join(
        f"<tr><th>{escape(str(name))}</th><td>{escape(str(value))}</td></tr>"
        for properties in people.values()
        for name, value in sorted(properties.items())
    )
    ids = "".join(f"<li><code>{escape(d)}</code></li>" for d in done.distinct_ids)
    names: dict[str, int] = {}
    for event in events:
        names[event["event"]] = names.get(event["event"], 0) + 1
    table = "".join(
        f"<tr><th>{escape(name)}</th><td>{n:,}</td></tr>"
        for name, n in sorted(names.items(), key=lambda i: -i[1])[:50]
    )
    unreadable = (
        f"<p class=note>{counted(len(done.unreadable), 'visit')} could not be read, and "
        f"{'is' if len(done.unreadable) == 1 else 'are'} missing here; manifest.json has the names.</p>"
        if done.unreadable
        else ""
    )
    return _PAGE.format(
        cards=cards,
        visits=rows or "<p>None.</p>",
        ids=ids,
        known=f"<table>{known}</table>" if known else "<p>No properties are stored.</p>",
        events=f"<table>{table}</table>" if table else "<p>None.</p>",
        unreadable=unreadable,
        elsewhere="<li>Visits that are still going on, or ended less than an hour ago, as far as "
        "they are kept on another computer until then.</li>\n"
        if elsewhere
        else "",
        version=escape(__version__),
    )


def _visit(visit: _Visit) -> str:
    n, manifest = visit.number, visit.manifest
    pages = "".join(f"<li>{escape(url)}</li>" for url in manifest.urls[:8])
    more = len(manifest.urls) - 8
    pages += f"<li>and {more} more</li>" if more > 0 else ""
    return (
        f"<article><h3>{escape(_time(manifest.start_ms))}</h3>"
        f"<p>{_length(manifest.duration_ms)} · {counted(manifest.clicks, 'click')} · "
        f"{counted(manifest.events, 'step')}{' · not over yet' if visit.is_open else ''}</p>"
        f"<ul>{pages}</ul>"
        f'<p class=links><a class=play href="recordings/{n:04d}.html">Watch this visit</a> '
        f'<a href="recordings/{n:04d}.json">Details</a> '
        f'<a href="recordings/{n:04d}-said.json">Tags, notes and scores</a></p></article>'
    )


_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>What is stored about you</title>
<style>
:root {{ color-scheme: light dark; --bg: #fbfaf8; --fg: #1d1c1a; --dim: #6a665f; --line: #e4e0d8;
  --card: #fff; --accent: #0b6e4f; --on: #fff; }}
@media (prefers-color-scheme: dark) {{ :root {{ --bg: #151617; --fg: #ecebe8; --dim: #a19d95;
  --line: #2f3133; --card: #1d1f20; --accent: #4fc79a; --on: #08160f; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: var(--bg); color: var(--fg);
  font: 16px/1.6 system-ui, sans-serif; overflow-wrap: anywhere; }}
main {{ max-width: 46rem; margin: 0 auto; padding: 3rem 1.25rem 4rem; }}
h1 {{ font-size: clamp(1.7rem, 5vw, 2.4rem); line-height: 1.15; margin: 0 0 .75rem; }}
h2 {{ font-size: 1.25rem; margin: 2.75rem 0 .75rem; }}
h3 {{ font-size: 1rem; margin: 0; }}
.lead {{ font-size: 1.1rem; color: var(--dim); margin: 0; }}
.cards {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem;
  margin-top: 2rem; }}
.card, article {{ background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 1rem 1.1rem; }}
.card b {{ display: block; font-size: 1.6rem; line-height: 1.2; font-variant-numeric: tabular-nums; }}
.card span, article p, article li {{ color: var(--dim); font-size: .92rem; }}
article {{ margin-top: .75rem; }}
article p {{ margin: .2rem 0 .5rem; }}
article ul {{ margin: 0 0 .9rem; padding-left: 1.1rem; }}
.links {{ display: flex; gap: 1rem; align-items: center; flex-wrap: wrap; margin-bottom: 0; }}
a {{ color: var(--accent); }}
a.play {{ background: var(--accent); color: var(--on); text-decoration: none; font-weight: 600;
  padding: .45rem .9rem; border-radius: 7px; }}
a:focus-visible {{ outline: 2px solid var(--accent); outline-offset: 2px; }}
table {{ border-collapse: collapse; width: 100%; font-size: .95rem; }}
th, td {{ text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0;
  border-bottom: 1px solid var(--line); }}
th {{ font-weight: 600; width: 45%; }}
code {{ font-size: .92em; }}
.note {{ border-left: 3px solid var(--accent); padding-left: .9rem; color: var(--dim); }}
footer {{ margin-top: 3rem; color: var(--dim); font-size: .88rem; }}
</style>
<main>
<h1>What is stored about you</h1>
<p class="lead">This folder holds everything this site's session recordings have about you. It works
without a connection: nothing you open here is sent anywhere.</p>
<div class="cards">{cards}</div>
<h2>Your visits</h2>
<p>A visit is a replay of the page as it looked in your browser, with where you moved, clicked and
scrolled. It is no video of your screen, and what you typed may have been hidden when it was recorded.</p>
{unreadable}
{visits}
<h2>How you are known</h2>
<p>Your visits are connected by these ids:</p>
<ul>{ids}</ul>
{known}
<h2>What was counted</h2>
<p>Besides the visits, single events were noted, such as a page that was opened. All of them are in
<a href="analytics.csv">analytics.csv</a>, for a spreadsheet, and in
<a href="analytics.json">analytics.json</a>, for a program.</p>
{events}
<h2>What is not in here</h2>
<ul>
{elsewhere}<li>Who wrote a note about a visit, and the models that scores were computed with.</li>
<li>Copies that were exported or downloaded before, and what other services keep.</li>
</ul>
<p class="note">You may ask for these data to be corrected or erased. Write to whoever gave you this
file.</p>
<footer>Made by replayport {version}. Every file and its digest is listed in
<a href="manifest.json">manifest.json</a>.</footer>
</main>
</html>
"""
