"""
The exceptions of replayport, all in one tree.

```
ReplayError                        the one to catch
├── SourceError                    the other side did not give what was asked
│   ├── SourceAuthError            key missing, expired, or without the scope needed
│   ├── SourceRateLimitedError     asked to wait: ``retry_after_s``
│   ├── SourceNotFoundError        the recording does not exist there (404)
│   ├── SourceGoneError            the recording was deleted there (410)
│   └── SourceDataError            a payload that does not decode
├── RecordingError                 one recording
│   ├── RecordingNotFoundError     no such id in this archive (names the near ones)
│   ├── AmbiguousRecordingError    the id is used by more than one project
│   ├── ErasedRecordingError       it was erased, and must not come back
│   ├── LegalHoldError             a legal hold forbids removing it
│   ├── FormatVersionError         written by a newer replayport
│   └── DamagedRecordingError      a file does not match its digest or its format
├── ArchiveError                   the archive itself: not one, or of a newer version
├── CatalogError                   the index: conflict, schema too new
├── StoreError                     object storage: location, operation
│   └── ObjectExistsError          a create-only put met an object already there
├── SettingsError                  a setting's value cannot be used
└── MissingExtraError              an optional part is not installed (says how)
```

Messages are *observation. meaning. remedy.* and never hold recorded values:
names, lengths and ids only.
"""

from __future__ import annotations


class ReplayError(Exception):
    """Base of everything replayport raises on purpose."""


class SourceError(ReplayError):
    """The source (an API, a bucket, a file) did not give what was asked."""


class SourceAuthError(SourceError):
    """
    The key is missing, expired, or lacks a scope.

    Attributes:
        status: HTTP status, None when no request was made.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class SourceRateLimitedError(SourceError):
    """
    The source asks to wait longer than the caller was ready to.

    Attributes:
        retry_after_s: Seconds to wait before the next request.
    """

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SourceNotFoundError(SourceError):
    """The source does not have that recording (HTTP 404)."""


class SourceGoneError(SourceError):
    """The source deleted that recording for good (HTTP 410)."""


class SourceDataError(SourceError):
    """
    A payload does not decode.

    Attributes:
        reason: Value of the `RejectReason` this counts as.
        what: The thing that did not decode: a file, a block key, a byte range.
    """

    def __init__(self, message: str, *, reason: str, what: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.what = what


class RecordingError(ReplayError):
    """Something about one recording."""


class RecordingNotFoundError(RecordingError):
    """No recording of that id is in the archive."""


class AmbiguousRecordingError(RecordingError):
    """The id exists in several projects; write it as ``project/id``."""


class ErasedRecordingError(RecordingError):
    """It was erased from this archive; a tombstone keeps it out."""


class LegalHoldError(RecordingError):
    """
    A legal hold forbids removing it.

    Attributes:
        held: The recordings, as ``project/id``.
    """

    def __init__(self, message: str, *, held: list[str]) -> None:
        super().__init__(message)
        self.held = held


class FormatVersionError(RecordingError):
    """
    The file was written by a newer replayport.

    Attributes:
        found: Version in the file.
        supported: Newest version this package reads.
    """

    def __init__(self, *, found: int, supported: int, key: str) -> None:
        super().__init__(
            f"format version {found}, this package reads up to {supported}. "
            f"A newer replayport wrote it. Upgrade: pip install -U replayport (key {key})"
        )
        self.found = found
        self.supported = supported


class DamagedRecordingError(RecordingError):
    """
    A stored file does not match its digest or is not what its name says.

    Attributes:
        key: Store key of the file.
    """

    def __init__(self, message: str, *, key: str) -> None:
        super().__init__(f"{message} (key {key})")
        self.key = key


class ArchiveError(ReplayError):
    """The location is not an archive, or one of a newer version."""


class CatalogError(ReplayError):
    """The catalog refused: conflict, missing row, schema too new."""


class StoreError(ReplayError):
    """
    The object store refused or cannot be reached.

    Attributes:
        location: URL of the store.
        operation: ``get``, ``put``, ``list``, ``delete``, ``head``.
    """

    def __init__(self, message: str, *, location: str, operation: str) -> None:
        super().__init__(f"{operation} failed: {message} (store {location})")
        self.location = location
        self.operation = operation


class ObjectExistsError(StoreError):
    """A create-only put met an object that is already there."""


class SettingsError(ReplayError):
    """A setting's value cannot be used; the message says where it came from."""


class MissingExtraError(ReplayError):
    """
    An optional part of replayport is not installed.

    Attributes:
        extra: Name of the extra, as in ``replayport[extra]``.
    """

    def __init__(self, *, extra: str, needed_for: str) -> None:
        super().__init__(
            f"{needed_for} needs an optional part that is not installed. "
            f"Install it: pip install 'replayport[{extra}]'"
        )
        self.extra = extra
