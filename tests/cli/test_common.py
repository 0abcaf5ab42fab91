"""Printing: safe on a terminal, equal as JSON."""

from __future__ import annotations

import json

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from replayport.cli.common import (
    duration,
    print_json,
    printable,
    progress_bar,
    shown,
    size,
    time_option,
    when,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(ANY_TEXT)
def test_printable_holds_nothing_a_terminal_obeys(text):
    safe = printable(text)
    assert all(c.isprintable() or ord(c) >= 0xA0 for c in safe)
    assert not any("\ud800" <= c <= "\udfff" for c in safe)
    safe.encode("utf-8")
    assert printable(safe) == safe


@given(st.text(st.characters(categories=["L", "N", "P", "Zs", "S"])))
def test_printable_leaves_text_alone(text):
    assert printable(text) == text


@given(ANY_TEXT)
def test_markup_is_text(text):
    from rich.text import Text

    printed = Text.from_markup(shown(text), emoji=False)
    assert printed.spans == []
    # Rich drops a backslash before a bracket that is no tag; nothing else is lost.
    assert printed.plain.replace("\\", "") == printable(text).replace("\\", "")


@given(st.dictionaries(ANY_TEXT, ANY_TEXT | st.integers() | st.none(), max_size=4))
def test_json_is_equal_and_safe(document):
    import contextlib
    import io

    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(out):
        print_json(document)
    text = out.buffer.getvalue().decode("utf-8")
    assert json.loads(text) == document
    assert not set(text) & {"\x1b", "\x07", "\x7f", "\x9b", "\u202e", "\r"}


def test_times_of_options():
    assert time_option(None, "--since") is None
    assert time_option("1970-01-02", "--since") == 86_400_000
    with pytest.raises(typer.BadParameter, match="2026-11-01"):
        time_option("soon", "--since")


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "0.0 s"), (3210, "3.2 s"), (245_000, "4:05"), (3_723_000, "1:02:03")]
)
def test_durations(ms, text):
    assert duration(ms) == text


@pytest.mark.parametrize(
    ("n", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2 * 10**12, "2.0 TB")]
)
def test_sizes(n, text):
    assert size(n) == text


@pytest.mark.parametrize("ms", [0, 1_790_000_000_000, -(10**12), 10**17, -(10**17)])
def test_any_time_is_shown(ms):
    assert when(ms)


def test_progress_is_silent_on_a_pipe(capsys):
    with progress_bar("working", 3) as advance:
        advance(1, "a [red] thing \x1b")
        advance()
    assert capsys.readouterr() == ("", "")
