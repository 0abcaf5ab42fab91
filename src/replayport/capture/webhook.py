"""
Tells one address of every recording sealed: signed, kept on disk, tried again.

```
POST <webhook_url>
X-Replayport-Signature: t=<epoch seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>">
{"event": "recording.sealed", "id": …, "recording": {…}, "replay_url": …}
```

A message is on disk before the sealed session's requests are forgotten, so a crash loses
none; a recording that grows is told of again, with another ``id``. The receiver may get a
message twice and recognises it by its ``id``. Addresses of private networks are refused
unless allowed: whoever may change the setting must not thereby reach what only this
machine can.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import threading
import time
from collections.abc import Callable
from typing import Final, Self
from urllib.parse import quote, urlsplit

import msgspec

from replayport.assets.fetch import Fetcher, MissReason
from replayport.catalog.accounts import Accounts, Outgoing
from replayport.errors import CatalogError, SettingsError
from replayport.recording import Manifest

SIGNATURE_HEADER: Final = "X-Replayport-Signature"
FIRST_WAIT_MS: Final = 10_000
MAX_WAIT_MS: Final = 6 * 3600 * 1000
MAX_ATTEMPTS: Final = 16
"""Together some two days."""

KEEP_DONE_MS: Final = 7 * 24 * 3600 * 1000
TIMEOUT_S: Final = 15.0
_ROUND: Final = 20
_POLL_S: Final = 2.0

_log: Final = logging.getLogger(__name__)


class Webhook:
    """
    Sends messages in a thread of its own; use it as a context.

    Args:
        accounts: Where messages wait; stays the caller's to close.
        url: Where they go.
        secret: Signs them.
        allow_private: Send to private addresses too.
        public_url: Of the server, for the link in a message; empty leaves it out.
        clock_ms: Epoch milliseconds.
        fetcher: Sends; made when None.

    Raises:
        SettingsError: The address cannot be used, or there is no secret.
    """

    def __init__(
        self,
        accounts: Accounts,
        url: str,
        *,
        secret: str,
        allow_private: bool = False,
        public_url: str = "",
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        fetcher: Fetcher | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise SettingsError(
                "webhook_url is not an http(s) address without user. Write "
                "https://backend.example.com/replays"
            )
        if len(secret) < 16:
            raise SettingsError(
                "webhook_secret has fewer than 16 characters. Make one: openssl rand -hex 32"
            )
        self._accounts = accounts
        self._url = url
        self._secret = secret.encode()
        self._public_url = public_url.rstrip("/")
        self._clock_ms = clock_ms
        self._fetcher = fetcher or Fetcher(allow_private=allow_private, timeout_s=TIMEOUT_S)
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def sealed(self, manifest: Manifest) -> bool:
        """
        Keep a message about a recording; it is on disk when this returns.

        Returns:
            False when the same was told before.
        """
        key = f"recording.sealed {manifest.project}/{manifest.id} {manifest.created_ms}"
        message_id = hashlib.sha256(key.encode()).hexdigest()[:32]
        body = {
            "event": "recording.sealed",
            "id": message_id,
            "recording": {
                "project": manifest.project,
                "id": manifest.id,
                "session_id": manifest.session_id,
                "distinct_id": manifest.person.distinct_id if manifest.person else None,
                "start_ms": manifest.start_ms,
                "end_ms": manifest.end_ms,
                "duration_ms": manifest.duration_ms,
                "events": manifest.events,
                "first_url": manifest.first_url,
                "console_errors": manifest.console_errors,
                "complete": manifest.complete,
            },
        }
        if self._public_url:
            page = f"recordings/{quote(manifest.project, safe='')}/{quote(manifest.id, safe='')}"
            body["replay_url"] = f"{self._public_url}/{page}"
        now_ms = self._clock_ms()
        message = Outgoing(
            key=message_id,
            body=msgspec.json.encode(body).decode(),
            created_ms=now_ms,
            due_ms=now_ms,
        )
        added = self._accounts.outgoing.add(message)
        self._wake.set()
        return added

    def deliver_due(self) -> int:
        """Send what is due; give how many arrived."""
        arrived = 0
        for message in self._accounts.due_outgoing(self._clock_ms(), limit=_ROUND):
            if self._stopping:
                break
            arrived += self._deliver(message)
        return arrived

    def _deliver(self, message: Outgoing) -> bool:
        body = message.body.encode()
        signed_s = self._clock_ms() // 1000
        answer = self._fetcher.post(
            self._url, body, [(SIGNATURE_HEADER, signature(self._secret, body, signed_s))]
        )
        attempts = message.attempts + 1
        if isinstance(answer, int) and 200 <= answer < 300:
            self._accounts.outgoing.change(message.key, is_done=True, attempts=attempts, body="")
            return True
        error = answer.value if isinstance(answer, MissReason) else f"status {answer}"
        if attempts >= MAX_ATTEMPTS:
            _log.error("webhook given up after %d attempts: %s", attempts, error)
            self._accounts.outgoing.change(
                message.key, is_done=True, attempts=attempts, last_error=error, body=""
            )
            return False
        wait_ms = min(FIRST_WAIT_MS * 2 ** (attempts - 1), MAX_WAIT_MS)
        if attempts == 1 or answer is MissReason.REFUSED_ADDRESS:
            _log.warning("webhook not delivered (%s), tried again in %d s", error, wait_ms // 1000)
        self._accounts.outgoing.change(
            message.key, due_ms=self._clock_ms() + wait_ms, attempts=attempts, last_error=error
        )
        return False

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self._fetcher.close()

    def _run(self) -> None:
        while not self._stopping:
            try:
                self.deliver_due()
                self._accounts.outgoing.remove_before("created_ms", self._clock_ms() - KEEP_DONE_MS)
            except CatalogError:
                _log.exception("the webhook's queue failed; it is tried again")
            self._wake.wait(_POLL_S)
            self._wake.clear()


def signature(secret: bytes, body: bytes, signed_s: int) -> str:
    """
    Give the value of `SIGNATURE_HEADER`.

    Args:
        secret: Known to both.
        body: Of the request.
        signed_s: Epoch seconds: a receiver refuses old ones, so that none can be replayed.
    """
    signed = b"%d.%s" % (signed_s, body)
    return f"t={signed_s},v1={hmac.new(secret, signed, hashlib.sha256).hexdigest()}"
