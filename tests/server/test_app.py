"""The pages' server: ranges, headers, hosts, and hostile requests."""

from __future__ import annotations

import io
import json

import pyarrow.parquet as pq
import pytest
from tests.demo.client import TestClient
from tests.support.builders import START_MS, draft, meta, visit

from replayport.archive import Archive
from replayport.player_assets import PlayerNotBuiltError, static_file
from replayport.recording import Person
from replayport.server.app import make_app

try:
    static_file("player.js")
except PlayerNotBuiltError:
    pytest.skip("the web player is not built", allow_module_level=True)

HOSTILE = "https://x.example/\"'><script>alert(1)</script>&amp;?q=<b>"
FILE = "/files/p/s-1/events.parquet"


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        archive.write(draft(session_id="s-1"))
        yield archive


@pytest.fixture
def client(archive):
    return TestClient(
        make_app(archive), base_url="http://127.0.0.1:8470", raise_server_exceptions=False
    )


# --- ranges ---------------------------------------------------------------------------


def test_ranges_are_the_bytes_of_the_file(client, archive):
    whole = archive.recording("s-1").file("events.parquet")
    answer = client.get(FILE)
    assert (answer.status_code, answer.content) == (200, whole)
    assert answer.headers["accept-ranges"] == "bytes"
    assert pq.read_table(io.BytesIO(answer.content)).num_rows == len(visit())
    size = len(whole)
    for header, start, end in (
        ("bytes=0-3", 0, 4),
        ("bytes=-8", size - 8, size),
        (f"bytes=7-{size * 2}", 7, size),
    ):
        part = client.get(FILE, headers={"range": header})
        assert (part.status_code, part.content) == (206, whole[start:end])
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
    outside = client.get(FILE, headers={"range": f"bytes={size}-"})
    assert (outside.status_code, outside.headers["content-range"]) == (416, f"bytes */{size}")
    assert client.get(FILE, headers={"range": "bytes=3-1"}).status_code == 200


def test_head_and_conditions(client):
    head = client.head(FILE)
    whole = client.get(FILE)
    assert head.content == b""
    assert head.headers["content-length"] == str(len(whole.content))
    assert client.head(FILE, headers={"range": "bytes=0-3"}).status_code == 200
    etag = whole.headers["etag"]
    assert client.get(FILE, headers={"if-none-match": etag}).status_code == 304
    assert client.get(FILE, headers={"if-none-match": '"other"'}).status_code == 200
    part = {"range": "bytes=0-3"}
    assert client.get(FILE, headers=part | {"if-range": etag}).status_code == 206
    assert client.get(FILE, headers=part | {"if-range": '"old"'}).status_code == 200


def test_mobile_recordings_are_converted(client, archive):
    wireframe = {"id": 1, "type": "text", "text": "hi", "x": 0, "y": 0, "width": 9, "height": 9}
    events = [meta(), {"type": 2, "timestamp": START_MS + 1, "data": {"wireframes": [wireframe]}}]
    archive.write(draft(events, session_id="m-1"))
    for _ in range(2):  # the second time from memory
        answer = client.get("/files/p/m-1/events.parquet")
        table = pq.read_table(io.BytesIO(answer.content))
        assert '"node"' in "".join(table["data"].to_pylist())
    part = client.get("/files/p/m-1/events.parquet", headers={"range": "bytes=0-3"})
    assert part.content == b"PAR1"


# --- errors ---------------------------------------------------------------------------

GUARDED = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/recordings/p/s-1", 200),
        ("GET", "/api/recordings", 200),
        ("GET", "/api/recordings/p/s-1", 200),
        ("GET", FILE, 200),
        ("GET", "/static/player.js", 200),
        ("GET", "/healthz", 200),
        ("GET", "/recordings/p/none", 404),
        ("GET", "/recordings/none/s-1", 404),
        ("GET", "/api/recordings/p/none", 404),
        ("GET", "/files/p/none/events.parquet", 404),
        ("GET", "/files/p/s-1/manifest.json", 404),
        ("GET", "/static/csp.json", 404),
        ("GET", "/static/..%2f..%2fpyproject.toml", 404),
        ("GET", "/nowhere", 404),
        ("POST", "/", 405),
        ("DELETE", "/api/recordings", 405),
        ("PUT", FILE, 405),
    ],
)
def test_every_answer_is_guarded(client, method, path, status):
    answer = client.request(method, path)
    assert answer.status_code == status
    for name, value in GUARDED.items():
        assert answer.headers[name] == value
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "'unsafe-eval'" not in answer.headers["content-security-policy"]
    if status >= 400 and path.startswith(("/api/", "/files/")):
        assert answer.json()["ok"] is False
        assert answer.json()["status"] == status
        assert answer.json()["error"]
    if status == 405:
        assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil:8470",
        "",
        "[::1]",
        "evil:127.0.0.1",
        "127.0.0.1:8470:1",
        "127.0.0.1@evil",
        "*",
    ],
)
def test_other_hosts_are_refused(client, host):
    answer = client.get("/api/recordings", headers={"host": host})
    assert answer.status_code == 400
    assert "s-1" not in answer.text
    for name, value in GUARDED.items():
        assert answer.headers[name] == value
    assert answer.headers["content-security-policy"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:1", "127.0.0.1:99"])
def test_own_hosts_are_answered(client, host):
    assert client.get("/healthz", headers={"host": host}).json() == {"ok": True}


def test_ipv6_is_a_host_too(archive):
    client = TestClient(make_app(archive, allowed_hosts=["[::1]"]), base_url="http://[::1]:8470")
    assert client.get("/healthz").status_code == 200
    assert client.get("/healthz", headers={"host": "[::2]:8470"}).status_code == 400


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "%2e%2e",
        "..%2f..%2farchive.json",
        "s-1%00",
        "s-1%2f..%2fs-1",
        "%ff",
        "a" * 5000,
        "%1b[31m",
        "'; drop table recordings; --",
        "<script>",
    ],
)
@pytest.mark.parametrize(
    "template",
    [
        "/recordings/p/{}",
        "/recordings/{}/s-1",
        "/files/{}/s-1/events.parquet",
        "/files/p/{}/events.parquet",
    ],
)
def test_no_name_reaches_anything_else(client, name, template):
    answer = client.get(template.format(name))
    assert answer.status_code == 404
    if answer.headers["content-type"].startswith("text/html"):
        assert "<script>" not in answer.text
    assert "archive_id" not in answer.text


def test_a_missing_file_is_an_error_with_a_remedy(client, archive, tmp_path):
    (path,) = (tmp_path / "a").glob("recordings/**/events.parquet")
    path.unlink()
    answer = client.get(FILE)
    assert answer.status_code == 500
    assert "verify" in answer.json()["error"]
    (path.parent / "manifest.json").unlink()
    answer = client.get(FILE)
    assert answer.status_code == 404
    assert answer.json()["error"] == "there is no such recording"


def test_a_damaged_manifest_is_an_error_with_a_remedy(client, tmp_path):
    (path,) = (tmp_path / "a").glob("recordings/**/manifest.json")
    path.write_bytes(b"{")
    for url in ("/recordings/p/s-1", "/api/recordings/p/s-1"):
        answer = client.get(url)
        assert answer.status_code == 500
        assert "again" in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_unexpected_error_says_nothing_and_is_guarded(client, monkeypatch, archive):
    def broken(*_args, **_kw):
        raise RuntimeError("a recorded secret")

    monkeypatch.setattr(type(archive.catalog), "list", broken)
    for url in ("/api/recordings", "/api/recordings?q=x"):
        answer = client.get(url)
        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert answer.headers["content-security-policy"]


# --- the list -------------------------------------------------------------------------


def test_recorded_text_is_in_no_page(client, archive):
    archive.write(
        draft(
            [meta(href=HOSTILE)],
            session_id=HOSTILE,
            project=HOSTILE,
            person=Person(distinct_id=HOSTILE),
        )
    )
    row = next(r for r in client.get("/api/recordings").json()["recordings"] if r["id"] != "s-1")
    for page in (client.get("/"), client.get(f"/recordings/{row['project']}/{row['id']}")):
        assert page.status_code == 200
        assert "alert(1)" not in page.text  # pages hold nothing of a recording
    for query in (HOSTILE, "\0", "%", "\ud83d", "x" * 5000):
        page = client.get("/", params={"q": query.encode("utf-8", "replace").decode()})
        assert page.status_code == 200
        assert "<script>alert" not in page.text


def test_paging_and_search(client, archive):
    for n in range(100 + 5):
        archive.write(draft([meta(n + 10, href=f"https://x.example/{n % 2}")], session_id=f"n-{n}"))
    seen = []
    after = None
    while True:
        params = {"after": after} if after else {}
        answer = client.get("/api/recordings", params=params).json()
        assert len(answer["recordings"]) <= 100
        seen += [r["id"] for r in answer["recordings"]]
        after = answer["next_after"]
        if after is None:
            break
    assert len(seen) == len(set(seen)) == 100 + 6
    found = client.get("/api/recordings", params={"q": "example/1"}).json()["recordings"]
    assert len(found) == (100 + 5) // 2


@pytest.mark.parametrize(
    "after",
    [
        "x",
        "5",
        "[]",
        "[1]",
        "null",
        "{}",
        '"s"',
        '["a","b","c"]',
        "[1,2,3]",
        "[null,null,null]",
        '[1e400,"",""]',
        f'[{10**30},"",""]',
        '[1,"\\ud800","x"]',
        "[" * 20_000,
        '[1,"a","b","c"]',
        "\0",
        '[true,"a","b"]',
    ],
)
def test_a_hostile_cursor_is_a_bad_request(client, after):
    for path in ("/api/recordings", "/api/recordings?order=events"):
        answer = client.get(path, params={"after": after})
        assert answer.status_code == 400
        assert answer.headers["content-security-policy"]


def test_a_cursor_is_data_only(client):
    after = json.dumps([START_MS * 2, "' or 1=1 --", "\0<script>"])
    answer = client.get("/api/recordings", params={"after": after})
    assert [r["id"] for r in answer.json()["recordings"]] == ["s-1"]


def test_static_files_are_cached_by_content(client):
    first = client.get("/static/player.js")
    assert first.headers["content-type"].startswith("text/javascript")
    etag = first.headers["etag"]
    assert client.get("/static/player.js", headers={"if-none-match": etag}).status_code == 304
