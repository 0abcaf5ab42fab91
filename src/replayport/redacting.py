"""
Recordings through the redaction engine: stored ones rewritten, others on their way.

```
stored recording ──> redacted_recording ──> rewritten in place (redact_stored)
                                       └──> only what leaves    (export, share)
draft            ──> redacted_draft    ──> stored as never seen (import, pull, capture)
```

The engine (`replayport.redact`) is pure; profiles are read, keys fetched and files made here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from replayport import __version__
from replayport.archive import Archive, encode_draft, file_infos
from replayport.capture.merge import columns_of
from replayport.draft import RecordingDraft
from replayport.format.assets import ASSETS, ASSETS_FILE, AssetMap
from replayport.format.reader import Recording
from replayport.pseudonyms import Pseudonyms
from replayport.recording import Finding, Manifest, Person
from replayport.redact.apply import Redactor, person_values
from replayport.redact.places import dumps, loads
from replayport.redact.report import Finds
from replayport.redact.rules import VERSION, Profile, ProfileError
from replayport.redact.wireframe import Wireframes
from replayport.rrweb.columns import EventColumns

PROFILES: Final = ("secrets", "default", "gdpr", "strict")
"""Profiles that come with the package, from the least to the most."""

When = Literal["stored", "later"]
"""``stored``: before anything was stored; ``later``: a stored recording was rewritten."""

RAW: Final = "off"
"""Stands for no profile, in settings."""

MAX_PROFILE_BYTES: Final = 2**20

_RECOUNTED: Final = frozenset(
    {"before_full_snapshot", "duplicate_event", "no_full_snapshot", "out_of_order"}
)


def load_profile(name: str) -> Profile:
    """
    Load a profile.

    Args:
        name: One of `PROFILES`, or a path of a TOML file.

    Raises:
        ProfileError: There is none, or it cannot be used.
    """
    return Profile.parse(profile_text(name), load=profile_text)


def profile_text(name: str) -> str:
    """Give the TOML of a profile; as `load_profile`."""
    if name in PROFILES:
        return (files("replayport.redact") / "profiles" / f"{name}.toml").read_text("utf-8")
    path = Path(name)
    try:
        if path.stat().st_size > MAX_PROFILE_BYTES:
            raise ProfileError(f"{name} is larger than a profile can be")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as e:
        raise ProfileError(
            f"there is no redaction profile {name!r}: neither one of {', '.join(PROFILES)}, nor a "
            "file that can be read"
        ) from e


@dataclass(frozen=True, slots=True)
class Redacted:
    """A recording after redaction."""

    recording: Recording
    """Reads from memory; frozen assets still come from the archive."""
    files: Mapping[str, bytes]
    finds: Finds

    @property
    def changed(self) -> bool:
        """Whether anything was found."""
        return self.finds.total > 0


def redacted_recording(
    recording: Recording,
    profile: Profile,
    *,
    pseudonyms: Pseudonyms | None = None,
    now_ms: int | None = None,
    when: When = "later",
) -> Redacted:
    """
    Redact a recording; what is stored stays.

    Args:
        recording: Any.
        profile: What to redact.
        pseudonyms: Makes pseudonyms of ids; without it they are masked.
        now_ms: For the privacy log; the clock's time when None.
        when: Whether the recording was stored unredacted before.

    Memory:
        The whole recording.
    """
    manifest = recording.manifest
    draft = RecordingDraft(
        project=manifest.project,
        session_id=manifest.session_id,
        columns=columns_of(recording.table()),
        source=manifest.source,
        analytics=recording.analytics().to_pylist(),
        person=manifest.person,
        missing=list(manifest.missing),
        provenance={k: v for k, v in manifest.provenance.items() if k != "zstd_level"},
    )
    draft, redactor = _redacted(draft, profile, pseudonyms)
    made, made_files = encode_draft(draft, created_ms=manifest.created_ms)
    finds = redactor.finds
    made = msgspec.structs.replace(
        made,
        complete=manifest.complete,
        rejected=manifest.rejected,
        findings=[f for f in manifest.findings if f.code not in _RECOUNTED]
        + [f for f in made.findings if f.code in _RECOUNTED],
        snapshot_source=manifest.snapshot_source,
        assets=manifest.assets,
        privacy=list(manifest.privacy),
    )
    if ASSETS_FILE in manifest.files:
        made_files[ASSETS_FILE] = _redacted_assets(recording.assets(), redactor).to_bytes()
    if made.assets is not None:
        missing = [
            msgspec.structs.replace(m, url=redactor.address(m.url, "assets", asset=True))
            for m in made.assets.missing
        ]
        made = msgspec.structs.replace(
            made, assets=msgspec.structs.replace(made.assets, missing=missing)
        )
    if finds.total:
        at_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        made = msgspec.structs.replace(
            made, privacy=[*made.privacy, privacy_entry(profile, finds, at_ms=at_ms, when=when)]
        )
    return _in_memory(recording, made, made_files, finds)


def redacted_draft(
    draft: RecordingDraft,
    profile: Profile,
    *,
    pseudonyms: Pseudonyms | None = None,
    now_ms: int | None = None,
) -> tuple[RecordingDraft, dict[str, Any]]:
    """
    Redact a recording before it is stored.

    Returns:
        It, and its entry for the privacy log, which is made whether or not anything was
        found: late data of such a recording must not come in unseen.
    """
    draft, redactor = _redacted(draft, profile, pseudonyms)
    at_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    return draft, privacy_entry(profile, redactor.finds, at_ms=at_ms, when="stored")


def privacy_entry(profile: Profile, finds: Finds, *, at_ms: int, when: When) -> dict[str, Any]:
    """Make an entry of the manifest's privacy log; it holds counts, no values."""
    return {
        "at_ms": at_ms,
        "when": when,
        "profile": profile.name,
        "profile_sha256": profile.digest,
        "engine_version": VERSION,
        "software": f"replayport {__version__}",
        "counts": {f"{rule} in {place}": n for (rule, place), n in sorted(finds.counts.items())},
        "warnings": dict(sorted(finds.warnings.items())),
    }


def _redacted(
    draft: RecordingDraft, profile: Profile, pseudonyms: Pseudonyms | None
) -> tuple[RecordingDraft, Redactor]:
    analytics = [dict(row) for row in draft.analytics]
    redactor = Redactor(
        profile,
        known=known_values(draft.person, analytics),
        pseudonym=None if pseudonyms is None else pseudonyms.stand_in,
    )
    columns = redactor.redact(draft.columns)
    rows = [redacted_row(row, redactor) for row in analytics]
    person = _redacted_person(draft.person, redactor)
    about = {"source": dict(draft.source), "provenance": dict(draft.provenance)}
    about = json.loads(json.dumps(about, default=str))
    redactor.json(about, "manifest")
    missing = [redactor.text(m, "manifest") for m in draft.missing]
    if redactor.text(draft.session_id, "manifest") != draft.session_id:
        redactor.finds.warnings["identifier"] += 1
    return (
        replace(
            draft,
            columns=columns,
            analytics=rows,
            person=person,
            source=about["source"],
            provenance=about["provenance"],
            missing=missing,
        ),
        redactor,
    )


def known_values(person: Person | None, analytics: Iterable[Mapping[str, Any]]) -> set[str]:
    """Give what the session itself says of its person."""
    properties: list[Mapping[str, Any]] = []
    ids: set[str] = set()
    if person is not None:
        properties.append(person.properties)
        ids.add(person.distinct_id)
    for row in analytics:
        if isinstance(row.get("distinct_id"), str):
            ids.add(row["distinct_id"])
        parsed = loads((row.get("properties") or "").encode("utf-8", "surrogatepass") or b"null")
        if not isinstance(parsed, dict):
            continue
        about = (parsed.get(key) for key in ("$set", "$set_once", "$person_properties"))
        properties.extend(a for a in about if isinstance(a, dict))
        ids.update(
            parsed[key]
            for key in ("distinct_id", "$user_id", "$anon_distinct_id")
            if isinstance(parsed.get(key), str)
        )
    return person_values(properties, ids)


def redacted_row(row: Mapping[str, Any], redactor: Redactor) -> dict[str, Any]:
    """Redact one analytics or LLM event."""
    out = dict(row)
    if isinstance(out.get("event"), str):
        out["event"] = redactor.text(out["event"], "analytics")
    if isinstance(out.get("url"), str):
        out["url"] = redactor.address(out["url"], "analytics")
    distinct_id = out.get("distinct_id")
    if isinstance(distinct_id, str) and distinct_id:
        out["distinct_id"] = _redacted_id(distinct_id, redactor, "analytics")
    text = out.get("properties")
    if isinstance(text, str) and text:
        value = loads(text.encode("utf-8", "surrogatepass"))
        if isinstance(value, dict | list):
            if redactor.json(value, "analytics"):
                out["properties"] = dumps(value).decode("utf-8", "surrogatepass")
        else:
            out["properties"] = "{}"
            redactor.finds.add("damaged", "analytics")
    return out


def _redacted_id(distinct_id: str, redactor: Redactor, place: str) -> str:
    if redactor.profile.person == "pseudonym":
        new = redactor.pseudonym(distinct_id)
        if new != distinct_id:
            redactor.finds.add("person", place, distinct_id)
        return new
    return redactor.text(distinct_id, place)


def _redacted_person(person: Person | None, redactor: Redactor) -> Person | None:
    if person is None:
        return None
    distinct_id = _redacted_id(person.distinct_id, redactor, "person")
    if redactor.profile.person == "pseudonym":
        if person.properties:
            redactor.finds.add("person", "person", n=len(person.properties))
        return Person(distinct_id=distinct_id)
    properties = json.loads(json.dumps(person.properties, default=str))
    redactor.json(properties, "person")
    return Person(distinct_id=distinct_id, properties=properties)


def _redacted_assets(assets: AssetMap, redactor: Redactor) -> AssetMap:
    """Change addresses as they were changed in the events, so that they still meet."""
    return msgspec.structs.replace(
        assets,
        assets={
            redactor.address(url, "assets", asset=True): msgspec.structs.replace(
                asset, final_url=redactor.address(asset.final_url, "assets", asset=True)
            )
            for url, asset in assets.assets.items()
        },
    )


class RedactsBeforeStoring:
    """
    Redaction of what comes in, for `Archive.before_storing`.

    Args:
        archive: Whose key makes pseudonyms.
        profile: What to redact.
    """

    def __init__(self, archive: Archive, profile: Profile) -> None:
        self._profile = profile
        is_needed = profile.person == "pseudonym"
        self._pseudonyms = Pseudonyms.load(archive.store) if is_needed else None

    def draft(self, draft: RecordingDraft, *, now_ms: int) -> tuple[RecordingDraft, dict[str, Any]]:
        """Redact a recording from a source or from capture."""
        return redacted_draft(draft, self._profile, pseudonyms=self._pseudonyms, now_ms=now_ms)

    def files(
        self, manifest: Manifest, files: Mapping[str, bytes], *, now_ms: int
    ) -> tuple[Manifest, dict[str, bytes]]:
        """Redact a recording from a bundle."""
        own = {name: data for name, data in files.items() if not name.startswith(ASSETS)}
        assets = {name: data for name, data in files.items() if name.startswith(ASSETS)}
        recording = Recording(_Files("bundle", own, None), "bundle", manifest)
        done = redacted_recording(
            recording, self._profile, pseudonyms=self._pseudonyms, now_ms=now_ms, when="stored"
        )
        return done.recording.manifest, {**done.files, **assets}


def redact_before_storing(archive: Archive, profile_name: str) -> None:
    """Set an archive up as the setting ``redact_profile`` says."""
    if profile_name != RAW:
        archive.before_storing = RedactsBeforeStoring(archive, load_profile(profile_name))


# --- stored recordings --------------------------------------------------------------


def redact_stored(
    archive: Archive,
    recording_id: str,
    profile: Profile,
    *,
    dry_run: bool = False,
    scrub: bool = True,
    before_write: Callable[[Redacted], None] = lambda _: None,
) -> Redacted:
    """
    Rewrite a stored recording without what a profile finds.

    The rewrite is that of late data: the new files are put beside the old ones and take
    their place in one step; the catalog's row is made anew from the new manifest. A poster
    is dropped: it is a picture of what was there.

    Args:
        archive: Where it is.
        recording_id: Its id, or ``project/id``.
        profile: What to redact.
        dry_run: Only say what would go.
        scrub: Clean the catalog's files of what its row said; of many recordings once, by the
            caller, is enough.
        before_write: Called before the first byte changes, for the audit log.
    """
    recording = archive.recording(recording_id)
    pseudonyms = Pseudonyms.load(archive.store) if profile.person == "pseudonym" else None
    done = redacted_recording(recording, profile, pseudonyms=pseudonyms)
    if dry_run or not done.changed:
        return done
    before_write(done)
    archive.rewrite(recording.manifest, done.recording.manifest, done.files)
    if scrub:
        archive.catalog.scrub()
    return done


def leaving_of(recording: Recording, profile_name: str) -> Callable[[EventColumns], EventColumns]:
    """
    Give what redacts the events of a recording as they leave by a link.

    Args:
        recording: What they are of: its person's values are looked for.
        profile_name: As in `load_profile`; `RAW` lets everything out.
    """
    if profile_name == RAW:
        return lambda columns: columns
    profile = load_profile(profile_name)
    known: set[str] = set()
    if profile.find_person:
        known = known_values(recording.manifest.person, recording.analytics().to_pylist())
    return Redactor(profile, known=known).redact


# --- wireframes ---------------------------------------------------------------------


def wireframe_recording(recording: Recording) -> Recording:
    """
    Give a recording as boxes and lines: no recorded word, picture or address.

    Analytics, the person and frozen assets are left out. A mobile recording is wireframes
    already: its texts are masked and its pictures dropped, its form stays.
    """
    manifest = recording.manifest
    frames = Wireframes()
    columns = frames.convert(columns_of(recording.table()))
    draft = RecordingDraft(
        project="wireframe",
        session_id=str(manifest.start_ms),
        columns=columns,
        source={"kind": "wireframe"},
    )
    made, made_files = encode_draft(draft)
    made = msgspec.structs.replace(
        made,
        snapshot_source=manifest.snapshot_source,
        findings=[Finding(code=f.code, count=f.count) for f in made.findings],
    )
    return _in_memory(recording, made, made_files, Finds(), assets=False).recording


# --- in memory ----------------------------------------------------------------------


class _Files:
    """The files of one recording in memory, and what an archive shares behind them."""

    def __init__(
        self, prefix: str, made: Mapping[str, bytes], behind: Callable[[str], bytes] | None
    ) -> None:
        self._files = {f"{prefix}/{name}": data for name, data in made.items()}
        self._behind = behind

    def get(self, key: str) -> bytes:
        if key in self._files:
            return self._files[key]
        if self._behind is None:
            raise FileNotFoundError(key)
        return self._behind(key)

    def get_range(self, key: str, start: int, end: int) -> bytes:
        return self.get(key)[start:end]


def _in_memory(
    recording: Recording,
    manifest: Manifest,
    made: Mapping[str, bytes],
    finds: Finds,
    *,
    assets: bool = True,
) -> Redacted:
    manifest = msgspec.structs.replace(manifest, files=file_infos(made))

    def behind(key: str) -> bytes:
        return recording.asset(key.rsplit("/", 1)[-1])

    source = _Files(recording.prefix, made, behind if assets else None)
    return Redacted(Recording(source, recording.prefix, manifest), made, finds)
