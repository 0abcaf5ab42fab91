"""
Who asks, and what they may do.

```
browser   cookie replayport_session ── signed (itsdangerous), names a row of sessions
program   Authorization: Bearer rp_…  ── SHA-256 names a row of tokens
          (PostHog's ways too: ?personal_api_key=, for the routes shaped like PostHog's)
no sign-in `serve --no-auth`, the demo: everybody on this machine may do everything
```

A route says which scope it needs with `needs`; one that says nothing does not exist:
`tests/server/test_auth.py` walks the routes, and `PUBLIC` lists those that anybody may ask.

Cookies are ``HttpOnly`` and ``SameSite=Lax``. A request that changes something and comes with
a cookie must also say that it comes from a page of this server (``Sec-Fetch-Site`` or
``Origin``), so a page of another site cannot make a browser send it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from fastapi import Depends
from itsdangerous import BadSignature, URLSafeSerializer
from starlette.requests import Request

from replayport.catalog.accounts import Accounts, ApiToken, Invite, Session, User
from replayport.server.envelope import ApiError

COOKIE: Final = "replayport_session"
TOKEN_PREFIX: Final = "rp_"  # noqa: S105 - what every key begins with, so that scanners find it
SESSION_MS: Final = 14 * 24 * 3600 * 1000
INVITE_MS: Final = 3 * 24 * 3600 * 1000
SETUP_MS: Final = 24 * 3600 * 1000
MIN_PASSWORD_CHARS: Final = 10
MAX_PASSWORD_CHARS: Final = 1000
"""Hashing takes longer the longer it is."""
MAX_NAME_CHARS: Final = 200
_LAST_USED_EVERY_MS: Final = 60_000

Role = Literal["admin", "viewer"]

SCOPES: Final[dict[str, str]] = {
    "session_recording:read": "List, search, play and read recordings.",
    "session_recording:write": "Delete recordings.",
    "query:read": "Read a recording's analytics events in PostHog's query form.",
    "annotation:write": "Write notes and tags.",
    "sharing_configuration:write": "Make and revoke links that others can open.",
    "person:write": "Attach a user to a session from a backend.",
    "project:read": "See projects, their keys and settings.",
    "admin": "Users, tokens of others, storage, audit log.",
}
"""What a token or a role may do; PostHog's names where PostHog has one."""

ROLES: Final[dict[str, frozenset[str]]] = {
    "admin": frozenset(SCOPES),
    "viewer": frozenset(
        {"session_recording:read", "query:read", "annotation:write", "project:read"}
    ),
}

PUBLIC: Final[dict[str, str]] = {
    "/healthz": "says that the server runs, and nothing else",
    "/static/{name}": "the built player, which is in every copy of replayport",
    "/static/app/{path:path}": "the built web app, without data",
    "/sign-in": "asks for name and password",
    "/setup": "asks for a password, with an invitation",
    "/api/session": "says who is signed in, signs in and out",
    "/api/invites/accept": "takes an invitation, which is its own proof",
    "/shared/{token}": "the link is the proof",
    "/embed/{token}": "the link is the proof",
    "/shared/{token}/recording": "the link is the proof",
    "/shared/{token}/unlock": "the link and its password are the proof",
    "/shared/{token}/events.parquet": "the link is the proof",
    "/shared/{token}/assets.json": "the link is the proof",
    "/shared/{token}/assets/{ab}/{sha256}": "the link is the proof",
    "/shared/{token}/feeds/{feed}": "the link is the proof, for what it shows",
}
"""Routes that anybody may ask, and why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks."""

    name: str
    kind: Literal["user", "token", "open"]
    scopes: frozenset[str]
    projects: tuple[str, ...] | None = None
    """Projects they see; None for all."""
    role: str = ""
    """Of a user."""
    session: str = ""
    """Digest of the session; empty without one."""

    def may(self, scope: str) -> bool:
        """Tell whether they may do that."""
        return scope in self.scopes

    def sees(self, project: str) -> bool:
        """Tell whether a project is theirs to see."""
        return self.projects is None or project in self.projects

    @property
    def actor(self) -> str:
        """As the audit log names them."""
        return f"{self.kind}:{self.name}"


EVERYBODY: Final = Identity("everybody", "open", frozenset(SCOPES), role="admin")
"""Whoever asks, where there is no sign-in."""


def digest(secret: str) -> str:
    """Give what is stored of a secret of 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def clean_name(name: str) -> str:
    """
    Give a user's name as it is stored.

    Raises:
        ApiError: It is empty, long, or has characters that cannot be seen.
    """
    cleaned = name.strip().lower()
    if not cleaned or len(cleaned) > MAX_NAME_CHARS or not cleaned.isprintable():
        raise ApiError("invalid", "a name has 1 to 200 characters that can be seen")
    return cleaned


def lines(items: Iterable[str]) -> str:
    """Write a list into one text field."""
    return "\n".join(items)


def split(text: str) -> list[str]:
    """Read a list out of one text field."""
    return text.split("\n") if text else []


class Throttle:
    """
    Counts failures and makes whoever fails wait, longer each time.

    Args:
        free: Failures without a wait.
        window_s: Failures are forgotten after this long.
        clock_s: Seconds, monotonic.
    """

    MAX_KEYS: Final = 10_000
    MAX_WAIT_S: Final = 300.0

    def __init__(
        self,
        *,
        free: int = 5,
        window_s: float = 900.0,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._free = free
        self._window_s = window_s
        self._clock_s = clock_s
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, *keys: str) -> float:
        """Give how long to wait before the next attempt; 0 when now is fine."""
        now = self._clock_s()
        with self._lock:
            return max((self._wait_of(key, now) for key in keys), default=0.0)

    def _wait_of(self, key: str, now: float) -> float:
        recent = [at for at in self._failures.get(key, ()) if at > now - self._window_s]
        if len(recent) < self._free:
            return 0.0
        wait = min(2.0 ** (len(recent) - self._free + 1), self.MAX_WAIT_S)
        return max(0.0, recent[-1] + wait - now)

    def failed(self, *keys: str) -> None:
        """Count a failure."""
        now = self._clock_s()
        with self._lock:
            for key in keys:
                recent = [at for at in self._failures.pop(key, []) if at > now - self._window_s]
                self._failures[key] = [*recent[-50:], now]
            while len(self._failures) > self.MAX_KEYS:
                self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forget the failures of one who has shown who they are."""
        with self._lock:
            self._failures.pop(key, None)

    def check(self, *keys: str) -> None:
        """
        Let an attempt pass.

        Raises:
            ApiError: 429, it has to wait.
        """
        wait = self.wait_s(*keys)
        if wait > 0:
            raise ApiError(
                "throttled",
                "too many failed attempts. Wait before the next one",
                headers={"retry-after": str(int(wait) + 1)},
            )


class Passwords:
    """Hashes passwords with Argon2id, two at a time: each takes 64 MiB."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turn = threading.Semaphore(2)
        self._nobodys = ""

    def hash(self, password: str) -> str:
        """
        Give what is stored of a password.

        Raises:
            ApiError: It is too short or too long.
        """
        if not MIN_PASSWORD_CHARS <= len(password) <= MAX_PASSWORD_CHARS:
            raise ApiError(
                "invalid",
                f"a password has {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters",
            )
        return self.hash_any(password)

    def hash_any(self, password: str) -> str:
        """Give what is stored of a password of any length."""
        with self._turn:
            return self._hasher.hash(password[:MAX_PASSWORD_CHARS])

    def verify(self, stored: str | None, password: str) -> bool:
        """Compare; takes as long when nothing is stored, so that nobody learns who exists."""
        if not self._nobodys:
            self._nobodys = self.hash_any(secrets.token_hex(16))
        with self._turn:
            try:
                self._hasher.verify(stored or self._nobodys, password[:MAX_PASSWORD_CHARS])
            except (VerificationError, InvalidHashError):
                return False
        return stored is not None


class Access:
    """
    Signs people in, and says who a request is from.

    Args:
        accounts: Where people and tokens are; stays the caller's to close.
        passwords: How they are hashed.
        now_ms: Epoch milliseconds.
        throttle: Of failed sign-ins.
    """

    def __init__(
        self,
        accounts: Accounts,
        *,
        passwords: Passwords | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        throttle: Throttle | None = None,
    ) -> None:
        self.accounts = accounts
        self.passwords = passwords or Passwords()
        self.throttle = throttle or Throttle()
        self.now_ms = now_ms
        self._signer = URLSafeSerializer(accounts.signing_key(), salt="session")

    # --- signing in -----------------------------------------------------------------

    def sign_in(self, name: str, password: str, *, address: str) -> tuple[str, Identity]:
        """
        Begin a session.

        Args:
            name: Of the user.
            password: Theirs.
            address: Of the browser, for the throttle.

        Returns:
            The cookie's value, and who it is.

        Raises:
            ApiError: 401 they are wrong; 429 too many attempts.
        """
        key = name.strip().lower()[:MAX_NAME_CHARS]
        self.throttle.check(f"name {key}", f"address {address}")
        user = self.accounts.users.get(key)
        stored = None if user is None or user.is_disabled else user.password_hash
        if not self.passwords.verify(stored, password) or user is None:
            self.throttle.failed(f"name {key}", f"address {address}")
            raise ApiError("wrong_credentials", "the name or the password is wrong")
        self.throttle.succeeded(f"name {key}")
        return self.begin_session(user)

    def begin_session(self, user: User) -> tuple[str, Identity]:
        """Begin a session of somebody who has shown who they are."""
        secret = secrets.token_urlsafe(32)
        now_ms = self.now_ms()
        self.accounts.sessions.remove_before("expires_ms", now_ms)
        session = Session(
            digest=digest(secret), user=user.name, created_ms=now_ms, expires_ms=now_ms + SESSION_MS
        )
        self.accounts.sessions.put(session)
        return str(self._signer.dumps(secret)), _identity_of(user, session.digest)

    def sign_out(self, identity: Identity) -> None:
        """End a session."""
        if identity.session:
            self.accounts.sessions.remove(digest=identity.session)

    # --- invitations ----------------------------------------------------------------

    def setup_secret(self) -> str | None:
        """Give the secret with which the first administrator begins; None when there is one."""
        if any(u.password_hash for u in self.accounts.users.list({"role": "admin"})):
            return None
        self.accounts.invites.remove(user="")  # of an earlier start
        return self.invite("", "admin", (), valid_ms=SETUP_MS)

    def invite(
        self, user: str, role: str, projects: Sequence[str], *, valid_ms: int = INVITE_MS
    ) -> str:
        """Make a secret with which somebody chooses a password, once."""
        secret = secrets.token_urlsafe(32)
        now_ms = self.now_ms()
        self.accounts.invites.put(
            Invite(
                digest=digest(secret),
                user=user,
                role=role,
                projects=lines(projects),
                created_ms=now_ms,
                expires_ms=now_ms + valid_ms,
            )
        )
        return secret

    def accept(self, secret: str, name: str, password: str, *, address: str) -> User:
        """
        Take an invitation: the user exists afterwards, with that password.

        Args:
            secret: From `invite`.
            name: Chosen, when the invitation names nobody.
            password: Chosen.
            address: Of the browser, for the throttle.

        Raises:
            ApiError: 410, it is no good any more; 400, name or password cannot be used.
        """
        self.throttle.check(f"invite {address}")
        found = self.accounts.invites.get(digest(secret))
        if found is None or found.expires_ms <= self.now_ms():
            self.throttle.failed(f"invite {address}")
            raise ApiError("gone", "this invitation was used, or is too old. Ask for another")
        user_name = found.user or clean_name(name)
        hashed = self.passwords.hash(password)
        if self.accounts.take_invite(found.digest) is None:
            raise ApiError("gone", "this invitation was used, or is too old. Ask for another")
        old = self.accounts.users.get(user_name)
        user = User(
            name=user_name,
            role=found.role,
            projects=found.projects,
            password_hash=hashed,
            created_ms=old.created_ms if old else self.now_ms(),
        )
        self.accounts.users.put(user)
        self.accounts.sessions.remove(user=user_name)  # a new password ends older sessions
        return user

    # --- tokens ---------------------------------------------------------------------

    def make_token(
        self,
        name: str,
        *,
        owner: str,
        scopes: Iterable[str],
        projects: Iterable[str] = (),
        expires_ms: int | None = None,
    ) -> tuple[str, ApiToken]:
        """Make a token; its key is given once and stored nowhere."""
        key = TOKEN_PREFIX + secrets.token_urlsafe(32)
        token = ApiToken(
            id=secrets.token_hex(8),
            digest=digest(key),
            name=name[:MAX_NAME_CHARS],
            owner=owner,
            scopes=lines(sorted(set(scopes))),
            projects=lines(sorted(set(projects))),
            created_ms=self.now_ms(),
            expires_ms=expires_ms,
        )
        self.accounts.tokens.put(token)
        return key, token

    # --- asking ---------------------------------------------------------------------

    def identify(self, request: Request) -> Identity | None:
        """
        Say who a request is from.

        Returns:
            None when it does not say, or with something that is not good any more.
        """
        key = _bearer(request)
        if key is not None:
            return self._of_token(key)
        cookie = request.cookies.get(COOKIE)
        return self._of_cookie(cookie) if cookie else None

    def _of_token(self, key: str) -> Identity | None:
        found = self.accounts.tokens.list({"digest": digest(key)})
        now_ms = self.now_ms()
        if not found or (found[0].expires_ms is not None and found[0].expires_ms <= now_ms):
            return None
        token = found[0]
        owner = self.accounts.users.get(token.owner)
        if owner is None or owner.is_disabled:
            return None
        if token.last_used_ms is None or now_ms - token.last_used_ms > _LAST_USED_EVERY_MS:
            self.accounts.tokens.change(token.id, last_used_ms=now_ms)
        # Never more than its owner may now: a role or a project taken away is taken from both.
        allowed = _identity_of(owner)
        return Identity(
            f"{token.owner}/{token.name}",
            "token",
            frozenset(split(token.scopes)) & allowed.scopes,
            _both(_projects(token.projects), allowed.projects),
        )

    def _of_cookie(self, cookie: str) -> Identity | None:
        try:
            secret = self._signer.loads(cookie[:500])
        except BadSignature:
            return None
        session = self.accounts.sessions.get(digest(str(secret)))
        if session is None or session.expires_ms <= self.now_ms():
            return None
        user = self.accounts.users.get(session.user)
        if user is None or user.is_disabled:
            return None
        return _identity_of(user, session.digest)


def _identity_of(user: User, session: str = "") -> Identity:
    return Identity(
        user.name,
        "user",
        ROLES.get(user.role, frozenset()),
        _projects(user.projects),
        user.role,
        session,
    )


def _projects(text: str) -> tuple[str, ...] | None:
    return tuple(split(text)) or None


def _both(a: tuple[str, ...] | None, b: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if a is None or b is None:
        return a if b is None else b
    return tuple(p for p in a if p in b)


def _bearer(request: Request) -> str | None:
    header = request.headers.get("authorization", "")
    kind, _, key = header.partition(" ")
    if kind.lower() == "bearer" and key.strip():
        return key.strip()
    if request.url.path.startswith(("/api/projects/", "/api/environments/")):
        return request.query_params.get("personal_api_key") or None
    return None


def same_secret(a: str, b: str) -> bool:
    """Compare in a time that tells nothing of where they differ."""
    return hmac.compare_digest(a.encode("utf-8", "replace"), b.encode("utf-8", "replace"))


def address_of(request: Request) -> str:
    """Give the address a request came from, as far as the server knows it."""
    return request.client.host if request.client else "unknown"


def check_same_site(request: Request) -> None:
    """
    Refuse what a page of another site made a browser send.

    Raises:
        ApiError: 403, it does not say that it comes from a page of this server.
    """
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    fetch_site = request.headers.get("sec-fetch-site")
    if fetch_site is not None:
        if fetch_site == "same-origin":
            return
    else:
        origin = request.headers.get("origin", "")
        if origin.partition("://")[2] == request.headers.get("host", "\0"):
            return
    raise ApiError("cross_site", "this was not sent by a page of this server")


def current(request: Request) -> Identity:
    """
    Give who asks.

    Raises:
        ApiError: 401, nobody known; 403, a page of another site sent it.
    """
    access: Access | None = request.app.state.services.access
    if access is None:
        check_same_site_without_sign_in(request)
        return EVERYBODY
    identity = access.identify(request)
    if identity is None:
        raise ApiError(
            "not_signed_in",
            "sign in, or send a token: Authorization: Bearer rp_…",
            headers={"www-authenticate": "Bearer"},
        )
    if identity.session:
        check_same_site(request)
    return identity


def check_same_site_without_sign_in(request: Request) -> None:
    """Refuse changes by pages of other sites where nobody signs in; programs may make them."""
    if "sec-fetch-site" in request.headers or "origin" in request.headers:
        check_same_site(request)


def needs(*scopes: str) -> Any:
    """Give the dependency of a route that needs these scopes; it gives who asks."""
    assert set(scopes) <= SCOPES.keys()

    def check(identity: Annotated[Identity, Depends(current)]) -> Identity:
        missing = [scope for scope in scopes if not identity.may(scope)]
        if missing:
            raise ApiError("missing_scope", f"API key missing required scope '{missing[0]}'")
        return identity

    check.scopes = scopes  # type: ignore[attr-defined]
    return Depends(check)
