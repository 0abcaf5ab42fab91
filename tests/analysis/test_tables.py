"""Actions as an Arrow table."""

from __future__ import annotations

import dataclasses

from tests.support.visits import Visit

from replayport.analysis.actions import Action
from replayport.analysis.tables import ACTIONS_SCHEMA, actions_table


def test_one_row_an_action():
    actions = Visit("<button>Pay</button>").click("button").log().actions
    table = actions_table(actions)
    assert table.schema == ACTIONS_SCHEMA
    assert table.num_rows == 2
    assert table["kind"].to_pylist() == ["navigate", "click"]
    assert table.slice(1).to_pylist()[0] == {
        **dataclasses.asdict(actions[1]),
        "kind": "click",
    }


def test_the_schema_is_the_action():
    assert ACTIONS_SCHEMA.names == [
        f.name
        for f in sorted(
            dataclasses.fields(Action), key=lambda f: ACTIONS_SCHEMA.names.index(f.name)
        )
    ]
    assert set(ACTIONS_SCHEMA.names) == {f.name for f in dataclasses.fields(Action)}


def test_no_action_is_an_empty_table():
    assert actions_table([]).schema == ACTIONS_SCHEMA


def test_lone_surrogates_are_replaced():
    action = Visit("<p></p>").log().actions[0]
    table = actions_table([dataclasses.replace(action, text="a\ud800b")])
    assert table["text"].to_pylist() == ["a\ufffdb"]
