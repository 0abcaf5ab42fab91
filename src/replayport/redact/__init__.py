"""
Redaction: events in, events out, without what must not stay.

```
profiles/*.toml ── rules.py    Profile: what to look for and what to do with it
                   detectors.py  e-mail, card, token … in bytes, with check digits
                   views.py      the same text behind percent, entities, base64, escapes
                   masking.py    what takes the place: same width, line breaks kept
                   apply.py      Redactor: one recording, every place text can hide
                   wireframe.py  a recording as boxes and lines, without a recorded word
                   report.py     what was found, by rule and place, never the value
```

Nothing here touches a file, a socket or the clock. What it can promise and what it cannot
is in docs/explanation/redaction.md.
"""

from replayport.redact.apply import Redactor
from replayport.redact.report import Finds
from replayport.redact.rules import Profile, ProfileError

__all__ = ["Finds", "Profile", "ProfileError", "Redactor"]
