"""A server with sign-in over an archive, in this process, with passwords that hash quickly."""

from __future__ import annotations

from typing import Any

from argon2 import PasswordHasher
from tests.demo.client import TestClient

from replayport.annotations import AnnotationStore
from replayport.archive import Archive
from replayport.audit import AuditLog
from replayport.catalog.accounts import Accounts, User
from replayport.server.app import make_app
from replayport.server.auth import Access, Passwords
from replayport.server.services import Services
from replayport.settings import load_settings
from replayport.share.links import Sharing

URL = "http://127.0.0.1:8470"
PASSWORD = "correct horse battery"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Server:
    """
    An app with sign-in.

    Attributes:
        now_ms: The clock of sessions and links; may be set.
    """

    def __init__(self, archive: Archive, settings: dict[str, Any] | None = None, **more: Any):
        self.now_ms = 1_800_000_000_000
        self.archive = archive
        self.accounts = Accounts.open("sqlite://")
        self.access = Access(self.accounts, passwords=Passwords(QUICK), now_ms=lambda: self.now_ms)
        self.services = Services(
            archive=archive,
            annotations=AnnotationStore(archive),
            audit=AuditLog(archive),
            settings=load_settings(settings or {}, env={}),
            access=self.access,
            accounts=self.accounts,
            sharing=Sharing(
                self.accounts,
                hash_password=self.access.passwords.hash_any,
                check_password=self.access.passwords.verify,
                now_ms=lambda: self.now_ms,
            ),
            **more,
        )
        self.app = make_app(archive, services=self.services)

    def client(self, **headers: str) -> TestClient:
        """Give a client that nobody knows."""
        return TestClient(self.app, base_url=URL, raise_server_exceptions=False, headers=headers)

    def user(self, name: str = "ann", role: str = "admin", projects: str = "") -> User:
        """Add somebody with `PASSWORD`."""
        user = User(
            name=name,
            role=role,
            projects=projects,
            password_hash=self.access.passwords.hash(PASSWORD),
            created_ms=self.now_ms,
        )
        self.accounts.users.put(user)
        return user

    def browser(self, name: str = "ann", role: str = "admin", projects: str = "") -> TestClient:
        """Give the browser of somebody who is signed in."""
        self.user(name, role, projects)
        client = self.client(origin=URL)
        answer = client.post("/api/session", json={"name": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return client

    def program(
        self, *scopes: str, owner: str = "robot", role: str = "admin", projects: Any = ()
    ) -> TestClient:
        """Give a program with a token of these scopes."""
        self.user(owner, role)
        key, _ = self.access.make_token("t", owner=owner, scopes=scopes, projects=projects)
        return self.client(authorization=f"Bearer {key}")

    def audited(self) -> list[str]:
        """Give the actions in the audit log, oldest first."""
        return [entry.action for entry in self.services.audit.entries()]
