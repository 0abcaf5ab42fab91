"""
Signed links to one recording: what they show, until when, and whether they are still good.

```
https://host/shared/<token>      a page;  /embed/<token> the same for a frame
token = id of a row, signed      so that ids cannot be tried, and every link can be revoked
grant = the id, signed with a time   given for the right password, good for some hours
```
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final, Literal

from itsdangerous import BadSignature, URLSafeSerializer, URLSafeTimedSerializer

from replayport.catalog.accounts import Accounts, ShareLink
from replayport.redacting import PROFILES, RAW

GRANT_S: Final = 12 * 3600
"""A password given once is good for so long."""

SHOWS: Final[dict[str, str]] = {
    "replay": "The replay alone: no list of actions, no console, no requests, no analytics.",
    "actions": "The replay, and what the visitor did in words.",
    "all": "The replay, actions, console and requests.",
}
"""What a link can show."""

Show = Literal["replay", "actions", "all"]

_ORIGIN: Final = re.compile(r"https?://[a-z0-9-]+(\.[a-z0-9-]+)*(:[0-9]{1,5})?")


class ShareError(ValueError):
    """A link that cannot be made as asked."""


class LinkGoneError(Exception):
    """The link was never made, or is expired or revoked; nobody is told which."""


class Sharing:
    """
    Makes links, and says what one may show.

    Args:
        accounts: Where they are kept; stays the caller's to close.
        hash_password: Makes what is stored of a password.
        check_password: Compares.
        now_ms: Epoch milliseconds.
    """

    def __init__(
        self,
        accounts: Accounts,
        *,
        hash_password: Callable[[str], str],
        check_password: Callable[[str | None, str], bool],
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._accounts = accounts
        self._hash = hash_password
        self._check = check_password
        self._now_ms = now_ms
        key = accounts.signing_key()
        self._signer = URLSafeSerializer(key, salt="share")
        self._grants = URLSafeTimedSerializer(key, salt="share-grant")

    def create(
        self,
        project: str,
        recording_id: str,
        *,
        created_by: str,
        expires_ms: int | None = None,
        password: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        show: str = "replay",
        embed_in: Iterable[str] = (),
        is_live: bool = False,
        profile: str = "",
    ) -> ShareLink:
        """
        Make a link.

        Args:
            project: The recording's project.
            recording_id: Its id.
            created_by: Who makes it.
            expires_ms: When it ends; None never.
            password: Asked for; None asks for none.
            start_ms: Nothing before this leaves the server; None from the beginning.
            end_ms: Nothing from this on; None to the end.
            show: One of `SHOWS`.
            embed_in: Origins whose pages may hold it in a frame; the server's when empty.
            is_live: Show it while it is being made, too.
            profile: Redaction of what it shows: one of `PROFILES`, `RAW` for none; the server's
                setting ``share_profile`` when empty. Files are the setting's alone: a link is
                made by people who may not read the server's.

        Raises:
            ShareError: One of them cannot be.
        """
        if show not in SHOWS:
            raise ShareError(f"a link shows one of {', '.join(SHOWS)}")
        if profile not in ("", RAW, *PROFILES):
            raise ShareError(f"a link is redacted by one of {', '.join(PROFILES)}, or {RAW}")
        if expires_ms is not None and expires_ms <= self._now_ms():
            raise ShareError("a link must end in the future")
        if start_ms is not None and end_ms is not None and end_ms <= start_ms:
            raise ShareError("the end must come after the start")
        if password is not None and not 1 <= len(password) <= 1000:
            raise ShareError("a password has 1 to 1000 characters")
        link = ShareLink(
            id=secrets.token_hex(12),
            project=project,
            recording_id=recording_id,
            created_by=created_by,
            created_ms=self._now_ms(),
            expires_ms=expires_ms,
            password_hash=None if password is None else self._hash(password),
            start_ms=start_ms,
            end_ms=end_ms,
            show=show,
            embed_in="\n".join(checked_origin(o) for o in embed_in),
            is_live=is_live,
            profile=profile,
        )
        self._accounts.shares.put(link)
        return link

    def token(self, link: ShareLink) -> str:
        """Give what stands in the link's address."""
        return str(self._signer.dumps(link.id))

    def open(self, token: str) -> ShareLink:
        """
        Give the link of a token.

        Raises:
            LinkGoneError: There is none, or not any more.
        """
        try:
            link_id = self._signer.loads(token[:200])
        except BadSignature as e:
            raise LinkGoneError from e
        link = self._accounts.shares.get(str(link_id))
        if link is None or not self.is_good(link):
            raise LinkGoneError
        return link

    def is_good(self, link: ShareLink) -> bool:
        """Tell whether a link may be opened now."""
        ended = link.expires_ms is not None and link.expires_ms <= self._now_ms()
        return link.revoked_ms is None and not ended

    def revoke(self, link_id: str) -> ShareLink | None:
        """End a link at once; None when there is none of that id."""
        link = self._accounts.shares.get(link_id)
        if link is None:
            return None
        if link.revoked_ms is None:
            self._accounts.shares.change(link_id, revoked_ms=self._now_ms())
        return self._accounts.shares.get(link_id)

    def links(self, project: str | None = None, recording_id: str | None = None) -> list[ShareLink]:
        """Give the links to a recording, or all; the newest first."""
        where = {"project": project, "recording_id": recording_id}
        found = self._accounts.shares.list({k: v for k, v in where.items() if v is not None})
        return sorted(found, key=lambda link: -link.created_ms)

    def grant(self, link: ShareLink, password: str) -> str | None:
        """Give what shows that the password was given; None when it is wrong."""
        if link.password_hash is None:
            return ""
        if not self._check(link.password_hash, password):
            return None
        return str(self._grants.dumps([link.id, link.password_hash[-16:]]))

    def is_granted(self, link: ShareLink, grant: str) -> bool:
        """Tell whether somebody has given the password of a link, if it has one."""
        if link.password_hash is None:
            return True
        try:
            said = self._grants.loads(grant[:500], max_age=GRANT_S)
        except BadSignature:
            return False
        return bool(said == [link.id, link.password_hash[-16:]])

    def opened(self, link: ShareLink) -> None:
        """Count that it was opened."""
        self._accounts.shares.change(link.id, opened=link.opened + 1)


def checked_origin(text: str) -> str:
    """
    Give an origin as a policy may name it.

    Raises:
        ShareError: It is none: ``https://help.example.com`` or ``*``.
    """
    origin = text.strip().rstrip("/").lower()
    if origin != "*" and not _ORIGIN.fullmatch(origin):
        raise ShareError(
            "an origin is written https://help.example.com, with a port if it has one, or * for "
            "any site"
        )
    return origin


class Kept:
    """
    The newest few things made for links, bounded in bytes.

    Args:
        max_bytes: Of all together; one that is larger is kept alone.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._made: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[object, ...], make: Callable[[], bytes]) -> bytes:
        """Give what was made under a key, making it when it is not there."""
        with self._lock:
            found = self._made.get(key)
            if found is not None:
                self._made.move_to_end(key)
                return found
        made = make()
        with self._lock:
            self._made[key] = made
            while len(self._made) > 1 and sum(map(len, self._made.values())) > self._max_bytes:
                self._made.popitem(last=False)
        return made
