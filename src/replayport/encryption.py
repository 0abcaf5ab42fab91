r"""
Encryption at rest: a data key a recording, wrapped by a key ring outside the archive.

```
object   ┌ header, 32 bytes ──────────────────────────┐
         │ "RPENC1\0\0"  frame bytes (u32)  nonce (8) │ zeros (12)
         ├ frame 0: AES-256-GCM of up to 64 KiB, tag ─┤   nonce of frame n: nonce ‖ n (u32)
         ├ frame 1: …                                 │   bound to header, object, n, and
         └ frame n: the last one                      ┘   whether it is the last

key ring ├ ring.json            wrapping keys (KEK), which one is active, how names are made
         └ wrapped/<name>.json  one data key (AES-256), wrapped by a KEK
```

Frames make ranges readable: the frames around a range are fetched and opened, no others. A
frame that was changed, moved, exchanged with another object's, or a last frame that was cut
off does not open. Without its wrapped key an object is noise, in every copy and backup: that
is what erasing a key means. Normative text: ``spec/encryption.md``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
import struct
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from replayport.errors import DamagedRecordingError, ObjectExistsError, SettingsError
from replayport.store import ObjectInfo, Store

MAGIC: Final = b"RPENC1\0\0"
HEADER_BYTES: Final = 32
FRAME_BYTES: Final = 65_536
TAG_BYTES: Final = 16
_SEALED_BYTES: Final = FRAME_BYTES + TAG_BYTES
_MAX_FRAMES: Final = 2**32 - 1

RING_FILE: Final = "ring.json"
RING_FORMAT: Final = "replayport-key-ring"
WRAPPED: Final = "wrapped/"
SETTING: Final = "encryption_key_ring"
KEK_GRACE_MS: Final = 3_600_000
"""A retired wrapping key stays this long: a writer may just have wrapped with it."""

PLAIN: Final = frozenset(
    {"archive.json", "audit", "holds", "inbox", "inboxes", "privacy", "receipts", "tombstones"}
)
"""
First segments of keys that hold no recorded value and no id in the clear; and ``inbox``,
which in a local archive is a folder of this machine beside the objects, as the catalog is.
"""

_CACHED_KEYS: Final = 1000
_RECORDING: Final = re.compile(r"recordings/([^/]+)/\d{4}/\d{2}/\d{2}/([^/]+)/(.+)")
_ASSET: Final = re.compile(r"assets/[0-9a-f]{2}/([0-9a-f]{64})")


class KeyRing:
    """
    The keys of one archive, in a folder or store of their own. Make one with `open`.

    Safe for several threads and processes.
    """

    def __init__(self, store: Store, ring: dict[str, Any]) -> None:
        self._store = store
        self._ring = ring
        self._lock = threading.Lock()
        self._known: OrderedDict[str, bytes] = OrderedDict()

    @classmethod
    def open(cls, url: str, *, create: bool = False, now_ms: int = 0) -> KeyRing:
        """
        Open a key ring.

        Args:
            url: A folder or store URL: the setting ``encryption_key_ring``.
            create: Make one when there is none.
            now_ms: Epoch milliseconds, for a new key.

        Raises:
            SettingsError: There is none, or it does not read.
        """
        store = Store.open(url)
        try:
            raw = store.get(RING_FILE)
        except FileNotFoundError:
            if not create:
                raise SettingsError(
                    f"there is no key ring at {store.url}, which {SETTING} names. Without it the "
                    "archive cannot be read. Correct the setting, or bring the ring back"
                ) from None
            kek_id = secrets.token_hex(8)
            ring = {
                "format": RING_FORMAT,
                "format_version": 1,
                "ring_id": secrets.token_hex(16),
                "name_key": _b64(secrets.token_bytes(32)),
                "active": kek_id,
                "keys": {kek_id: {"key": _b64(secrets.token_bytes(32)), "made_ms": now_ms}},
            }
            with suppress(ObjectExistsError):  # another process was first
                store.put_new(RING_FILE, json.dumps(ring, indent=1).encode())
            _keep_private(store)
            raw = store.get(RING_FILE)
        return cls(store, _ring_of(raw, store))

    @property
    def ring_id(self) -> str:
        """Tells this ring from others; in the archive's ``archive.json``."""
        return str(self._ring["ring_id"])

    @property
    def url(self) -> str:
        """Where it is."""
        return self._store.url

    def keys(self) -> list[dict[str, Any]]:
        """Give the wrapping keys without their bytes, the active one marked."""
        return [
            {
                "id": i,
                "active": i == self._ring["active"],
                **{k: v for k, v in key.items() if k != "key"},
            }
            for i, key in self._ring["keys"].items()
        ]

    def data_key(self, name: str, *, make: bool) -> bytes | None:
        """
        Give the data key of something.

        Args:
            name: Such as ``recording:shop/0198-a``.
            make: Make one when there is none.

        Returns:
            32 bytes; None when there is none, because it was erased or never made.

        Raises:
            SettingsError: It does not unwrap with this ring.
        """
        with self._lock:
            known = self._known.get(name)
            if known is not None:
                self._known.move_to_end(name)
                return known
        key = self._wrapped_key(name)
        try:
            found = self._unwrap(self._store.get(key), name)
        except FileNotFoundError:
            if not make:
                return None
            self._reload()  # wrap with the key that is active now
            found = secrets.token_bytes(32)
            try:
                self._store.put_new(key, self._wrap(found, name))
            except ObjectExistsError:
                found = self._unwrap(self._store.get(key), name)
        with self._lock:
            self._known[name] = found
            while len(self._known) > _CACHED_KEYS:
                self._known.popitem(last=False)
        return found

    def erase(self, name: str) -> None:
        """Erase a data key: what it encrypted is unreadable from now on, in every copy."""
        with self._lock:
            self._known.pop(name, None)
        self._store.delete(self._wrapped_key(name))

    def has(self, name: str) -> bool:
        """Tell whether there is a data key."""
        return self._store.exists(self._wrapped_key(name))

    def rotate(self, *, now_ms: int) -> tuple[int, list[str]]:
        """
        Make a new wrapping key, wrap every data key with it, and drop old ones.

        Data is not encrypted anew. Done again after it was cut, it goes on.

        Returns:
            How many data keys were wrapped anew, and the ids of wrapping keys dropped.
            One retired less than `KEK_GRACE_MS` ago stays until the next time.
        """
        self._reload()
        old = str(self._ring["active"])
        new = secrets.token_hex(8)
        keys = dict(self._ring["keys"])
        keys[old] = {**keys[old], "retired_ms": now_ms}
        keys[new] = {"key": _b64(secrets.token_bytes(32)), "made_ms": now_ms}
        self._put({**self._ring, "active": new, "keys": keys})
        n = 0
        used = set()
        for info in list(self._store.list(WRAPPED)):
            raw = self._store.get(info.key)
            if json.loads(raw)["kek"] != new:
                name = self._name_in(raw)
                self._store.put(info.key, self._wrap(self._unwrap(raw, name), name))
                n += 1
        for info in self._store.list(WRAPPED):
            used.add(str(json.loads(self._store.get(info.key))["kek"]))
        dropped = [
            i
            for i, key in self._ring["keys"].items()
            if i not in used and i != new and now_ms - key.get("retired_ms", now_ms) >= KEK_GRACE_MS
        ]
        if dropped:
            left = {i: k for i, k in self._ring["keys"].items() if i not in dropped}
            self._put({**self._ring, "keys": left})
        return n, dropped

    def _put(self, ring: dict[str, Any]) -> None:
        self._store.put(RING_FILE, json.dumps(ring, indent=1).encode())
        _keep_private(self._store)
        self._ring = ring

    def _reload(self) -> None:
        self._ring = _ring_of(self._store.get(RING_FILE), self._store)

    def _wrapped_key(self, name: str) -> str:
        named = hmac.new(base64.b64decode(self._ring["name_key"]), name.encode(), hashlib.sha256)
        return f"{WRAPPED}{named.hexdigest()[:32]}.json"

    def _wrap(self, key: bytes, name: str) -> bytes:
        kek_id = str(self._ring["active"])
        kek = base64.b64decode(self._ring["keys"][kek_id]["key"])
        # The name is inside too, encrypted: rotation has to know it, a list must not tell.
        sealed_name = _seal(kek, name.encode(), b"name")
        named = hashlib.sha256(name.encode()).digest()
        return json.dumps(
            {"kek": kek_id, "sealed_name": _b64(sealed_name), "key": _b64(_seal(kek, key, named))}
        ).encode()

    def _name_in(self, raw: bytes) -> str:
        """Give whose data key a wrapped one is."""
        try:
            document = json.loads(raw)
            return _open(
                self._kek(document), base64.b64decode(document["sealed_name"]), b"name"
            ).decode()
        except (KeyError, TypeError, ValueError, InvalidTag) as e:
            raise self._unusable() from e

    def _unwrap(self, raw: bytes, name: str) -> bytes:
        try:
            document = json.loads(raw)
            sealed = base64.b64decode(document["key"], validate=True)
            return _open(self._kek(document), sealed, hashlib.sha256(name.encode()).digest())
        except (KeyError, TypeError, ValueError, InvalidTag) as e:
            raise self._unusable() from e

    def _kek(self, document: dict[str, Any]) -> bytes:
        if document["kek"] not in self._ring["keys"]:
            self._reload()  # rotated by another process
        return base64.b64decode(self._ring["keys"][document["kek"]]["key"])

    def _unusable(self) -> SettingsError:
        return SettingsError(
            f"a data key in the key ring {self._store.url} does not unwrap. The ring was changed, "
            f"or {SETTING} names another one"
        )


class EncryptedStore(Store):
    """
    A store whose objects are encrypted, but for those of `PLAIN`; sizes are those decrypted.

    Args:
        inner: Where the encrypted objects are.
        ring: Their keys.
        plain_allowed: Read objects that are not encrypted as they are: only while an archive
            is being encrypted.
    """

    def __init__(self, inner: Store, ring: KeyRing, *, plain_allowed: bool = False) -> None:
        self.inner = inner
        self.ring = ring
        self.url = inner.url
        self.clock_ms = inner.clock_ms
        self.sleep = inner.sleep
        self._plain_allowed = plain_allowed

    def local_path(self, key: str) -> Path | None:
        """Give the path of an object that is not encrypted; None of one that is."""
        return self.inner.local_path(key) if _name_of(key) is None else None

    def shred(self, key: str) -> None:
        """Erase the data key of an object, and of all that share it."""
        named = _name_of(key)
        if named is not None:
            self.ring.erase(named[0])

    def is_shredded(self, key: str) -> bool:
        """Tell whether an object's data key is gone."""
        named = _name_of(key)
        return named is not None and not self.ring.has(named[0])

    def encrypt_object(self, key: str) -> bool:
        """Encrypt an object in place; false when it was, or need not be."""
        if _name_of(key) is None or self.inner.get_range(key, 0, len(MAGIC)) == MAGIC:
            return False
        self._put(key, self.inner.get(key))
        return True

    def _get(self, key: str) -> bytes:
        raw = self.inner._get(key)  # noqa: SLF001 - a store around a store
        named = _name_of(key)
        if named is None:
            return raw
        if not raw.startswith(MAGIC):
            return self._unencrypted(key, raw)
        cipher, header = self._cipher(key, named, raw[:HEADER_BYTES])
        sealed = memoryview(raw)[HEADER_BYTES:]
        out = bytearray()
        n = max(1, -(-len(sealed) // _SEALED_BYTES))
        for i in range(n):
            frame = sealed[i * _SEALED_BYTES : (i + 1) * _SEALED_BYTES]
            out += self._open_frame(key, cipher, header, named[1], i, frame, last=i == n - 1)
        return bytes(out)

    def _get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        named = _name_of(key)
        if named is None:
            return self.inner._get_ranges(key, ranges)  # noqa: SLF001
        spans = [
            (start // FRAME_BYTES, -(-max(end, start + 1) // FRAME_BYTES)) for start, end in ranges
        ]
        # One byte more than the frames tells whether the object goes on behind them.
        wanted = [(0, HEADER_BYTES)] + [
            (HEADER_BYTES + a * _SEALED_BYTES, HEADER_BYTES + b * _SEALED_BYTES + 1)
            for a, b in spans
        ]
        raw_header, *parts = self.inner._get_ranges(key, wanted)  # noqa: SLF001
        if not raw_header.startswith(MAGIC):
            self._unencrypted(key, raw_header)
            return self.inner._get_ranges(key, ranges)  # noqa: SLF001
        cipher, header = self._cipher(key, named, raw_header)
        found = []
        for (start, end), (first, behind), part in zip(ranges, spans, parts, strict=True):
            whole = (behind - first) * _SEALED_BYTES
            goes_on = len(part) > whole
            sealed = memoryview(part)[:whole]
            n = -(-len(sealed) // _SEALED_BYTES)
            text = b"".join(
                self._open_frame(
                    key,
                    cipher,
                    header,
                    named[1],
                    first + i,
                    sealed[i * _SEALED_BYTES : (i + 1) * _SEALED_BYTES],
                    last=i == n - 1 and not goes_on,
                )
                for i in range(n)
            )
            at = start - first * FRAME_BYTES
            found.append(text[at : at + end - start])
        return found

    def _head(self, key: str) -> ObjectInfo:
        return _plain_info(self.inner._head(key))  # noqa: SLF001

    def _list(self, prefix: str) -> Iterator[ObjectInfo]:
        for info in self.inner._list(prefix):  # noqa: SLF001
            yield _plain_info(info)

    def _put(self, key: str, data: bytes | Path) -> None:
        named = _name_of(key)
        if named is None:
            self.inner._put(key, data)  # noqa: SLF001
        elif isinstance(data, Path):
            with tempfile.NamedTemporaryFile(prefix="replayport-") as file:
                with data.open("rb") as source:
                    for piece in self._sealed(key, named, source):
                        file.write(piece)
                file.flush()
                self.inner._put(key, Path(file.name))  # noqa: SLF001
        else:
            self.inner._put(key, b"".join(self._sealed(key, named, _Reader(data))))  # noqa: SLF001

    def _put_new(self, key: str, data: bytes) -> None:
        named = _name_of(key)
        sealed = data if named is None else b"".join(self._sealed(key, named, _Reader(data)))
        self.inner._put_new(key, sealed)  # noqa: SLF001

    def _delete(self, key: str) -> None:
        self.inner._delete(key)  # noqa: SLF001

    def _delete_prefix(self, prefix: str) -> int:
        return self.inner._delete_prefix(prefix)  # noqa: SLF001

    def _sealed(self, key: str, named: tuple[str, str], source: Any) -> Iterator[bytes]:
        header = MAGIC + struct.pack(">I", FRAME_BYTES) + secrets.token_bytes(8) + bytes(12)
        cipher, _ = self._cipher(key, named, header, make=True)
        yield header
        piece, i = source.read(FRAME_BYTES), 0
        while True:
            following = source.read(FRAME_BYTES) if len(piece) == FRAME_BYTES else b""
            last = not following
            yield cipher.encrypt(_nonce(header, i), piece, _bound(header, named[1], i, last=last))
            if last:
                return
            piece, i = following, i + 1

    def _cipher(
        self, key: str, named: tuple[str, str], header: bytes, *, make: bool = False
    ) -> tuple[AESGCM, bytes]:
        if len(header) < HEADER_BYTES or header[8:12] != struct.pack(">I", FRAME_BYTES):
            raise DamagedRecordingError("an encrypted object is cut, or of a newer form", key=key)
        data_key = self.ring.data_key(named[0], make=make)
        if data_key is None:
            raise DamagedRecordingError(
                "its data key is not in the key ring. It was erased, or the setting "
                f"{SETTING} names another ring: what was erased cannot be read any more",
                key=key,
            )
        return AESGCM(data_key), header

    def _open_frame(
        self,
        key: str,
        cipher: AESGCM,
        header: bytes,
        bound: str,
        i: int,
        frame: memoryview,
        *,
        last: bool,
    ) -> bytes:
        try:
            return cipher.decrypt(_nonce(header, i), frame, _bound(header, bound, i, last=last))
        except (InvalidTag, ValueError) as e:
            raise DamagedRecordingError(
                f"frame {i} of an encrypted object does not open. It was changed or cut, or belongs "
                "to another object",
                key=key,
            ) from e

    def _unencrypted(self, key: str, raw: bytes) -> bytes:
        if not self._plain_allowed:
            raise DamagedRecordingError(
                f"an object of {len(raw)} bytes is not encrypted although the archive is. It was "
                "put there by other software. Run: replayport keys encrypt",
                key=key,
            )
        return raw


class _Reader:
    """Reads bytes in pieces without copying them first."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._at = 0

    def read(self, n: int) -> memoryview:
        piece = self._data[self._at : self._at + n]
        self._at += n
        return piece


def _name_of(key: str) -> tuple[str, str] | None:
    """Give whose data key an object has, and what its frames are bound to; None when it is plain."""
    first = key.partition("/")[0]
    if first in PLAIN or first in (".leases", ".staging") or first.startswith("catalog.sqlite"):
        return None
    found = _RECORDING.fullmatch(key)
    if found is not None:
        name = f"recording:{found[1]}/{found[2]}"
        return name, f"{name}/{found[3]}"
    found = _ASSET.fullmatch(key)
    if found is not None:
        return f"asset:{found[1]}", f"asset:{found[1]}"
    return f"archive:{first}", key


def _plain_info(info: ObjectInfo) -> ObjectInfo:
    """Give an object's size as it is when decrypted."""
    if _name_of(info.key) is None or info.size < HEADER_BYTES + TAG_BYTES:
        return info
    body = info.size - HEADER_BYTES
    return replace(info, size=body - TAG_BYTES * -(-body // _SEALED_BYTES))


def _nonce(header: bytes, i: int) -> bytes:
    if i > _MAX_FRAMES:
        raise ValueError("an object of more than 2**32 frames cannot be encrypted")
    return header[12:20] + struct.pack(">I", i)


def _bound(header: bytes, name: str, i: int, *, last: bool) -> bytes:
    return header + struct.pack(">IB", i, last) + name.encode()


def _seal(key: bytes, data: bytes, bound: bytes) -> bytes:
    nonce = secrets.token_bytes(12)
    return nonce + AESGCM(key).encrypt(nonce, data, bound)


def _open(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    return AESGCM(key).decrypt(sealed[:12], sealed[12:], bound)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _keep_private(store: Store) -> None:
    path = store.local_path(RING_FILE)
    if path is not None:
        path.chmod(0o600)
        path.parent.chmod(0o700)


def _ring_of(raw: bytes, store: Store) -> dict[str, Any]:
    try:
        ring: dict[str, Any] = json.loads(raw)
        if ring["format"] != RING_FORMAT or ring["format_version"] != 1:
            raise ValueError("another format")
        base64.b64decode(ring["name_key"], validate=True)
        if len(base64.b64decode(ring["keys"][ring["active"]]["key"], validate=True)) != 32:
            raise ValueError("no such key")
    except (ValueError, KeyError, TypeError, binascii.Error) as e:
        raise SettingsError(
            f"the key ring {store.url}, which {SETTING} names, does not read. It was changed or cut. "
            "Bring it back from where it is kept safe; without it the archive is lost"
        ) from e
    return ring
