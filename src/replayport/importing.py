"""Files into the archive: the loop behind ``replayport import``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from replayport.archive import Archive
from replayport.errors import (
    CatalogError,
    ErasedRecordingError,
    RecordingError,
    SourceDataError,
    StoreError,
)
from replayport.limits import MAX_RECORDING_BYTES
from replayport.outcomes import Rejected, RejectReason, Report
from replayport.sources.files import BundleFile, expand, read_files


def import_paths(
    paths: Iterable[Path],
    archive: Archive,
    *,
    project: str = "imported",
    replace: bool = False,
    max_recording_bytes: int = MAX_RECORDING_BYTES,
    on_file: Callable[[str], None] = lambda _: None,
) -> Report:
    """
    Import every recording found in files and folders.

    Args:
        paths: What to import.
        archive: Where to.
        project: Project of recordings that name none.
        replace: Write over recordings that are there.
        max_recording_bytes: Largest decoded recording.
        on_file: Called with each file's name, for progress.

    Returns:
        What became of each: a file that holds nothing usable is a rejected item, and
        the others are imported all the same.
    """
    report = Report()
    for files in expand(paths):
        what = str(files[0] if len(files) == 1 else files[0].parent)
        on_file(what)
        try:
            for found in read_files(
                files, project=project, max_recording_bytes=max_recording_bytes
            ):
                try:
                    if isinstance(found, BundleFile):
                        recording_id = found.manifest.id
                        written = archive.write_files(found.manifest, found.files, replace=replace)
                    else:
                        outcome = archive.write(found, replace=replace)
                        recording_id, written = outcome.id, outcome.written
                        report.findings.update(outcome.findings)
                except ErasedRecordingError as e:  # the others of the file are imported
                    report.rejected.append(Rejected(what, RejectReason.ERASED, str(e)))
                    continue
                (report.written if written else report.already_there).append(recording_id)
        except SourceDataError as e:
            report.rejected.append(Rejected(what, RejectReason(e.reason), str(e)))
        except (StoreError, CatalogError, RecordingError) as e:
            # A RecordingError is of the one that is there already and does not read.
            report.rejected.append(Rejected(what, RejectReason.STORE_FAILED, str(e)))
    return report
