"""
Tells the forms of JSON text apart by their structure, never by the words in them.

A recording can hold any word, the key names of other forms among them. So a form is told
by the keys of the first objects of the text, wherever those are::

    [{"type", "timestamp"}...]                  EVENTS       rrweb array
    {"type", "timestamp"}                       EVENTS       one event
    ["window", {...}]                           LINES        PostHog lines, also {event} and
    {"window_id", "data"}                                    [event...] a line
    {"snapshot_data"}                           CHUNKS       rows of the ClickHouse era
    {"path", "body" | "body_file" | "method"}   REQUESTS     recorded HTTP requests
    {"event", "properties"}, {"batch": [...]}   CAPTURE      capture bodies
    anything else                               DOCUMENT     `legacy.read_document` decides

Each can stand alone, in an array, or one a line. One bad item at the start does not
hide the form of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from enum import Enum, auto
from itertools import islice
from typing import Final, NamedTuple

from replayport.errors import SourceDataError
from replayport.posthog.legacy import is_sentry_segment
from replayport.rrweb.raw import (
    is_array,
    is_object,
    is_string,
    iter_array,
    split_array,
    split_object,
)

LOOKED_AT: Final = 32
"""Items or lines looked at before a text is taken to be of no known form."""

MAX_HEADER_BYTES: Final = 64 * 2**10
"""A Sentry segment's header line has about twenty."""


class Form(Enum):
    """What kind of things a JSON text holds."""

    EVENTS = auto()
    LINES = auto()
    CHUNKS = auto()
    REQUESTS = auto()
    CAPTURE = auto()
    DOCUMENT = auto()


class Shape(NamedTuple):
    """What a JSON text holds, and how it is laid out."""

    form: Form
    lines: bool
    """One JSON value a line, and more than one line."""


def shape_of(body: bytes) -> Shape | None:
    """
    Tell the form of a text.

    Args:
        body: UTF-8 without byte order mark and surrounding whitespace.

    Returns:
        None when neither the text nor any of its first lines is JSON of a known form.
    """
    newline = body.find(b"\n")
    if 0 < newline <= MAX_HEADER_BYTES and is_sentry_segment(body[: newline + 1]):
        return Shape(Form.DOCUMENT, lines=False)
    if newline > 0 and _is_whole(body[:newline].rstrip()):
        return Shape(_form_of_lines(_first_lines(body)) or Form.LINES, lines=True)
    if is_array(body):
        items, damaged = _first_items(body)
        if damaged and newline > 0 and (of_lines := _form_of_lines(_first_lines(body))):
            return Shape(of_lines, lines=True)  # lines, and the first of them was cut
        return Shape(_form_of_items(items), lines=False)
    if is_object(body):
        with suppress(SourceDataError):
            members = split_object(body)
            return Shape(_form_of_object(members) or Form.DOCUMENT, lines=False)
    # A log whose first line was cut off, or damaged.
    form = _form_of_lines(_first_lines(body))
    return None if form is None else Shape(form, lines=True)


def _first_lines(body: bytes) -> Iterator[bytes]:
    start = 0
    for _ in range(LOOKED_AT):
        end = body.find(b"\n", start)
        if end < 0:
            yield body[start:].strip()
            return
        yield body[start:end].strip()
        start = end + 1


def _is_whole(line: bytes) -> bool:
    """Tell whether a line is a JSON array or object by itself."""
    if line[-1:] not in (b"]", b"}"):  # cheap: lines of an indented document end otherwise
        return False
    try:
        (split_array if is_array(line) else split_object)(line)
    except SourceDataError:
        return False
    return True


def _form_of_lines(lines: Iterable[bytes]) -> Form | None:
    for line in lines:
        if not _is_whole(line):
            continue
        if is_object(line):
            members = split_object(line)
            found = _form_of_object(members)
            if found is Form.EVENTS or (found is None and _is_window_line(members)):
                return Form.LINES
        else:
            found = _form_of_items(_first_items(line)[0])
            if found in (Form.EVENTS, Form.LINES):
                return Form.LINES
        if found is not None:
            return found
    return None


def _first_items(body: bytes) -> tuple[list[bytes], bool]:
    """Give the first items of an array, and whether damage ended them early."""
    items: list[bytes] = []
    try:
        items.extend(islice(iter_array(body), LOOKED_AT))
    except SourceDataError:
        return items, True
    return items, False


def _form_of_items(items: list[bytes]) -> Form:
    if len(items) == 2 and not is_object(items[0]) and is_object(items[1]):
        return Form.LINES
    for item in items:
        if is_string(item) or is_array(item):
            return Form.DOCUMENT  # packed events, or lines in an array
        if is_object(item):
            with suppress(SourceDataError):
                found = _form_of_object(members := split_object(item))
                if found is None and _is_window_line(members):
                    return Form.DOCUMENT
                if found is not None:
                    return found
    return Form.EVENTS if any(map(is_object, items)) else Form.DOCUMENT


def _form_of_object(members: dict[str, bytes]) -> Form | None:
    # The type is a number: capture events of mobile SDKs have these two keys as well.
    if "timestamp" in members and members.get("type", b"")[:1].isdigit():
        return Form.EVENTS
    if "snapshot_data" in members:
        return Form.CHUNKS
    if "path" in members and not members.keys().isdisjoint(("body", "body_file", "method")):
        return Form.REQUESTS
    if "event" in members and "properties" in members:
        return Form.CAPTURE
    if is_array(members.get("batch", b"")):
        return Form.CAPTURE
    data = members.get("data", b"")
    if not members.keys().isdisjoint(("api_key", "token")) and data:
        return Form.CAPTURE
    if is_array(data) and len(members) == 1:
        found = _form_of_items(_first_items(data)[0])
        return Form.CAPTURE if found is Form.CAPTURE else None
    return None


def _is_window_line(members: dict[str, bytes]) -> bool:
    return "data" in members and not members.keys().isdisjoint(("window_id", "windowId"))
