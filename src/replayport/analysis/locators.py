"""
How to find an element again: the most lasting thing that tells it from all others now.

```
testid=add-to-cart              a test id of the team's own
role=button[name="Pay"]         what it is and is called, as Playwright's getByRole
label="Email"                   a field by its label
placeholder="Search"
css=#total                      an id that was not made by a machine
text="Show more"                the text in it
css=main > ul > li:nth-of-type(2)
```

The first that fits this element alone, at this instant, is taken. ``role=`` and ``css=``
are Playwright selectors as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from replayport.rrweb.mirror import Mirror, accessible, css
from replayport.rrweb.mirror.index import MAX_TEXT_CHARS, TEST_ID_ATTRIBUTES

MAX_LOCATOR_NAME_CHARS: Final = 120
"""Longer names say too much about the content to last."""

MAX_SAME_ROLE: Final = 2000
"""Elements of one role whose names are compared; with more of them a name is not tried."""

_MADE_UP: Final = re.compile(
    r"\d{2}|[:.]|[0-9a-f]{8}|^(?:radix|headlessui|react|mui|ember|ext)\b", re.IGNORECASE
)
"""What ids look like that a program counted or drew."""


def locator(mirror: Mirror, node_id: int) -> str:
    """
    Give a locator of an element that fits no other element at this instant.

    Args:
        mirror: The page.
        node_id: Id of an element; for a text its parent's locator is given.
    """
    if not mirror.tag(node_id):
        parent = mirror.parent(node_id)
        return "" if parent is None or not mirror.tag(parent) else locator(mirror, parent)
    found = next(_candidates(mirror, node_id), None)
    return f"css={mirror.path(node_id)}" if found is None else found


def _candidates(mirror: Mirror, node_id: int) -> Iterator[str]:
    index = mirror.index
    for attribute in TEST_ID_ATTRIBUTES:
        value = mirror.attribute(node_id, attribute)
        if value and index.by_attribute(attribute, value) == [node_id]:
            if attribute == TEST_ID_ATTRIBUTES[0]:
                yield f"testid={value}"
            else:
                yield f"css=[{attribute}={json.dumps(value, ensure_ascii=False)}]"
    role, name = mirror.role(node_id), mirror.name(node_id)
    usable = 0 < len(name) <= MAX_LOCATOR_NAME_CHARS
    if role is not None and usable and index.is_only(node_id, role, name, most=MAX_SAME_ROLE):
        yield f"role={role}[name={json.dumps(name, ensure_ascii=False)}]"
    if usable and (labels := accessible.labels(mirror, node_id)) and len(labels) == 1:
        text = mirror.name(labels[0])
        if text and _is_only_label(mirror, labels[0], text):
            yield f"label={json.dumps(text, ensure_ascii=False)}"
    placeholder = mirror.attribute(node_id, "placeholder")
    if placeholder and index.by_attribute("placeholder", placeholder) == [node_id]:
        yield f"placeholder={json.dumps(placeholder, ensure_ascii=False)}"
    own = mirror.attribute(node_id, "id")
    if own and not _MADE_UP.search(own) and index.by_attribute("id", own) == [node_id]:
        yield f"css=#{css.escape(own)}"
    kids = mirror.kids(node_id)
    if len(kids) == 1 and isinstance(said := kids[0].get("textContent"), str):
        said = said.strip()
        if 0 < len(said) <= MAX_TEXT_CHARS and index.by_text(said) == [kids[0]["id"]]:
            yield f"text={json.dumps(said, ensure_ascii=False)}"


def _is_only_label(mirror: Mirror, label_id: int, text: str) -> bool:
    first = next(
        (k for k in mirror.walk(label_id) if str(k.get("textContent") or "").strip()), None
    )
    if first is None:
        return False
    said = str(first["textContent"]).strip()
    if len(said) > MAX_TEXT_CHARS:
        return False
    return all(
        i == first["id"]
        or not any(mirror.tag(a) == "label" and mirror.name(a) == text for a in mirror.ancestors(i))
        for i in mirror.index.by_text(said)
    )
