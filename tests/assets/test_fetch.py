"""One address, fetched politely, and never where a recording must not lead."""

from __future__ import annotations

import gzip
import re
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.assets.conftest import Site, reply

from replayport.assets import fetch as fetch_module
from replayport.assets.fetch import (
    MAX_RETRY_AFTER_S,
    MISS_MEANINGS,
    Fetched,
    Fetcher,
    MissReason,
    is_public,
)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
PUBLIC = "93.184.215.14"


def nowhere(host: str, port: int) -> list[str]:
    raise OSError(f"{host}:{port} must not be resolved")


@pytest.fixture
def make() -> Iterator[Callable[..., Fetcher]]:
    """Makes fetchers that may reach this machine, and closes them."""
    made: list[Fetcher] = []

    def make(**options: object) -> Fetcher:
        made.append(Fetcher(**{"allow_private": True, "timeout_s": 5.0, **options}))
        return made[-1]

    yield make
    for fetcher in made:
        fetcher.close()


def got(result: object) -> Fetched:
    assert isinstance(result, Fetched), result
    return result


def test_gives_bytes_type_and_charset(make, site: Site):
    site.file("/a.css?v=1", b"a{}", 'text/css; Charset="ISO-8859-1"')
    site.file("/a.png", PNG, "text/html")
    fetcher = make()
    assert got(fetcher.fetch(f"{site.url}/a.css?v=1")) == Fetched(
        b"a{}", "text/css", "iso-8859-1", f"{site.url}/a.css?v=1"
    )
    assert got(fetcher.fetch(f"{site.url}/a.png")).content_type == "image/png"
    assert fetcher.requests == 2


def test_sends_nothing_of_a_person(make, site: Site, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    site.status("/a", 302, Set_Cookie="id=1", Location="/b.png")
    site.file("/b.png", PNG, "image/png", Set_Cookie="id=2")
    make().fetch(f"{site.url}/a")
    assert [set(h) for h in site.headers] == [
        {"host", "user-agent", "accept", "accept-encoding"}
    ] * 2
    assert site.headers[0]["host"] == f"127.0.0.1:{site.port}"
    assert site.headers[0]["user-agent"].startswith("replayport/")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (404, MissReason.NOT_FOUND),
        (410, MissReason.NOT_FOUND),
        (401, MissReason.UNAUTHORIZED),
        (403, MissReason.UNAUTHORIZED),
        (500, MissReason.FAILED_STATUS),
        (304, MissReason.FAILED_STATUS),
        (206, MissReason.FAILED_STATUS),
        (302, MissReason.FAILED_STATUS),
        (429, MissReason.RATE_LIMITED),
        (503, MissReason.RATE_LIMITED),
    ],
)
def test_statuses(make, site: Site, status, reason):
    site.status("/a.png", status)
    assert make().fetch(f"{site.url}/a.png") is reason
    assert len(site.hits) == 1


def test_waits_once_as_asked(make, site: Site):
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if seconds == 7:
            site.file("/a.png", PNG, "image/png")

    site.status("/a.png", 429, Retry_After="7")
    site.status("/b.png", 503, Retry_After="3")
    site.status("/c.png", 429, Retry_After=str(int(MAX_RETRY_AFTER_S) + 1))
    fetcher = make(sleep=sleep)
    assert got(fetcher.fetch(f"{site.url}/a.png")).data == PNG
    assert fetcher.fetch(f"{site.url}/b.png") is MissReason.RATE_LIMITED
    assert fetcher.fetch(f"{site.url}/c.png") is MissReason.RATE_LIMITED
    assert site.hits == ["/a.png", "/a.png", "/b.png", "/b.png", "/c.png"]
    assert [s for s in slept if s >= 1] == [7, 3]


def test_wrong_types_are_refused(make, site: Site):
    site.file("/a.css", b"<!doctype html><title>Sign in</title>", "text/css")
    site.file("/a.js", b"alert(1)", "text/javascript")
    site.file("/a.png", b"", "image/png")
    for path in ("/a.css", "/a.js", "/a.png"):
        assert make().fetch(site.url + path) is MissReason.WRONG_TYPE


# --- limits -----------------------------------------------------------------------------


def test_a_length_that_is_too_large_is_not_read(make, site: Site):
    site.file("/a.png", PNG + bytes(5000), "image/png")
    fetcher = make(max_bytes=1000)
    assert fetcher.fetch(f"{site.url}/a.png") is MissReason.TOO_LARGE
    assert fetcher.received_bytes == 0


def test_an_answer_that_says_no_length_is_cut(make, site: Site):
    def endless(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "image/png")
        handler.send_header("Connection", "close")
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(PNG * 1000)

    site.answers["/a.png"] = endless
    fetcher = make(max_bytes=100_000)
    assert fetcher.fetch(f"{site.url}/a.png") is MissReason.TOO_LARGE
    assert fetcher.received_bytes < 1_000_000


def test_gzip_is_undone_and_a_bomb_is_not(make, site: Site):
    site.file("/a.css", gzip.compress(b"a{}"), "text/css", Content_Encoding="gzip")
    site.file("/bomb.css", gzip.compress(bytes(10**8)), "text/css", Content_Encoding="gzip")
    fetcher = make(max_bytes=10**6)
    assert got(fetcher.fetch(f"{site.url}/a.css")).data == b"a{}"
    assert fetcher.fetch(f"{site.url}/bomb.css") is MissReason.TOO_LARGE


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"a{}"),
        ("gzip", gzip.compress(b"a{}" * 1000, mtime=0)[:-9]),
        ("br", b"\x0b\x01\x80a{}\x03"),
        ("deflate", zlib.compress(b"a{}")),
        ("gzip, gzip", gzip.compress(gzip.compress(b"a{}", mtime=0), mtime=0)),
    ],
)
def test_encodings_not_asked_for(make, site: Site, encoding, body):
    site.file("/a.css", body, "text/css", Content_Encoding=encoding)
    assert make().fetch(f"{site.url}/a.css") is MissReason.BAD_ENCODING


@pytest.mark.parametrize("part", ["headers", "body"])
def test_a_server_that_drips_is_left(make, site: Site, part):
    """Each read is fast, all of them together are not."""
    left = threading.Event()

    def drip(handler):
        if part == "body":
            handler.send_response(200)
            handler.send_header("Content-Type", "image/png")
            handler.send_header("Content-Length", "100000")
            handler.end_headers()
        else:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        try:
            while not left.wait(0.02):
                handler.wfile.write(b"x")
        except OSError:
            left.set()

    site.answers["/a.png"] = drip
    assert make(timeout_s=0.3).fetch(f"{site.url}/a.png") is MissReason.TIMED_OUT
    left.set()


@pytest.mark.parametrize(
    "wire",
    [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"],
)
def test_a_broken_answer_is_a_miss(make, site: Site, wire):
    def broken(handler):
        handler.wfile.write(wire)
        handler.close_connection = True

    site.answers["/a.png"] = broken
    assert make().fetch(f"{site.url}/a.png") is MissReason.UNREACHABLE


def test_no_server_there(make, site: Site):
    assert make().fetch("http://127.0.0.1:1/a.png") is MissReason.UNREACHABLE


def test_at_most_so_many_at_once_at_a_host(make, site: Site):
    lock, now, most = threading.Lock(), [0], [0]
    gate = threading.Barrier(fetch_module.PER_HOST, timeout=60)

    def counted(handler):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        gate.wait()
        with lock:
            now[0] -= 1
        reply(handler, 200, PNG, "image/png", {})

    fetcher = make()
    paths = [f"/{n}.png" for n in range(fetch_module.PER_HOST * 3)]
    site.answers.update(dict.fromkeys(paths, counted))
    threads = [threading.Thread(target=fetcher.fetch, args=(site.url + p,)) for p in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(site.hits) == sorted(paths)
    assert most[0] == fetch_module.PER_HOST


# --- where a recording must not lead ------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "192.0.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1",
        "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::7f00:1",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::",
        "2001:0:7f00:1::", "2001:db8::1", "not an address", "",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [PUBLIC, "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"],
)
def test_public_addresses(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/a.png",
        "http://2130706433:{port}/a.png",
        "http://0x7f000001:{port}/a.png",
        "http://0x7f.1:{port}/a.png",
        "http://0177.0.0.1:{port}/a.png",
        "http://127.1:{port}/a.png",
        "http://[::1]:{port}/a.png",
        "http://[::ffff:127.0.0.1]:{port}/a.png",
        "http://[::ffff:7f00:1]:{port}/a.png",
        "http://１２７.0.0.1:{port}/a.png",
        "http://0:{port}/a.png",
        "http://169.254.169.254/latest/meta-data/",
    ],
)
def test_no_spelling_of_a_private_address_is_reached(make, site: Site, url):
    site.file("/a.png", PNG, "image/png")
    fetcher = make(allow_private=False, resolve=nowhere)
    assert fetcher.fetch(url.format(port=site.port)) is MissReason.REFUSED_ADDRESS
    assert site.hits == []


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["::1"], [PUBLIC, "127.0.0.1"], ["::ffff:10.0.0.1"]]
)
def test_no_name_leads_there(make, site: Site, addresses):
    fetcher = make(allow_private=False, resolve=lambda *_: addresses)
    url = f"http://cdn.example:{site.port}/a.png"
    assert fetcher.fetch(url) is MissReason.REFUSED_ADDRESS
    assert site.hits == []


@pytest.fixture
def loopback_is_public(monkeypatch):
    """Lets one address of this machine stand for the internet."""
    monkeypatch.setattr(fetch_module, "is_public", lambda a: a == "127.0.0.1" or is_public(a))


@pytest.mark.usefixtures("loopback_is_public")
def test_the_connection_goes_to_the_address_that_was_checked(make, site: Site):
    """A name that answers differently the second time is not asked a second time."""
    answers = [["127.0.0.1"], ["10.0.0.1"]]
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers.pop(0)

    site.file("/a.png", PNG, "image/png")
    fetcher = make(allow_private=False, resolve=resolve)
    result = fetcher.fetch(f"http://cdn.example:{site.port}/a.png")
    assert got(result).data == PNG
    assert asked == ["cdn.example"]
    assert site.headers[0]["host"] == f"cdn.example:{site.port}"


@pytest.mark.usefixtures("loopback_is_public")
@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://127.0.0.2:{port}/secret", MissReason.REFUSED_ADDRESS),
        ("http://2130706434:{port}/secret", MissReason.REFUSED_ADDRESS),
        ("http://[::1]:{port}/secret", MissReason.REFUSED_ADDRESS),
        ("//internal.example:{port}/secret", MissReason.REFUSED_ADDRESS),
        ("http://169.254.169.254/", MissReason.REFUSED_ADDRESS),
        ("http://127.0.0.1:22/", MissReason.REFUSED_URL),
        ("http://user:password@127.0.0.1:{port}/secret", MissReason.REFUSED_URL),
        ("file:///etc/passwd", MissReason.REFUSED_URL),
        ("ftp://127.0.0.1/", MissReason.REFUSED_URL),
        ("data:image/png;base64,AA", MissReason.REFUSED_URL),
        ("http://[bad/", MissReason.REFUSED_URL),
    ],
)
def test_no_redirect_leads_there(make, site: Site, location, reason):
    site.status("/a.png", 302, Location=location.format(port=site.port))
    site.file("/secret", PNG, "image/png")
    names = {"cdn.example": ["127.0.0.1"], "internal.example": ["192.168.0.1"]}
    fetcher = make(allow_private=False, resolve=lambda host, _: names[host])
    assert fetcher.fetch(f"http://cdn.example:{site.port}/a.png") is reason
    assert site.hits == ["/a.png"]


@pytest.mark.parametrize(
    "url",
    [
        "http://user@shop.example/a.png",
        "http://user:password@shop.example/a.png",
        "http://shop.example:25/a.png",
        "https://shop.example:22/a.png",
        "file:///etc/passwd",
        "gopher://shop.example/",
        "data:image/png,x",
        "/relative",
        "http://",
        "",
    ],
)
def test_addresses_never_asked_for(make, url):
    assert make(allow_private=False, resolve=nowhere).fetch(url) is MissReason.REFUSED_URL


def test_names_that_are_none(make):
    assert make(resolve=nowhere).fetch("http://gone.example/a") is MissReason.NO_SUCH_HOST
    assert make(resolve=lambda *_: []).fetch("http://gone.example/a") is MissReason.NO_SUCH_HOST


def test_follows_redirects_to_an_end(make, site: Site):
    site.status("/0", 301, Location="1")
    site.status("/1", 307, Location=f"{site.url}/deep/a.css")
    site.file("/deep/a.css", b"a{}", "text/css")
    site.status("/loop", 302, Location="/loop")
    fetcher = make()
    assert got(fetcher.fetch(f"{site.url}/0")).final_url == f"{site.url}/deep/a.css"
    site.hits.clear()
    assert fetcher.fetch(f"{site.url}/loop") is MissReason.TOO_MANY_REDIRECTS
    assert len(site.hits) == 1 + fetch_module.MAX_REDIRECTS


def test_every_reason_has_a_meaning_in_the_specification():
    spec = (Path(__file__).parents[2] / "spec" / "assets.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (.+?) \|$", spec, re.MULTILINE))
    assert {r.value: m for r, m in MISS_MEANINGS.items()}.items() <= rows.items()
    assert set(MISS_MEANINGS) == set(MissReason)
