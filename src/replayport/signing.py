"""
Signatures on receipts: Ed25519, one key an installation.

```
<config folder>/replayport/signing-key.pem     private, readable by its owner only
<archive>/receipts/keys/<fingerprint>.pem      public, put there with the first signature
```

The private key never enters the archive: who can write to the store can delete a receipt,
but not make one.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from replayport.errors import SettingsError

KEY_FILE: Final = "signing-key.pem"
PUBLIC_KEYS: Final = "receipts/keys/"
SIGNATURE: Final = "signature"
"""Field of a signed document that is not itself signed."""


def config_folder() -> Path:
    """Say where an installation's own keys are: the user's config folder."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "replayport"


def signing_key(chosen: str) -> Path:
    """Say where the installation's key is: the setting ``signing_key``, or the usual place."""
    return Path(chosen) if chosen else config_folder() / KEY_FILE


class Signer:
    """Signs with the installation's key. Make one with `load`."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def load(cls, path: Path) -> Signer:
        """
        Read the key; make one when there is none.

        Args:
            path: Of the PEM file.

        Raises:
            SettingsError: It cannot be read or made, or is another kind of key.
        """
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return cls(_make(path))
        except OSError as e:
            raise SettingsError(
                f"the signing key {path} cannot be read: {e.strerror}. Name another with the "
                "setting signing_key"
            ) from e
        try:
            key = load_pem_private_key(raw, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as e:
            raise SettingsError(
                f"the signing key {path} does not read ({type(e).__name__}). Bring it back from a "
                "backup, or move it away and a new one is made"
            ) from e
        if not isinstance(key, Ed25519PrivateKey):
            raise SettingsError(
                f"the signing key {path} is no Ed25519 key. Name another with the setting "
                "signing_key"
            )
        return cls(key)

    @property
    def public_key(self) -> bytes:
        """The public key's 32 bytes."""
        return self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def public_pem(self) -> bytes:
        """The public key as PEM."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Give a JSON document with its ``signature``."""
        signed = {k: v for k, v in document.items() if k != SIGNATURE}
        public = base64.b64encode(self.public_key).decode()
        signed["signed_by"] = {"public_key": public, "fingerprint": fingerprint(self.public_key)}
        signature = self._key.sign(canonical(signed))
        return {**signed, SIGNATURE: base64.b64encode(signature).decode()}


def check(document: Mapping[str, Any]) -> str | None:
    """
    Check a signed document against the key it names.

    Returns:
        The key's fingerprint, for the caller to compare with one it trusts; None when the
        signature is missing or does not fit.
    """
    try:
        public = base64.b64decode(document["signed_by"]["public_key"], validate=True)
        signature = base64.b64decode(document[SIGNATURE], validate=True)
        signed = {k: v for k, v in document.items() if k != SIGNATURE}
        Ed25519PublicKey.from_public_bytes(public).verify(signature, canonical(signed))
    except (KeyError, TypeError, ValueError, InvalidSignature):
        return None
    return fingerprint(public)


def canonical(document: Mapping[str, Any]) -> bytes:
    """Give the bytes that are signed: JSON, keys sorted, no spaces, UTF-8."""
    return msgspec.json.encode(document, order="deterministic")


def fingerprint(public_key: bytes) -> str:
    """Give what a public key is known by: the first 32 hex digits of its SHA-256."""
    return hashlib.sha256(public_key).hexdigest()[:32]


def _make(path: Path) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
    except FileExistsError:  # another process was first
        other = load_pem_private_key(path.read_bytes(), password=None)
        assert isinstance(other, Ed25519PrivateKey)
        return other
    except OSError as e:
        raise SettingsError(
            f"the signing key {path} cannot be made: {e.strerror}. Name another place with the "
            "setting signing_key"
        ) from e
    return key
