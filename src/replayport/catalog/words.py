"""
Text as words: the one form both databases index, so that both find alike.

```
https://Shop.example/Cart?a=1     shop example cart a 1
Größe                             x6772c3b6c39f65     UTF-8 in hex behind an x
録画                              xe98cb2 xe794bb     a word a character: no spaces tell them apart
```

Words are ``[a-z0-9]+``, so neither database's own idea of a word plays a part, and
nothing a recording or a searcher writes can be SQL or a query language. The beginning of
a word is the beginning of its hex, so looking for beginnings works in every script.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

MAX_WORD_CHARS: Final = 64
"""A word is cut to this: longer ones are tokens and hashes nobody types."""

MAX_TERMS: Final = 16
"""Terms of a search; more are left out."""

FIELDS: Final = ("urls", "titles", "console", "clicked")
"""What of a recording is searched."""

MAX_WORDS: Final[Mapping[str, int]] = {
    "urls": 4000,
    "titles": 1000,
    "console": 6000,
    "clicked": 4000,
}
"""Words kept of each field. Together they are fewer than PostgreSQL has positions (16,383)."""

_WORD: Final = re.compile(
    # Scripts written without spaces, a character a word; then runs of letters and digits.
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
    "|[^\\W_\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]+"
)
_TERM: Final = re.compile(r'"([^"]*)"?|(\S+)')


@dataclass(frozen=True, slots=True)
class SearchText:
    """What of one recording can be searched for, as words separated by spaces."""

    urls: str = ""
    titles: str = ""
    console: str = ""
    clicked: str = ""

    @classmethod
    def of(cls, texts: Mapping[str, Iterable[str]]) -> SearchText:
        """
        Make it of texts.

        Args:
            texts: By one of `FIELDS`; a text that comes again is left out.
        """
        made = {}
        for name in FIELDS:
            found: list[str] = []
            for text in dict.fromkeys(texts.get(name, ())):
                found += words(text, limit=MAX_WORDS[name] - len(found))
                if len(found) >= MAX_WORDS[name]:
                    break
            made[name] = " ".join(found)
        return cls(**made)


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that must occur: words in a row, in one field."""

    words: tuple[str, ...]
    is_prefix: bool
    """The last word may be the beginning of one."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a search asks for: all terms."""

    terms: tuple[Term, ...]
    fields: tuple[str, ...] = field(default=FIELDS)


def words(text: str, *, limit: int = 1_000_000) -> list[str]:
    """Give the words of a text, the first ones when there are more than ``limit``."""
    found: list[str] = []
    if limit <= 0:
        return found
    # Before as well: what is a capital only after normalising is folded too (bold letters).
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    for match in _WORD.finditer(folded):
        word = match[0][:MAX_WORD_CHARS]
        if not word.isascii():
            word = "x" + word.encode("utf-8", "replace").hex()
        found.append(word)
        if len(found) >= limit:
            break
    return found


def parse_query(text: str, fields: Iterable[str] = FIELDS) -> Query:
    """
    Read what somebody typed into a search box.

    Args:
        text: Terms, separated by spaces: each must occur. Within one, words stand in a row
            (``shop.example/cart``), and the last may be cut short. In double quotes: these
            words in a row, none cut short.
        fields: Of `FIELDS`, where to look; a term is found within one of them.

    Returns:
        Without terms when the text has no word.

    Raises:
        ValueError: A field is none.
    """
    chosen = tuple(dict.fromkeys(fields))
    if unknown := [f for f in chosen if f not in FIELDS]:
        raise ValueError(f"search in {unknown[0]!r} is not known. Use {', '.join(FIELDS)}")
    terms: list[Term] = []
    for match in _TERM.finditer(text):
        quoted, bare = match[1], match[2]
        found = tuple(words(quoted if bare is None else bare, limit=64))
        if found:
            terms.append(Term(found, is_prefix=bare is not None))
        if len(terms) >= MAX_TERMS:
            break
    return Query(tuple(terms), chosen or FIELDS)
