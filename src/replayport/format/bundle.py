"""
The bundle, ``*.replay.zip``: one recording as one file that travels.

```
<id>.replay.zip                 ZIP, every entry stored, so that byte ranges of the
├── manifest.json               zip are byte ranges of the files: a player reads
├── events.parquet              events.parquet by range from static hosting
├── analytics.parquet           (when there are any)
└── assets/<ab>/<sha256>        (when frozen)
```

Entries carry a fixed date, so equal recordings make equal bundles.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from typing import Final

from replayport.errors import DamagedRecordingError, SourceDataError
from replayport.format.assets import ASSETS_FILE, AssetMap, asset_key
from replayport.format.schema import EVENTS_FILE, MANIFEST_FILE
from replayport.limits import MAX_RECORDING_BYTES
from replayport.outcomes import RejectReason
from replayport.posthog.exports import ZIP_ERRORS
from replayport.recording import Manifest

BUNDLE_SUFFIX: Final = ".replay.zip"

_DATE: Final = (1980, 1, 1, 0, 0, 0)
_FILE_NAME: Final = re.compile(r"[a-z0-9_-]+\.(parquet|json|webp)|assets/[0-9a-f]{2}/[0-9a-f]{64}")


def write_bundle(manifest: Manifest, files: Mapping[str, bytes]) -> bytes:
    """
    Make a bundle.

    Args:
        manifest: The recording's.
        files: What the manifest lists, and the assets that ``assets.json`` names, by name.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as zip_:
        for name, data in [(MANIFEST_FILE, manifest.to_bytes()), *sorted(files.items())]:
            info = zipfile.ZipInfo(name, _DATE)
            info.external_attr = 0o644 << 16
            zip_.writestr(info, data)
    return out.getvalue()


def is_bundle(names: list[str]) -> bool:
    """Tell whether a zip with these entries is a bundle."""
    return MANIFEST_FILE in names and EVENTS_FILE in names


def read_bundle(
    data: bytes, *, max_bytes: int = MAX_RECORDING_BYTES
) -> tuple[Manifest, dict[str, bytes]]:
    """
    Read a bundle into memory; nothing in it can name a place to write to.

    Returns:
        The manifest, and the files it lists with the assets that ``assets.json`` names, each
        checked against its digest.

    Raises:
        SourceDataError: Not a bundle, damaged, or larger than ``max_bytes``.
        RecordingError: The manifest does not read.
    """
    try:
        zip_ = zipfile.ZipFile(io.BytesIO(data))
        manifest_info = zip_.getinfo(MANIFEST_FILE)
        if manifest_info.file_size > 64 * 2**20:
            raise SourceDataError("the manifest is too large", reason=RejectReason.TOO_LARGE)
        manifest = Manifest.from_bytes(zip_.read(manifest_info), key=MANIFEST_FILE)
        if sum(i.file_size for i in zip_.infolist()) > max_bytes:
            raise SourceDataError(
                f"the bundle's files are larger than {max_bytes} bytes together",
                reason=RejectReason.TOO_LARGE,
            )
        files = {}
        for name, info in manifest.files.items():
            if not _FILE_NAME.fullmatch(name):
                raise SourceDataError(
                    "the manifest lists a file whose name is not one a recording has",
                    reason=RejectReason.INVALID_ZIP,
                )
            with zip_.open(name) as file:
                content = file.read(info.bytes + 1)
            if hashlib.sha256(content).hexdigest() != info.sha256:
                raise SourceDataError(
                    f"{name} in the bundle does not match its digest. It was changed or cut",
                    reason=RejectReason.INVALID_ZIP,
                )
            files[name] = content
        if ASSETS_FILE in files:
            files |= _assets(zip_, AssetMap.from_bytes(files[ASSETS_FILE], key=ASSETS_FILE))
    except DamagedRecordingError as e:
        if e.key != ASSETS_FILE:
            raise
        raise SourceDataError(str(e), reason=RejectReason.INVALID_ZIP) from e
    except ZIP_ERRORS as e:
        raise SourceDataError(
            f"a zip of {len(data)} bytes does not read as a bundle ({type(e).__name__})",
            reason=RejectReason.INVALID_ZIP,
        ) from e
    return manifest, files


def _assets(zip_: zipfile.ZipFile, assets: AssetMap) -> dict[str, bytes]:
    found = {}
    for sha256, size in assets.sizes().items():
        name = asset_key(sha256)
        with zip_.open(name) as file:
            content = file.read(size + 1)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise SourceDataError(
                f"{name} in the bundle does not match its digest. It was changed or cut",
                reason=RejectReason.INVALID_ZIP,
            )
        found[name] = content
    return found
