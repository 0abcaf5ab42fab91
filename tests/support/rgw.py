"""A real S3 server for tests: Ceph's gateway, started by ``dev/rgw.sh``."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest

SCRIPT = Path(__file__).parents[2] / "dev" / "rgw.sh"


@dataclass(frozen=True)
class S3Server:
    """An S3 server and the keys to it."""

    endpoint: str
    access_key_id: str
    secret_access_key: str

    @property
    def options(self) -> dict[str, Any]:
        """Options for `Store.open`."""
        return {
            "endpoint": self.endpoint,
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
            "region": "us-east-1",
        }

    def new_bucket(self) -> str:
        """Make an empty bucket and give its name."""
        name = f"test-{secrets.token_hex(6)}"
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            region_name="us-east-1",
        )
        client.create_bucket(Bucket=name)
        client.close()
        return name


@contextmanager
def running_rgw() -> Iterator[S3Server]:
    """Run a gateway until the end of the block; skip the test where Ceph is not installed."""
    if shutil.which("radosgw") is None:
        pytest.skip("Ceph RGW is not installed: dev/rgw.sh install")
    folder = Path(tempfile.mkdtemp(prefix="rp-rgw-"))
    ports = {"RGW_PORT": str(_free_port()), "MON_PORT": str(_free_port())}
    environment = {**os.environ, **ports}
    data = str(folder / "ceph")
    log = folder / "start.log"
    try:
        # A file, not a pipe: the daemons keep it open and a pipe would never end.
        with log.open("w") as out:
            done = subprocess.run(
                [str(SCRIPT), "start", data], env=environment, stdout=out, stderr=out, check=False
            )
        if done.returncode != 0:
            pytest.fail(f"dev/rgw.sh start failed:\n{log.read_text()}")
        yield S3Server(f"http://127.0.0.1:{ports['RGW_PORT']}", "replayport", "replayport-secret")
    finally:
        subprocess.run([str(SCRIPT), "stop", data], env=environment, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
