"""What tests of several sources compare: events fetched, and events there are."""

import json


def ref_of(source, session_id="s1"):
    return next(r for r in source.list_recordings() if r.session_id == session_id)


def events_of(draft):
    return [
        (e.window_id, e.type, e.timestamp_ms, json.loads(e.data_json))
        for e in draft.columns.events()
    ]


def expected(recording, without=()):
    found = []
    for n, block in enumerate(recording.blocks):
        if n not in without:
            for line in block.splitlines():
                window_id, event = json.loads(line)
                found.append((window_id, event["type"], event["timestamp"], event["data"]))
    return found
