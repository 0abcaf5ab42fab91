"""
What people and backends say about a recording: notes, tags, and who it was.

```
<archive>/annotations/<project>/<recording_id>.json
```

Beside the recording and not in its folder: it can be there before the recording is (a
backend names its user while the visit goes on), a rewrite of the events leaves it alone,
and it does not travel with an export or a shared link. Tags are in the catalog too, to
filter by; ``reindex`` makes them again from here.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from replayport.archive import ANNOTATIONS, Archive
from replayport.errors import DamagedRecordingError, RecordingNotFoundError
from replayport.recording import Manifest, Person, safe_id, safe_project, storable

MAX_TAGS: Final = 50
MAX_TAG_CHARS: Final = 60
MAX_NOTES: Final = 1000
MAX_NOTE_CHARS: Final = 10_000
MAX_FACTS_BYTES: Final = 32_768
_LEASE_TTL_S: Final = 30.0


class Note(Struct, frozen=True, kw_only=True):
    """One note."""

    id: str
    author: str
    text: str
    """Plain text."""
    at_ms: int | None = None
    """Moment of the recording it is about, epoch milliseconds; None for the whole."""
    created_ms: int
    edited_ms: int | None = None
    """None when it was not edited."""


class Facts(Struct, frozen=True, kw_only=True):
    """Who it was, as a backend says."""

    distinct_id: str | None = None
    """None leaves the one the recording has."""
    properties: dict[str, Any] = field(default_factory=dict)
    """Added to those of the recording; these win."""
    updated_ms: int = 0


class Annotations(Struct, frozen=True, kw_only=True):
    """All that was said about one recording."""

    project: str
    id: str
    tags: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    facts: Facts | None = None
    """None when no backend said anything."""


class AnnotationError(ValueError):
    """What was to be written cannot be: too long, too many, or not there."""


class AnnotationStore:
    """
    Notes, tags and facts of an archive. Safe for several threads and processes.

    Args:
        archive: The archive; stays the caller's to close.
        now_ms: Epoch milliseconds now.
    """

    def __init__(
        self,
        archive: Archive,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._archive = archive
        self._store = archive.store
        self._now_ms = now_ms

    def get(self, project: str, recording_id: str) -> Annotations:
        """
        Give what was said; nothing was when there is no file.

        Raises:
            DamagedRecordingError: The file does not read.
        """
        key = annotations_key(project, recording_id)
        try:
            return msgspec.json.decode(self._store.get(key), type=Annotations)
        except FileNotFoundError:
            return Annotations(project=project, id=recording_id)
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            raise DamagedRecordingError(
                f"notes and tags do not parse ({type(e).__name__}). The file was changed by hand",
                key=key,
            ) from e

    def set_tags(self, project: str, recording_id: str, tags: list[str]) -> Annotations:
        """
        Replace a recording's tags.

        Raises:
            AnnotationError: Too many, or one that is none.
        """
        cleaned = sorted({storable(" ".join(tag.split())) for tag in tags})
        if len(cleaned) > MAX_TAGS:
            raise AnnotationError(f"a recording has at most {MAX_TAGS} tags")
        for tag in cleaned:
            if not tag or len(tag) > MAX_TAG_CHARS or not tag.isprintable():
                raise AnnotationError(f"a tag has 1 to {MAX_TAG_CHARS} characters")
        changed = self._change(
            project, recording_id, lambda a: msgspec.structs.replace(a, tags=cleaned)
        )
        self._archive.catalog.set_tags(project, recording_id, changed.tags)
        return changed

    def add_note(
        self, project: str, recording_id: str, *, author: str, text: str, at_ms: int | None = None
    ) -> Note:
        """
        Write a note.

        Raises:
            AnnotationError: It is empty or too long, or there are too many.
        """
        note = Note(
            id=secrets.token_hex(8),
            author=author,
            text=_text(text),
            at_ms=at_ms,
            created_ms=self._now_ms(),
        )

        def add(old: Annotations) -> Annotations:
            if len(old.notes) >= MAX_NOTES:
                raise AnnotationError(f"a recording has at most {MAX_NOTES} notes")
            return msgspec.structs.replace(old, notes=[*old.notes, note])

        self._change(project, recording_id, add)
        return note

    def edit_note(
        self, project: str, recording_id: str, note_id: str, *, text: str, only_of: str | None
    ) -> Note:
        """
        Change a note's text.

        Args:
            project: The recording's project.
            recording_id: Its id.
            note_id: The note.
            text: In place of what it says.
            only_of: Only when this is its author; None for any.

        Raises:
            RecordingNotFoundError: There is no such note, or it is another's.
            AnnotationError: The text is empty or too long.
        """
        new = _text(text)
        changed = self._change(
            project,
            recording_id,
            lambda a: msgspec.structs.replace(
                a,
                notes=[
                    msgspec.structs.replace(n, text=new, edited_ms=self._now_ms())
                    if n.id == _theirs(a, note_id, only_of).id
                    else n
                    for n in a.notes
                ],
            ),
        )
        return _theirs(changed, note_id, only_of)

    def remove_note(
        self, project: str, recording_id: str, note_id: str, *, only_of: str | None
    ) -> None:
        """Remove a note; arguments and errors as in `edit_note`."""
        self._change(
            project,
            recording_id,
            lambda a: msgspec.structs.replace(
                a, notes=[n for n in a.notes if n.id != _theirs(a, note_id, only_of).id]
            ),
        )

    def set_facts(
        self,
        project: str,
        session_id: str,
        *,
        distinct_id: str | None,
        properties: Mapping[str, Any],
    ) -> Annotations:
        """
        Say who a session's visitor is; the recording need not be there yet.

        Args:
            project: The session's project.
            session_id: The source's id.
            distinct_id: Of the person; None leaves it.
            properties: Added to what was said before.

        Raises:
            AnnotationError: They are larger than `MAX_FACTS_BYTES`.
        """
        project, recording_id = safe_project(project), safe_id(session_id)

        def change(old: Annotations) -> Annotations:
            before = old.facts or Facts()
            facts = Facts(
                distinct_id=before.distinct_id if distinct_id is None else distinct_id,
                properties={**before.properties, **properties},
                updated_ms=self._now_ms(),
            )
            if len(msgspec.json.encode(facts)) > MAX_FACTS_BYTES:
                raise AnnotationError(f"facts of a session take at most {MAX_FACTS_BYTES} bytes")
            return msgspec.structs.replace(old, facts=facts)

        changed = self._change(project, recording_id, change)
        self.apply(project, recording_id)
        return changed

    def apply(self, project: str, recording_id: str) -> bool:
        """
        Bring what was said into the recording's manifest and row, after it was written.

        Returns:
            False when nothing was said, or there is no such recording.
        """
        found = self.get(project, recording_id)
        if not (found.facts or found.tags):
            return False
        name = f"{project}/{recording_id}"
        if not self._archive.catalog.has(project, recording_id):
            return False
        facts = found.facts
        try:
            if facts is not None:
                manifest = self._archive.recording(name).manifest
                if with_facts(manifest, facts).person != manifest.person:
                    self._archive.add_files(name, {}, lambda newest: with_facts(newest, facts))
        except RecordingNotFoundError:
            return False
        self._archive.catalog.set_tags(project, recording_id, found.tags)
        return True

    def forget(self, project: str, recording_id: str) -> None:
        """Remove all that was said about a recording, as when it is erased."""
        self._store.delete(annotations_key(project, recording_id))

    def _change(
        self, project: str, recording_id: str, change: Callable[[Annotations], Annotations]
    ) -> Annotations:
        with self._store.lease(
            f"locks/annotations/{project}/{recording_id}", ttl_s=_LEASE_TTL_S, wait_s=_LEASE_TTL_S
        ):
            changed = change(self.get(project, recording_id))
            raw = msgspec.json.format(msgspec.json.encode(changed), indent=1) + b"\n"
            self._store.put(annotations_key(project, recording_id), raw)
        return changed


def annotations_key(project: str, recording_id: str) -> str:
    """Give the store key of what was said about a recording."""
    return f"{ANNOTATIONS}{project}/{recording_id}.json"


def with_facts(manifest: Manifest, facts: Facts) -> Manifest:
    """Give a manifest with what a backend said of the person."""
    person = manifest.person
    distinct_id = facts.distinct_id or (person.distinct_id if person else "")
    properties = {**(person.properties if person else {}), **facts.properties}
    if not distinct_id and not properties:
        return manifest
    return msgspec.structs.replace(
        manifest, person=Person(distinct_id=distinct_id, properties=properties)
    )


def _text(text: str) -> str:
    cleaned = storable(text.strip())
    if not cleaned or len(cleaned) > MAX_NOTE_CHARS:
        raise AnnotationError(f"a note has 1 to {MAX_NOTE_CHARS} characters")
    return cleaned


def _theirs(annotations: Annotations, note_id: str, only_of: str | None) -> Note:
    for note in annotations.notes:
        if note.id == note_id and only_of in (None, note.author):
            return note
    raise RecordingNotFoundError("there is no such note, or it is somebody else's")
