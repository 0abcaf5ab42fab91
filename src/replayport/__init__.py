"""
replayport: own, play, share and analyse every session replay.

The names below are promised; everything else can be imported but may move.
"""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as _version

try:
    __version__ = _version("replayport")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0"

from replayport.archive import Archive
from replayport.draft import RecordingDraft
from replayport.errors import ReplayError
from replayport.format.reader import Recording
from replayport.recording import Manifest, Window
from replayport.rrweb.events import Event

open = Archive.open  # noqa: A001 - `replayport.open(url)` reads as what it does

__all__ = [
    "Archive",
    "Event",
    "Manifest",
    "Recording",
    "RecordingDraft",
    "ReplayError",
    "Window",
    "__version__",
    "open",
]
