"""
Detectors against a labelled set that is made here: precision and recall of each.

```
values of each kind (made, with valid check digits) ┐
                                                    ├─ in sentences, addresses, JSON, encoded ─> found?
look-alikes (ids, versions, times, prices, paths …) ┘
```

Half of the texts hold a value, half a look-alike. A value is found when the hits cover it; a
hit in a look-alike is false, whichever detector it is of. The same set on every run.
"""

from __future__ import annotations

import base64
import random
import string
import sys
import uuid
from collections import Counter
from pathlib import Path
from typing import Final
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from common import console, save, table
from tests.support.planted import KINDS, alnum, secret_part, word

from replayport.redact.detectors import DETECTORS, Scanner
from replayport.redacting import load_profile

A_KIND: Final = 200

FRAMES: Final = (
    "{}",
    "see {} there",
    "<{}>",
    '{{"note":"{}"}}',
    "Call: {}, thanks.",
    "https://shop.example/?q={}",
    "({})",
    "Kontakt: {}, Grüße",
)


def encodings(rng: random.Random, value: str) -> str:
    return rng.choice(
        (
            value,
            value,
            value,
            quote(value, safe=""),
            "".join(f"&#{ord(c)};" for c in value),
            base64.b64encode(f"the value is {value} here".encode()).decode(),
        )
    )


def digits(rng: random.Random, n: int) -> str:
    return "".join(rng.choice(string.digits) for _ in range(n))


def look_alikes(rng: random.Random) -> list[str]:
    return [
        str(rng.randint(1_600_000_000_000, 1_800_000_000_000)),
        str(rng.randint(1_600_000_000, 1_800_000_000)),
        str(uuid.UUID(int=rng.getrandbits(128))),
        f"v{rng.randint(1, 20)}.{rng.randint(0, 30)}.{rng.randint(0, 9)}",
        f"Chrome/{rng.randint(90, 140)}.0.0.0 Safari/537.36",
        f"2024-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d} 10:{rng.randint(10, 59)}:20",
        f"{rng.randint(1, 999)},{rng.randint(100, 999)}.{rng.randint(10, 99)} EUR",
        f"order #{digits(rng, 9)}",
        f"{word(rng)}@2x.png",
        f"{word(rng)}@{rng.randint(1, 9)}.{rng.randint(0, 30)}.{rng.randint(0, 9)}",
        f"main.{''.join(rng.choice('0123456789abcdef') for _ in range(20))}.js",
        f"M{rng.randint(1, 99)}.{rng.randint(1, 9)} {rng.randint(100, 999)} {rng.randint(100, 999)}z",
        f"{word(rng)}-{word(rng)}-{word(rng)}-{word(rng)}",
        f"Password: {word(rng, 8)}",
        f"{rng.randint(1, 12)}:{rng.randint(10, 59)}:{rng.randint(10, 59)}",
        f"0.{digits(rng, 16)}",
        f"sha256-{alnum(rng, 40)}=",
        f"{digits(rng, 5)}-{digits(rng, 4)}",
        f"page {rng.randint(1, 9)} of {rng.randint(10, 99)}",
        f"{rng.randint(1, 99)}/{rng.randint(1, 99)} {word(rng)}",
    ]


def main() -> None:
    rng = random.Random(20)
    names = list(DETECTORS)
    profile = load_profile("gdpr")
    found: Counter[str] = Counter()
    made: Counter[str] = Counter()
    known: dict[str, list[str]] = {"name": [], "distinct id": []}
    texts: list[tuple[str, str, str]] = []
    for kind, make in KINDS.items():
        for _ in range(A_KIND):
            value = make(rng)
            known.setdefault(kind, []).append(value)
            encoded = encodings(rng, value)
            texts.append((kind, secret_part(kind, value), rng.choice(FRAMES).format(encoded)))
    scanner = Scanner(
        names,
        regions=profile.phone_regions,
        known=[*known["name"], *known["distinct id"]],
    )
    for kind, _value, text in texts:
        made[kind] += 1
        hits = scanner.find(text)
        covered = sum(h.end - h.start for h in hits)
        needed = len(_value) if _value in text else 12
        found[kind] += covered >= needed
    false: Counter[str] = Counter()
    quiet = 0
    for _ in range(A_KIND):
        for text in look_alikes(rng):
            for frame in rng.sample(FRAMES, 1):
                quiet += 1
                false.update({h.kind for h in scanner.find(frame.format(text))})
    rows = [
        {
            "kind": kind,
            "texts": made[kind],
            "found": found[kind],
            "recall": f"{found[kind] / made[kind]:.3f}",
        }
        for kind in KINDS
    ]
    table("recall, by kind of value", list(rows[0]), [list(r.values()) for r in rows])
    total_false = false.total()
    precision = found.total() / (found.total() + total_false)
    rows_false = [{"detector": k, "false": n} for k, n in false.most_common()] or [
        {"detector": "none", "false": 0}
    ]
    table(
        f"false finds in {quiet} look-alikes",
        list(rows_false[0]),
        [list(r.values()) for r in rows_false],
    )
    console.print(
        f"recall {found.total() / made.total():.4f}, precision {precision:.4f} "
        f"({made.total()} values, {quiet} look-alikes)"
    )
    save(
        "detectors",
        [
            {**r, "look_alikes": quiet, "false": total_false, "precision": f"{precision:.4f}"}
            for r in rows
        ],
    )


if __name__ == "__main__":
    main()
