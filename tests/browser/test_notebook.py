"""A recording in an executed notebook: it plays, in a frame that reaches nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from tests.browser.conftest import Watched
from tests.browser.recordings import parquet, shop

from replayport.archive import Archive
from replayport.draft import RecordingDraft
from replayport.posthog.lines import EventDecoder

pytestmark = pytest.mark.browser

CELL = """\
import replayport as rp
rp.open("replays").recording("p/s-1").play()
"""


def make_archive(folder: Path) -> None:
    import io

    import pyarrow.parquet as pq

    decoder = EventDecoder()
    table = pq.read_table(io.BytesIO(parquet(shop())))
    for row in table.sort_by("seq").to_pylist():
        line = f'{{"type":{row["type"]},"data":{row["data"]},"timestamp":{row["timestamp_ms"]}}}'
        decoder.feed(row["window_id"], line.encode())
    with Archive.open(folder, create=True) as archive:
        archive.write(
            RecordingDraft(
                project="p", session_id="s-1", columns=decoder.columns, source={"kind": "test"}
            )
        )


def executed_page(folder: Path) -> str:
    """
    Run a notebook and give it as a page.

    In a process of its own: while Playwright is open, no other event loop can run here.
    """
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    nbformat.write(notebook, folder / "play.ipynb")
    code = (
        "import nbformat, nbconvert, nbclient;"
        "n = nbformat.read('play.ipynb', 4);"
        "nbclient.NotebookClient(n, timeout=120).execute();"
        "page, _ = nbconvert.HTMLExporter(template_name='basic').from_notebook_node(n);"
        "open('play.html', 'w', encoding='utf-8').write(page)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True)
    return (folder / "play.html").read_text("utf-8")


def test_plays_in_a_frame_that_reaches_nothing(watched: Watched, tmp_path: Path) -> None:
    make_archive(tmp_path / "replays")
    page = executed_page(tmp_path)
    assert "<script" not in page  # none of it outside the frame
    watched.page.context.set_offline(True)
    watched.open((tmp_path / "play.html").as_uri())
    watched.until_text("second 0")
    outer = next(f for f in watched.page.frames if f.parent_frame is watched.page.main_frame)
    assert outer.evaluate("self.origin") == "null"
    assert (
        outer.evaluate(
            "(() => { try { return parent.document.title } catch (e) { return e.name } })()"
        )
        == "SecurityError"
    )
    assert watched.page.evaluate("document.scripts.length") == 0
    assert watched.requests == []
    assert watched.complaints == []
