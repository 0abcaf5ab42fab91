"""Checks a whole archive: every recording, and what lies beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from replayport.archive import NEXT_MANIFEST_FILE, RECORDINGS, Archive
from replayport.errors import RecordingError
from replayport.format.assets import ASSETS_FILE
from replayport.format.reader import Recording
from replayport.format.schema import MANIFEST_FILE
from replayport.format.verify import Problem, verify_recording


def verify_archive(
    archive: Archive,
    ids: Sequence[str] | None = None,
    *,
    texts: bool = True,
    on_recording: Callable[[str], None] = lambda _: None,
) -> tuple[int, list[Problem]]:
    """
    Check recordings, and finish rewrites that were interrupted.

    Args:
        archive: The archive.
        ids: Only these; when None, every folder in the store is looked at, whatever
            the catalog says, and files without a manifest are named.
        texts: Parse every JSON text too.
        on_recording: Called with each recording's id, for progress.

    Returns:
        How many recordings were checked, and what is wrong.
    """
    problems: list[Problem] = []
    sound: set[str] = set()
    prefixes = (
        [archive.row(name).key_prefix for name in ids] if ids else sorted(set(archive.prefixes()))
    )
    for prefix in prefixes:
        on_recording(prefix.rsplit("/", 1)[-1])
        if archive.store.exists(f"{prefix}/{NEXT_MANIFEST_FILE}"):
            try:
                finished = archive.recover(prefix)
            except RecordingError as e:
                problems.append(Problem(prefix, "unfinished_rewrite", str(e)))
                continue
            problems.append(
                Problem(
                    prefix,
                    "unfinished_rewrite",
                    "a rewrite is under way or was cut; it was "
                    + ("finished" if finished else "left alone, its writer may be alive"),
                )
            )
        try:
            recording = archive.recording_at(prefix)
        except RecordingError as e:
            problems.append(Problem(prefix, "manifest_unreadable", str(e)))
            continue
        own = verify_recording(recording, texts=texts)
        if not any(ASSETS_FILE in problem.detail for problem in own):
            own += _assets(recording, sound)
        problems += own
    if not ids:
        problems += _orphans(archive, set(prefixes))
    return len(prefixes), problems


def _assets(recording: Recording, sound: set[str]) -> list[Problem]:
    """Check what was frozen; an asset many recordings share is read once."""
    problems = []
    try:
        wanted = recording.assets().sizes()
    except RecordingError as e:
        return [Problem(recording.id, "file_damaged", str(e))]
    for sha256 in wanted:
        if sha256 not in sound:
            try:
                recording.asset(sha256)
            except RecordingError as e:
                problems.append(Problem(recording.id, "asset_missing", str(e)))
            else:
                sound.add(sha256)
    return problems


def _orphans(archive: Archive, prefixes: set[str]) -> list[Problem]:
    """Find folders with files and no manifest: writes that were cut."""
    folders = {
        info.key.rsplit("/", 1)[0]
        for info in archive.store.list(RECORDINGS)
        if not info.key.endswith(f"/{MANIFEST_FILE}")
    }
    return [
        Problem(folder, "orphan", "files without a manifest: a write that was cut")
        for folder in sorted(folders - prefixes)
        if not any(folder.startswith(f"{prefix}/") for prefix in prefixes)
    ]
