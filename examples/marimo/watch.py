"""Choose a recording, watch it, see what the visitor did: `marimo run watch.py`."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Watch recordings")


@app.cell
def _():
    import marimo as mo

    import replayport as rp
    from replayport.demo import RECORDINGS_FOLDER
    from replayport.importing import import_paths

    # Your own: archive = rp.open("s3://bucket/replays")
    archive = rp.Archive.open("notebook-replays", create=True)
    _ = import_paths(sorted(RECORDINGS_FOLDER.glob("*.jsonl.zst")), archive)
    return archive, mo


@app.cell
def _(archive, mo):
    table = archive.recordings().pandas().sort_values("time", ascending=False)
    labels = {
        f"{row.time:%d %b %H:%M} · {row.duration_ms / 1000:.0f} s · {row.first_url}": (
            row.recording_id
        )
        for row in table.itertuples()
    }
    choice = mo.ui.dropdown(labels, value=next(iter(labels)), label="Recording", full_width=True)
    choice  # noqa: B018  # what a cell ends with is shown
    return (choice,)


@app.cell
def _(archive, choice):
    recording = archive.recording(choice.value)
    recording.play()
    return (recording,)


@app.cell
def _(mo, recording):
    actions = recording.actions().pandas()
    mo.ui.table(actions[["offset_ms", "kind", "text"]], selection=None, page_size=20)
    return (actions,)


if __name__ == "__main__":
    app.run()
