"""
``assets.json``: what each address that a recording refers to served, and where it is kept.

```
<archive>/
├── recordings/…/<recording_id>/
│   └── assets.json             <- AssetMap is this file: url → Asset
└── assets/<ab>/<sha256>        the bytes, stored once for all recordings of the archive
```

Addresses are absolute, as the WHATWG URL standard writes them, without a fragment.
Normative text: ``spec/assets.md``.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec
from msgspec import Struct, field

from replayport.errors import DamagedRecordingError

ASSETS_FILE: Final = "assets.json"
ASSETS: Final = "assets/"
"""Prefix of the shared files in an archive, and of their entries in a bundle."""
ASSETS_VERSION: Final = 1

ASSET_NAME: Final = re.compile(r"assets/([0-9a-f]{2})/(\1[0-9a-f]{62})")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")

CSS_TYPE: Final = "text/css"
IMAGE_TYPES: Final = frozenset(
    {
        "image/avif",
        "image/bmp",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/svg+xml",
        "image/webp",
        "image/x-icon",
    }
)
FONT_TYPES: Final = frozenset(
    {"font/collection", "font/otf", "font/ttf", "font/woff", "font/woff2"}
)
CONTENT_TYPES: Final = frozenset({CSS_TYPE}) | IMAGE_TYPES | FONT_TYPES
"""All types there are; anything else is not stored, not embedded and not shown."""


class Asset(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one address served."""

    sha256: str
    """Of the bytes, content encoding undone."""
    bytes: int
    content_type: str
    """One of `CONTENT_TYPES`, found out from the bytes."""
    charset: str = ""
    """Of a stylesheet, as its answer named it; empty when it named none."""
    final_url: str = ""
    """Where redirects led, which relative addresses in a stylesheet start from; empty when
    there was none."""


class AssetMap(Struct, frozen=True, kw_only=True):
    """``assets.json``."""

    assets: dict[str, Asset] = field(default_factory=dict)
    """By address."""
    version: int = ASSETS_VERSION

    def to_bytes(self) -> bytes:
        """Give the file's bytes, addresses in order."""
        ordered = msgspec.structs.replace(self, assets=dict(sorted(self.assets.items())))
        return msgspec.json.format(msgspec.json.encode(ordered), indent=1) + b"\n"

    @staticmethod
    def from_bytes(data: bytes, *, key: str) -> AssetMap:
        """
        Read ``assets.json``.

        Raises:
            DamagedRecordingError: It does not parse, is of a newer version, or names
                something that is no digest or no type of ours.
        """
        try:
            found = msgspec.json.decode(data, type=AssetMap)
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            raise DamagedRecordingError(
                f"{ASSETS_FILE} of {len(data)} bytes does not parse ({type(e).__name__}). "
                "It was changed or cut. Run: replayport freeze",
                key=key,
            ) from e
        if found.version > ASSETS_VERSION:
            raise DamagedRecordingError(
                f"{ASSETS_FILE} is of version {found.version}, this package reads up to "
                f"{ASSETS_VERSION}. Upgrade replayport",
                key=key,
            )
        for asset in found.assets.values():
            if not _SHA256.fullmatch(asset.sha256) or asset.content_type not in CONTENT_TYPES:
                raise DamagedRecordingError(
                    f"{ASSETS_FILE} names an asset without a SHA-256 or of a type that is never "
                    "stored. It was changed, or made by other software",
                    key=key,
                )
        return found

    def sizes(self) -> dict[str, int]:
        """Give each file once: its SHA-256 and its bytes."""
        return {asset.sha256: asset.bytes for asset in self.assets.values()}


def asset_key(sha256: str) -> str:
    """
    Give where an asset is: ``assets/<ab>/<sha256>``.

    Raises:
        ValueError: It is no SHA-256 in lower-case hex; it must never become a path.
    """
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"a text of {len(sha256)} characters is no SHA-256")
    return f"{ASSETS}{sha256[:2]}/{sha256}"
