"""Clients that send half of what they should, and those that read nothing."""

from __future__ import annotations

import resource
import socket
import threading
import time
from contextlib import contextmanager

import pytest
import uvicorn

from replayport.server.connections import MAX_HEAD_BYTES, PatientProtocol, allow_many_connections

LARGE = b"x" * 50_000_000


class Impatient(PatientProtocol):
    head_timeout_s = 0.1
    answer_timeout_s = 0.1


async def app(scope, receive, send):
    message = {"more_body": True}
    size = 0
    while message.get("more_body"):
        message = await receive()
        size += len(message.get("body", b""))
    body = LARGE if scope["path"] == "/large" else b"%d" % size
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def port_of(protocol):
    config = uvicorn.Config(
        app,
        http=protocol,
        log_level="critical",
        lifespan="off",
        timeout_graceful_shutdown=1,
        timeout_keep_alive=1,
    )
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def impatient():
    with port_of(Impatient) as port:
        yield port


@pytest.fixture(scope="module")
def patient():
    with port_of(PatientProtocol) as port:
        yield port


def to_the_end(client):
    """Read until the server hangs up."""
    found = b""
    try:
        while piece := client.recv(2**16):
            found += piece
    except ConnectionResetError:
        pass
    return found


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=60)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /s/ HTTP/1.1\r\nHost: a",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHo",
    ],
)
def test_a_head_that_does_not_come_ends_the_connection(impatient, sent):
    with connect(impatient) as client:
        client.sendall(sent)
        answer = to_the_end(client)
    assert answer.count(b"HTTP/1.1 200") == sent.count(b"\r\n\r\n")


def test_a_head_without_end_is_refused(patient):
    with connect(patient) as client:
        client.sendall(b"GET / HTTP/1.1\r\nX-Long: ")
        with pytest.raises(OSError):  # noqa: PT011, PT012  # the server hung up
            for _ in range(1000):
                client.sendall(b"a" * MAX_HEAD_BYTES)
        with pytest.raises(OSError):  # noqa: PT011
            client.sendall(b"a")


def test_trailers_without_end_are_refused(patient):
    with connect(patient) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n")  # fmt: skip
        with pytest.raises(OSError):  # noqa: PT011, PT012
            for n in range(100_000):
                client.sendall(b"X-%d: %s\r\n" % (n, b"a" * 10_000))


def test_bodies_may_be_large_and_come_in_pieces(patient):
    with connect(patient) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\nConnection: close\r\n\r\n")  # fmt: skip
        for _ in range(300):
            client.sendall(b"a" * 10_000)
        assert to_the_end(client).endswith(b"\r\n\r\n3000000")


def test_one_connection_serves_many_requests(patient):
    with connect(patient) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 49)
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert to_the_end(client).count(b"HTTP/1.1 200") == 50


def test_a_client_that_reads_nothing_is_left(impatient):
    with connect(impatient) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        client.settimeout(None)
        with pytest.raises(OSError):  # noqa: PT011, PT012  # reset: what was to be sent is dropped
            while True:
                time.sleep(0.02)
                client.sendall(b"G")
    with connect(impatient) as other:
        other.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert b"200 OK" in to_the_end(other)


def test_more_files_may_be_open_than_usual():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
        found = allow_many_connections()
        assert found == resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 256
        assert allow_many_connections() == found
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
