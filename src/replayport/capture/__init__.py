"""
Capture: what unmodified posthog-js sends, kept durably, sealed into the archive.

```
HTTP → routes.py (protocol) → inbox.py (on disk before the answer) → seal.py → archive
```
"""
