"""
Where bytes live: one small synchronous interface over object stores and folders.

A store is a flat map from keys to immutable byte strings. S3, Google Cloud Storage,
Azure and memory go through obstore; nothing outside this module names it. A local
folder is written here directly, for three things obstore's local store does not do:
bytes are on the disk (``fsync``) before a put returns, symbolic links are not followed,
and what a killed writer leaves behind is found again and removed.

```
<store>/
├── recordings/…, assets/…, archive.json   <- keys of the callers
├── .leases/<digest of key>/<expiry>-<token>   <- `Store.lease`; never listed
└── .staging/<token>                           <- local only: files being written
```

Keys are relative, ``/``-separated, and the same on every kind of store:
at most 1,024 bytes of UTF-8 (the limit of S3), at most 255 in a segment (the limit of
most file systems), no empty, ``.`` or ``..`` segment, no backslash, no control character.

A folder cannot hold both ``a`` and ``a/b``, the other stores can; nothing in an archive
needs both.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import ipaddress
import json
import os
import random
import re
import secrets
import shutil
import socket
import stat
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    GenericError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnknownConfigurationKeyError,
)
from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store

from replayport.errors import ObjectExistsError, SettingsError, StoreError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

MAX_KEY_BYTES: Final = 1024  # S3's limit; it counts the prefix of the store too
MAX_SEGMENT_BYTES: Final = 255  # NAME_MAX of ext4, XFS, APFS, NTFS

_STAGING: Final = ".staging"
_LEASES: Final = ".leases"
_RESERVED: Final = frozenset({_STAGING, _LEASES})
_NEVER_IN_KEYS: Final = re.compile(r"[\\\x00-\x1f\x7f-\x9f]")
"""A backslash, a control character."""

_PART_BYTES: Final = 16 * 2**20  # multipart: 10,000 parts of this make 160 GB
_PARTS_AT_ONCE: Final = 4  # bounds the memory of one upload to 64 MB
_LIST_PAGE: Final = 1000  # what S3 gives in one answer, and takes in one bulk delete
_COPY_BYTES: Final = 2**20
_NEW_FILE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC

_FOLDER_ATTEMPTS: Final = 20

_LEASE_ATTEMPTS: Final = 4
_LEASE_PAUSE_S: Final = 0.05


def now_ms() -> int:
    """Give the time of this machine in epoch milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a store knows about an object without reading it."""

    key: str
    """Relative to the store."""
    size: int
    """Bytes."""
    etag: str | None
    """Changes when the object does; None when the store gives none."""
    modified_ms: int
    """Epoch milliseconds, by the store's clock; whole seconds on most."""


@dataclass(slots=True)
class Lease:
    """
    The right to rewrite what belongs to a key, until ``expires_ms``.

    Made by `Store.lease`.
    """

    key: str
    """What is leased; need not exist as an object."""
    owner: str
    """Who holds it, for the message others get."""
    ttl_ms: int
    """Length of one term."""
    expires_ms: int
    """End of the current term, by the clock of this process."""
    ticket: str
    """Key of the object that tells others."""
    _store: Store
    _replace_ticket: Callable[[Lease, int], str]

    def check(self) -> None:
        """
        Make sure the lease still runs; call it right before the write it protects.

        Raises:
            StoreError: It ran out; someone else may hold it now.
        """
        if self._store.clock_ms() >= self.expires_ms:
            raise StoreError(
                f"the lease on {self.key!r} ran out after {self.ttl_ms} ms. Someone else may "
                "be writing now, so nothing was written. Do the step again",
                location=self._store.url,
                operation="lease",
            )

    def renew(self) -> None:
        """
        Start a new term.

        Raises:
            StoreError: The old term ended before the new one was known to others.
        """
        self.check()
        expires_ms = self._store.clock_ms() + self.ttl_ms
        self.ticket = self._replace_ticket(self, expires_ms)
        self.check()
        self.expires_ms = expires_ms


class Store(ABC):
    """
    An object store or a folder.

    Safe to use from several threads. Instances of local and cloud stores can be sent to
    other processes; do not use one made before a ``fork`` in the child.
    """

    url: str
    """Where it is: ``file:///…``, ``memory://``, ``s3://bucket/prefix``; no secrets."""
    clock_ms: Callable[[], int]
    """Epoch milliseconds now; used by leases only."""
    sleep: Callable[[float], None]
    """Waits for a number of seconds; used by leases only."""

    @classmethod
    def open(
        cls,
        url: str | Path,
        *,
        clock_ms: Callable[[], int] = now_ms,
        sleep: Callable[[float], None] = time.sleep,
        **options: Any,
    ) -> Store:
        """
        Open a store. No request is made; a local folder appears with the first put.

        Args:
            url: A path or ``file://`` URL; ``memory://`` (a new, empty store each time);
                ``s3://bucket/prefix``, ``gs://bucket/prefix``, ``az://container/prefix``.

            clock_ms: Epoch milliseconds now, for leases.

            sleep: Waits for a number of seconds, for leases.

            options: For the cloud stores ``timeout_s`` (one request, 300),
                ``connect_timeout_s`` (10), ``max_retries`` (6), ``retry_timeout_s`` (60),
                ``allow_http``; and what obstore's configuration of that store names,
                such as ``endpoint``, ``region``, ``access_key_id``. They win over the
                environment (``AWS_*``, ``GOOGLE_*``, ``AZURE_*``).

        Raises:
            SettingsError: The URL or an option cannot be used, or the endpoint is
                unencrypted HTTP on another machine without ``AWS_ALLOW_HTTP=true``.
        """
        text = str(url)
        if isinstance(url, Path) or "://" not in text:
            store: Store = _open_local(text, options)
        else:
            parts = urlsplit(text)
            scheme = parts.scheme.lower()
            if scheme not in _OPENERS:
                raise SettingsError(
                    f"store URL with scheme {scheme!r} is not known. "
                    f"Use a folder or one of: {', '.join(f'{s}://' for s in _OPENERS)}"
                )
            if parts.username is not None or parts.query or parts.fragment:
                raise SettingsError(
                    f"a {scheme}:// store URL with user, query or fragment is not taken. "
                    "Keys and options belong in the environment, such as AWS_ACCESS_KEY_ID"
                )
            store = _OPENERS[scheme](text.partition("://")[2], options)
        store.clock_ms = clock_ms
        store.sleep = sleep
        return store

    # Reading

    def get(self, key: str) -> bytes:
        """
        Read a whole object.

        Raises:
            FileNotFoundError: There is none of that key.
            StoreError: The store cannot be read, or its bucket does not exist.
        """
        return self._get(check_key(key))

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """
        Read the bytes ``[start, end)``, exactly as ``get(key)[start:end]`` would give.

        A range past the end is cut, one beyond it is empty.

        Raises:
            ValueError: ``start`` is negative or ``end`` is before it.
            FileNotFoundError: There is no object of that key.
            StoreError: The store cannot be read.
        """
        return self.get_ranges(key, [(start, end)])[0]

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """
        Read several ranges at once; near ones become one request.

        Args:
            key: The object.
            ranges: Pairs ``(start, end)``, each as in `get_range`, in any order.

        Returns:
            One byte string for each range, in the order asked.
        """
        for start, end in ranges:
            if not 0 <= start <= end:
                raise ValueError(f"range [{start}, {end}) is not one")
        return self._get_ranges(check_key(key), ranges) if ranges else []

    def head(self, key: str) -> ObjectInfo:
        """
        Say what is known about an object.

        Raises:
            FileNotFoundError: There is none of that key.
            StoreError: The store cannot be read.
        """
        return self._head(check_key(key))

    def exists(self, key: str) -> bool:
        """Say whether there is an object of that key."""
        try:
            self.head(key)
        except FileNotFoundError:
            return False
        return True

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """
        Yield the objects below a prefix.

        Args:
            prefix: Whole segments: ``a/b`` finds ``a/b/c``, not ``a/bc`` nor ``a/b``
                itself; a ``/`` at its end makes no difference. Empty for everything.

        Yields:
            Objects page by page (a folder: one directory in memory at a time), ordered
            by the UTF-8 bytes of their keys. S3 Express buckets order nothing; S3 and
            everything else tried do. Objects put or deleted meanwhile may show or not.
            In a folder, symbolic links and names that are no valid key are left out.

        Raises:
            StoreError: The store cannot be read, or its bucket does not exist.
        """
        prefix = prefix.removesuffix("/")
        return self._list(check_key(prefix) if prefix else "")

    # Writing

    def put(self, key: str, data: bytes | Path) -> None:
        """
        Store an object, replacing what was there; readers see the old or the new whole.

        Data of more than 16 MB goes to cloud stores in parts. Parts of an upload that was
        cut stay there unseen until the bucket's rule for incomplete uploads removes them.

        Args:
            key: The object.
            data: The bytes, or a file to copy them from without loading it at once.

        Raises:
            StoreError: The store cannot be written; what was there is unchanged.
        """
        self._put(check_key(key), data)

    def put_new(self, key: str, data: bytes) -> None:
        """
        Store an object that must not exist yet; of many racing callers one succeeds.

        On cloud stores the answer to a request that got lost on the way is asked for
        again, so the one that succeeded may be told `ObjectExistsError` of its own put.

        Raises:
            ObjectExistsError: There is an object of that key; it is unchanged.
            StoreError: The store cannot be written, or it ignores conditional puts
                (tried once where the endpoint is not a cloud's own).
        """
        self._put_new(check_key(key), data)

    def delete(self, key: str) -> None:
        """
        Remove an object; fine when there is none.

        In a bucket with versioning, old versions stay until its life-cycle rule ends them.
        """
        self._delete(check_key(key))

    def delete_prefix(self, prefix: str) -> int:
        """
        Remove every object below a prefix (see `list`).

        A folder also loses what `list` leaves out there: links, odd names, and the
        leftovers of killed writers.

        Returns:
            How many objects were removed.

        Raises:
            ValueError: The prefix is empty.
        """
        return self._delete_prefix(check_key(prefix.removesuffix("/")))

    def local_path(self, key: str) -> Path | None:
        """
        Give the path of the object's file, for programs that need one.

        Returns:
            The path, whether or not the object exists; None when the store is no folder.
        """
        check_key(key)
        return None

    def shred(self, key: str) -> None:
        """Erase the data key of an object, if this store encrypts; see `replayport.encryption`."""
        check_key(key)

    # Leases

    @contextmanager
    def lease(
        self, key: str, ttl_s: float, *, wait_s: float = 0.0, owner: str | None = None
    ) -> Iterator[Lease]:
        """
        Hold the only right to rewrite what belongs to a key, across machines.

        Whoever wants it writes a ticket of its own (the expiry is in the ticket's name),
        then looks for live tickets of others; it holds the lease when there are none, and
        takes its ticket back otherwise. Of two that come at once at least one sees the
        other, so two never hold it. Nobody ever removes a live ticket of somebody else,
        which makes release safe, and no conditional put is needed, which some S3 servers
        lack. Listing must show what was put before it, as S3, GCS, Azure and folders do.

        Clocks of the machines must agree to much less than ``ttl_s``. A holder that
        sleeps past its term loses the lease: call `Lease.check` before the final write,
        `Lease.renew` in long work.

        Args:
            key: What to protect; need not exist.
            ttl_s: Length of a term; others may take over after it.
            wait_s: How long to wait for another holder; the default only outlasts
                contenders that come at the same moment.
            owner: Name for messages; host and process when None.

        Yields:
            The lease, released at the end of the block.

        Raises:
            ObjectExistsError: Someone else holds it.
            StoreError: The store failed, or took longer than ``ttl_s``.
        """
        check_key(key)
        ttl_ms = int(ttl_s * 1000)
        if ttl_ms <= 0:
            raise ValueError(f"ttl_s must be at least a millisecond, got {ttl_s}")
        owner = owner or f"{socket.gethostname()}:{os.getpid()}"
        lease = self._take_lease(key, ttl_ms, int(wait_s * 1000), owner)
        try:
            yield lease
        finally:
            self._drop_ticket(lease.ticket)

    def _take_lease(self, key: str, ttl_ms: int, wait_ms: int, owner: str) -> Lease:
        deadline_ms = self.clock_ms() + wait_ms
        attempt = 0
        while True:
            attempt += 1
            expires_ms = self.clock_ms() + ttl_ms
            ticket = self._write_ticket(key, owner, expires_ms)
            try:
                holder = self._other_ticket(ticket)
                if holder is None:
                    lease = Lease(
                        key, owner, ttl_ms, expires_ms, ticket, self, self._replace_ticket
                    )
                    lease.check()
                    return lease
            except BaseException:
                self._drop_ticket(ticket)
                raise
            who = self._ticket_owner(holder)
            self._drop_ticket(ticket)
            if attempt >= _LEASE_ATTEMPTS and self.clock_ms() >= deadline_ms:
                raise ObjectExistsError(
                    f"{key!r} is leased by {who}. It is being rewritten there. "
                    "Wait for it to finish, or for the lease to run out",
                    location=self.url,
                    operation="lease",
                )
            # Two that keep meeting must not keep step with each other.
            longest_s = _LEASE_PAUSE_S * 2 ** min(attempt, 5)
            self.sleep(random.uniform(0.0, longest_s))  # noqa: S311 - spreading, not secrecy

    def _write_ticket(self, key: str, owner: str, expires_ms: int) -> str:
        digest = hashlib.sha256(key.encode()).hexdigest()[:32]
        ticket = f"{_LEASES}/{digest}/{expires_ms:016d}-{secrets.token_hex(16)}"
        self._put_ticket(ticket, json.dumps({"key": key, "owner": owner}).encode())
        return ticket

    def _replace_ticket(self, lease: Lease, expires_ms: int) -> str:
        # The new ticket is there before the old one goes, so a reader always sees one.
        ticket = self._write_ticket(lease.key, lease.owner, expires_ms)
        self._drop_ticket(lease.ticket)
        return ticket

    def _other_ticket(self, own: str) -> str | None:
        """Give the key of a live ticket that is not ours; remove those that ended."""
        folder = own.rpartition("/")[0]
        ended = []
        found = None
        now = self.clock_ms()
        for info in self._list(folder):
            if info.key == own:
                continue
            expires_ms = info.key.rpartition("/")[2].partition("-")[0]
            if not expires_ms.isdecimal():
                continue  # no ticket: what a file manager leaves in folders
            if int(expires_ms) > now:
                found = info.key
            else:
                ended.append(info.key)
        for ticket in ended:
            self._drop_ticket(ticket)
        return found

    def _ticket_owner(self, ticket: str) -> str:
        try:
            return str(json.loads(self._get(ticket))["owner"])
        except FileNotFoundError:
            return "someone who just released it"
        except ValueError:  # in a folder the name is there before the text
            return "someone who just took it"

    # What a kind of store supplies; keys are checked already.

    @abstractmethod
    def _get(self, key: str) -> bytes: ...

    @abstractmethod
    def _get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]: ...

    @abstractmethod
    def _head(self, key: str) -> ObjectInfo: ...

    @abstractmethod
    def _list(self, prefix: str) -> Iterator[ObjectInfo]: ...

    @abstractmethod
    def _put(self, key: str, data: bytes | Path) -> None: ...

    @abstractmethod
    def _put_new(self, key: str, data: bytes) -> None: ...

    @abstractmethod
    def _delete(self, key: str) -> None: ...

    @abstractmethod
    def _delete_prefix(self, prefix: str) -> int: ...

    def _put_ticket(self, key: str, data: bytes) -> None:
        self._put(key, data)

    def _drop_ticket(self, key: str) -> None:
        self._delete(key)


def check_key(key: str) -> str:
    """
    Check a key.

    Returns:
        The key, unchanged.

    Raises:
        ValueError: It is not a key; see the top of this module.
    """
    problem = _key_problem(key)
    if problem is not None:
        raise ValueError(f"store key {key!r} {problem}")
    return key


def _key_problem(key: str) -> str | None:
    try:
        size_bytes = len(key.encode())
    except UnicodeEncodeError:
        return "is not valid Unicode"
    if size_bytes > MAX_KEY_BYTES:
        return f"is longer than {MAX_KEY_BYTES} bytes"
    if _NEVER_IN_KEYS.search(key):
        return "has a backslash or control character"
    segments = key.split("/")
    for segment in segments:
        if segment in ("", ".", ".."):
            return "has an empty, '.' or '..' segment, or starts or ends with '/'"
        if len(segment.encode()) > MAX_SEGMENT_BYTES:
            return f"has a segment longer than {MAX_SEGMENT_BYTES} bytes"
    if segments[0] in _RESERVED:
        return f"starts with {segments[0]}, which the store keeps for itself"
    return None


class _LocalStore(Store):
    """
    A folder.

    A put writes ``.staging/<token>`` under a lock (``flock``), makes it durable, then
    renames or links it into place. A staging file nobody locks belongs to a dead writer
    and is removed by the next writer.
    """

    def __init__(self, root: str) -> None:
        if not root or "\0" in root:
            raise SettingsError("the store's folder has no name. Give a path such as ./replays")
        # The root itself may be a link; below it links are not followed.
        self._root = Path(root).expanduser().resolve()
        self._staging = self._root / _STAGING
        self.url = self._root.as_uri()
        self._swept = False

    def local_path(self, key: str) -> Path | None:
        return self._path(check_key(key), "get")

    def _path(self, key: str, operation: str) -> Path:
        path = str(self._root)
        try:
            for segment in key.split("/") if key else ():
                path = f"{path}/{segment}"
                if stat.S_ISLNK(os.lstat(path).st_mode):
                    raise self._error(
                        f"{key!r} leads through a symbolic link. Links inside a store are not "
                        "followed, they could lead out of it. Replace the link by what it names",
                        operation,
                    )
        except (FileNotFoundError, NotADirectoryError):
            pass  # below what is not there is no link
        return self._root / key

    def _error(self, message: str, operation: str) -> StoreError:
        return StoreError(message, location=self.url, operation=operation)

    @contextmanager
    def _translating(self, operation: str, key: str) -> Iterator[None]:
        try:
            yield
        except FileExistsError as e:
            raise ObjectExistsError(
                f"{key!r} is already there", location=self.url, operation=operation
            ) from e
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as e:
            if operation in ("get", "head"):
                raise FileNotFoundError(
                    errno.ENOENT, f"no object of that key in {self.url}", key
                ) from e
            if isinstance(e, FileNotFoundError):
                raise self._error(f"{key!r}: {e.strerror}", operation) from e
            raise self._error(
                f"{key!r} is in the way of, or below, another key. A folder cannot hold both",
                operation,
            ) from e
        except OSError as e:
            if e.errno in (errno.ENOSPC, errno.EDQUOT):
                message = (
                    f"no space left for {key!r}. Nothing was stored, what was there is "
                    "unchanged. Free space, or move the archive to a larger disk"
                )
            elif operation == "put_new" and e.errno in (errno.EPERM, errno.EOPNOTSUPP):
                message = (
                    f"{key!r} cannot be created: {e.strerror}. The file system may lack hard "
                    "links, which tell one writer from another. Move the archive to one that "
                    "has them (not FAT)"
                )
            else:
                message = f"{key!r}: {e.strerror}. Check that this user may use the folder"
            raise self._error(message, operation) from e

    def _get(self, key: str) -> bytes:
        with self._translating("get", key), self._path(key, "get").open("rb") as f:
            return f.read()

    def _get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        with self._translating("get", key), self._path(key, "get").open("rb") as f:
            size = os.fstat(f.fileno()).st_size
            found = []
            for start, end in ranges:
                # seek() refuses offsets past 2**63; a range beyond the end is just empty.
                f.seek(min(start, size))
                found.append(f.read(max(0, min(end, size) - start)))
            return found

    def _head(self, key: str) -> ObjectInfo:
        with self._translating("head", key):
            status = self._path(key, "head").stat(follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode):
                raise FileNotFoundError(errno.ENOENT, "not a file", key)
            return _local_info(key, status)

    def _list(self, prefix: str) -> Iterator[ObjectInfo]:
        yield from self._walk(prefix)

    def _walk(self, folder: str) -> Iterator[ObjectInfo]:
        with self._translating("list", folder):
            try:
                with os.scandir(self._path(folder, "list")) as entries:
                    found = sorted(entries, key=_key_order)
            except (FileNotFoundError, NotADirectoryError):
                return
        for entry in found:
            key = f"{folder}/{entry.name}" if folder else entry.name
            # Inside .leases the store reads its own keys, which check_key refuses.
            if _key_problem(key) is not None and folder.partition("/")[0] != _LEASES:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(key)
            elif entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):  # deleted since the folder was read
                    yield _local_info(key, entry.stat(follow_symlinks=False))

    def _put(self, key: str, data: bytes | Path) -> None:
        self._write(key, data, os.replace, "put")

    def _put_new(self, key: str, data: bytes) -> None:
        self._write(key, data, os.link, "put_new")

    def _write(
        self, key: str, data: bytes | Path, place: Callable[[Path, Path], None], operation: str
    ) -> None:
        if isinstance(data, Path) and not data.is_file():
            raise FileNotFoundError(errno.ENOENT, "the file to store does not exist", str(data))
        with self._translating(operation, key):
            path = self._path(key, operation)
            if place is os.link and os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, "exists", key)
            with self._staged(data) as staged:
                # A deleter may remove the parent while it is still empty: make it again.
                for attempt in range(1, _FOLDER_ATTEMPTS + 1):
                    try:
                        _make_durable_folder(path.parent)
                        place(staged, path)
                        break
                    except FileNotFoundError:
                        if attempt == _FOLDER_ATTEMPTS:
                            raise
            # Somebody may have deleted the object again, and its folder with it.
            with suppress(FileNotFoundError):
                _sync_folder(path.parent)

    @contextmanager
    def _staged(self, data: bytes | Path) -> Iterator[Path]:
        """Write the data to a locked staging file, removed again if it is still there."""
        _make_durable_folder(self._staging)
        if not self._swept:
            self._sweep()
            self._swept = True
        path, descriptor = _new_locked_file(self._staging)
        try:
            with os.fdopen(descriptor, "wb") as out:
                if isinstance(data, Path):
                    with data.open("rb") as source:
                        shutil.copyfileobj(source, out, _COPY_BYTES)
                else:
                    out.write(data)
                out.flush()
                os.fsync(out.fileno())
                yield path
        finally:
            path.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove staging files of writers that died: those nobody has locked."""
        if not self._staging.is_dir():
            return
        for path in self._staging.iterdir():
            with suppress(OSError):  # vanished, or locked: its writer is alive
                descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                finally:
                    os.close(descriptor)

    def _delete(self, key: str) -> None:
        with self._translating("delete", key):
            path = self._path(key, "delete")
            # A directory is no object, and unlink() of one is EISDIR or EPERM by system.
            if path.is_dir():
                return
            with suppress(FileNotFoundError, NotADirectoryError):
                path.unlink()
            self._prune(path.parent)

    def _put_ticket(self, key: str, data: bytes) -> None:
        # Not synced: a power cut ends the holder too, and what is left of a ticket expires.
        with self._translating("lease", key):
            _make_durable_folder(self._root / _LEASES)
            path = self._path(key, "lease")
            for attempt in range(1, _FOLDER_ATTEMPTS + 1):
                with suppress(FileExistsError):
                    path.parent.mkdir()
                try:
                    descriptor = os.open(path, _NEW_FILE, 0o666)
                    break
                except FileNotFoundError:  # whoever released the last ticket took the folder
                    if attempt == _FOLDER_ATTEMPTS:
                        raise
            with os.fdopen(descriptor, "wb") as out:
                out.write(data)

    def _drop_ticket(self, key: str) -> None:
        with self._translating("delete", key):
            path = self._path(key, "delete")
            path.unlink(missing_ok=True)
            with suppress(OSError):  # others have tickets in it, or it is gone
                path.parent.rmdir()

    def _delete_prefix(self, prefix: str) -> int:
        with self._translating("delete", prefix):
            count = sum(1 for _ in self._walk(prefix))
            path = self._path(prefix, "delete")
            if path.is_dir():
                shutil.rmtree(path)
            self._prune(path.parent)
            # What a killed writer left may hold what is being removed.
            self._sweep()
        return count

    def _prune(self, folder: Path) -> None:
        """Remove folders that became empty, up to the root; make the removal durable."""
        while folder != self._root:
            try:
                folder.rmdir()
            except (FileNotFoundError, NotADirectoryError):
                pass
            except OSError:  # not empty
                break
            folder = folder.parent
        with suppress(FileNotFoundError, NotADirectoryError):
            _sync_folder(folder)


def _local_info(key: str, status: os.stat_result) -> ObjectInfo:
    etag = f'"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"'
    return ObjectInfo(key, status.st_size, etag, status.st_mtime_ns // 1_000_000)


def _key_order(entry: os.DirEntry[str]) -> bytes:
    """Order entries as their keys will be: what is below ``a`` sorts as ``a/``."""
    name = os.fsencode(entry.name)
    return name + b"/" if entry.is_dir(follow_symlinks=False) else name


def _new_locked_file(folder: Path) -> tuple[Path, int]:
    while True:
        path = folder / secrets.token_hex(16)
        descriptor = os.open(path, _NEW_FILE, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # A sweeper may have come between open and lock; then the name is gone.
            if path.exists():
                return path, descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _make_durable_folder(path: Path) -> None:
    if path.is_dir():
        return
    _make_durable_folder(path.parent)
    try:
        path.mkdir()
    except FileExistsError:
        # Not there any more raises FileNotFoundError: the caller tries again.
        if not stat.S_ISDIR(path.stat().st_mode):
            raise NotADirectoryError(errno.ENOTDIR, "a file is in the way", str(path)) from None
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as e:
        # Some file systems cannot sync a folder; PostgreSQL goes on as well then.
        if e.errno not in (errno.EINVAL, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


class _ObjectStore(Store):
    """S3, Google Cloud Storage, Azure or memory, through obstore."""

    def __init__(self, client: ObjectStore, url: str, *, foreign_endpoint: bool) -> None:
        self._client = client
        self.url = url
        # Servers that speak S3 but are not AWS may ignore If-None-Match.
        self._conditional_put_known = not foreign_endpoint
        self._container_known = isinstance(client, MemoryStore)

    @contextmanager
    def _translating(self, operation: str, key: str) -> Iterator[None]:
        try:
            yield
        except AlreadyExistsError as e:
            raise ObjectExistsError(
                f"{key!r} is already there", location=self.url, operation=operation
            ) from e
        except FileNotFoundError as e:
            if operation in ("get", "head", "delete"):
                self._require_container(operation)
                raise FileNotFoundError(
                    errno.ENOENT, f"no object of that key in {self.url}", key
                ) from e
            raise self._error(
                f"the bucket or container of {key!r} does not exist. Create it, or correct "
                "the store URL",
                operation,
            ) from e
        except (PermissionDeniedError, UnauthenticatedError) as e:
            raise self._error(
                f"the store does not let this key in for {key!r}. The access key is wrong or "
                "lacks the right. Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or the "
                "GOOGLE_ or AZURE_ ones) and the bucket's policy",
                operation,
            ) from e
        except (BaseError, OSError, NotImplementedError) as e:
            raise self._error(f"{key!r}: {_plain(e)}", operation) from e

    def _error(self, message: str, operation: str) -> StoreError:
        return StoreError(message, location=self.url, operation=operation)

    def _require_container(self, operation: str) -> None:
        """A missing bucket answers 404 as a missing object does; tell them apart, once."""
        if self._container_known:
            return
        try:
            next(iter(obstore.list(self._client, _LEASES, chunk_size=1)), None)
        except (BaseError, OSError) as e:
            raise self._error(
                "the bucket or container does not exist or may not be listed. Create it, "
                "correct the store URL, or grant the right to list",
                operation,
            ) from e
        self._container_known = True

    def _get(self, key: str) -> bytes:
        with self._translating("get", key):
            return bytes(obstore.get(self._client, key).bytes())

    def _get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        with self._translating("get", key):
            refused: GenericError | None = None
            if len(ranges) == 1 and ranges[0][0] < ranges[0][1]:
                ((start, end),) = ranges
                try:
                    return [bytes(obstore.get_range(self._client, key, start=start, end=end))]
                except GenericError as e:
                    refused = e
            # The size first: stores refuse a range beyond the end (416), under no name of
            # its own, and obstore 0.12 panics when it joins one with another.
            size = obstore.head(self._client, key)["size"]
            if refused is not None and ranges[0][0] < size:
                raise refused
            cut = [(min(start, size), min(end, size)) for start, end in ranges]
            wanted = [(start, end) for start, end in cut if start < end]
            if not wanted:
                return [b""] * len(ranges)
            starts, ends = zip(*wanted, strict=True)
            fetched = iter(obstore.get_ranges(self._client, key, starts=starts, ends=ends))
            return [bytes(next(fetched)) if start < end else b"" for start, end in cut]

    def _head(self, key: str) -> ObjectInfo:
        with self._translating("head", key):
            return _object_info(obstore.head(self._client, key))

    def _list(self, prefix: str) -> Iterator[ObjectInfo]:
        pages = iter(obstore.list(self._client, prefix or None, chunk_size=_LIST_PAGE))
        while True:
            with self._translating("list", prefix):
                page = next(pages, None)
            if page is None:
                return
            self._container_known = True
            for meta in page:
                info = _object_info(meta)
                if prefix or info.key.partition("/")[0] not in _RESERVED:
                    yield info

    def _put(self, key: str, data: bytes | Path) -> None:
        if isinstance(data, Path) and not data.is_file():
            raise FileNotFoundError(errno.ENOENT, "the file to store does not exist", str(data))
        with self._translating("put", key):
            obstore.put(
                self._client,
                key,
                data,
                chunk_size=_PART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )

    def _put_new(self, key: str, data: bytes) -> None:
        self._require_conditional_put()
        with self._translating("put_new", key):
            obstore.put(self._client, key, data, mode="create")

    def _require_conditional_put(self) -> None:
        if self._conditional_put_known:
            return
        probe = f"{_LEASES}/probe-{secrets.token_hex(16)}"
        with self._translating("put_new", probe):
            obstore.put(self._client, probe, b"", mode="create")
            try:
                obstore.put(self._client, probe, b"", mode="create")
            except AlreadyExistsError:
                self._conditional_put_known = True
            finally:
                self._delete(probe)
        if not self._conditional_put_known:
            raise self._error(
                "this S3 server ignores If-None-Match. Two writers could both believe they "
                "made an object, so nothing was written. Use a server that honours it: AWS, "
                "Ceph RGW, MinIO, Cloudflare R2",
                "put_new",
            )

    def _delete(self, key: str) -> None:
        with suppress(FileNotFoundError), self._translating("delete", key):
            obstore.delete(self._client, key)

    def _delete_prefix(self, prefix: str) -> int:
        count = 0
        page: list[str] = []
        for info in self._list(prefix):
            page.append(info.key)
            count += 1
            if len(page) == _LIST_PAGE:
                self._delete_page(page)
                page = []
        self._delete_page(page)
        return count

    def _delete_page(self, keys: Sequence[str]) -> None:
        if not keys:
            return
        try:
            with self._translating("delete", keys[0]):
                obstore.delete(self._client, keys)
        except FileNotFoundError:
            # GCS and Azure stop at an object somebody else removed meanwhile.
            for key in keys:
                self._delete(key)


def _plain(error: BaseException) -> str:
    """Give what the library says without the dump of its internals that follows."""
    return str(error).partition("\n")[0]


def _object_info(meta: Mapping[str, Any]) -> ObjectInfo:
    return ObjectInfo(
        key=meta["path"],
        size=meta["size"],
        etag=meta["e_tag"],
        modified_ms=round(meta["last_modified"].timestamp() * 1000),
    )


def _open_local(path: str, options: Mapping[str, Any]) -> Store:
    _refuse_options(options)
    return _LocalStore(path)


def _open_file_url(rest: str, options: Mapping[str, Any]) -> Store:
    host, slash, path = rest.partition("/")
    if host not in ("", "localhost") or not slash:
        raise SettingsError(
            f"file://{host} names another machine or a relative path. "
            "Write file:///absolute/path, or just the path"
        )
    return _open_local("/" + unquote(path), options)


def _open_memory(rest: str, options: Mapping[str, Any]) -> Store:
    _refuse_options(options)
    if rest.strip("/"):
        raise SettingsError("memory:// takes no name: each one opened is a store of its own")
    return _ObjectStore(MemoryStore(), "memory://", foreign_endpoint=False)


def _refuse_options(options: Mapping[str, Any]) -> None:
    if options:
        raise SettingsError(
            f"store options {sorted(options)} mean nothing here. "
            "Only s3://, gs:// and az:// stores have options"
        )


def _open_s3(rest: str, options: Mapping[str, Any]) -> Store:
    endpoint = options.get("endpoint") or next(
        (
            os.environ[name]
            for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
            if os.environ.get(name)
        ),
        None,
    )
    return _open_cloud("s3", S3Store, rest, options, endpoint)


def _open_gcs(rest: str, options: Mapping[str, Any]) -> Store:
    return _open_cloud("gs", GCSStore, rest, options, None)


def _open_azure(rest: str, options: Mapping[str, Any]) -> Store:
    return _open_cloud("az", AzureStore, rest, options, options.get("endpoint"))


def _open_cloud(
    scheme: str,
    make: Callable[..., ObjectStore],
    rest: str,
    options: Mapping[str, Any],
    endpoint: str | None,
) -> Store:
    bucket, _, prefix = rest.partition("/")
    prefix = prefix.strip("/")
    url = f"{scheme}://{bucket}/{prefix}".removesuffix("/")
    problem = _key_problem(prefix) if prefix else None
    if not bucket or problem is not None:
        raise SettingsError(
            f"store URL {url} {problem or 'names no bucket'}. Write {scheme}://bucket/prefix"
        )
    config = dict(options)
    client_options: ClientConfig = {
        "connect_timeout": timedelta(seconds=config.pop("connect_timeout_s", 10)),
        # Of the whole answer, so it must leave time for a large object on a slow line;
        # a line that went dead is noticed by read_timeout.
        "timeout": timedelta(seconds=config.pop("timeout_s", 300)),
        "read_timeout": timedelta(seconds=30),
        "allow_http": _http_allowed(endpoint, config.pop("allow_http", None)),
    }
    retry_config: RetryConfig = {
        "max_retries": config.pop("max_retries", 6),
        "retry_timeout": timedelta(seconds=config.pop("retry_timeout_s", 60)),
        "backoff": {"max_backoff": timedelta(seconds=10)},
    }
    try:
        client = make(
            bucket,
            prefix=prefix or None,
            client_options=client_options,
            retry_config=retry_config,
            **config,
        )
    except UnknownConfigurationKeyError as e:
        raise SettingsError(
            f"one of the store options {sorted(config)} is not known for {scheme}://. "
            f"See obstore's configuration of {make.__name__}"
        ) from e
    except (BaseError, ValueError) as e:
        raise SettingsError(f"the store {url} cannot be opened: {_plain(e)}") from e
    return _ObjectStore(client, url, foreign_endpoint=endpoint is not None)


def _http_allowed(endpoint: str | None, option: bool | None) -> bool:
    if endpoint is None or not endpoint.lower().startswith("http://"):
        return bool(option)
    named = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true", "yes")
    if option or (option is None and (named or _is_loopback(urlsplit(endpoint).hostname))):
        return True
    raise SettingsError(
        f"the store's endpoint {endpoint} is unencrypted HTTP on another machine. Recordings "
        "could be read on the way. Use https://, or set AWS_ALLOW_HTTP=true in a network you "
        "trust"
    )


def _is_loopback(host: str | None) -> bool:
    if host is None:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_OPENERS: Final[dict[str, Callable[[str, Mapping[str, Any]], Store]]] = {
    "file": _open_file_url,
    "memory": _open_memory,
    "s3": _open_s3,
    "gs": _open_gcs,
    "az": _open_azure,
}
