"""What every store does, on memory, a folder, S3's protocol (moto) and a real S3 (Ceph RGW)."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from tests.support.rgw import S3Server, running_rgw
from werkzeug.serving import make_server

from replayport import store as store_module
from replayport.errors import ObjectExistsError, SettingsError, StoreError
from replayport.store import Store, check_key

SPAWN = multiprocessing.get_context("spawn")
ODD_KEYS = [
    "a",
    "a.b/c d/e+f&g=h",
    "ü/録画/\U0001f3a5",
    "100%25/%2e%2e/~x",
    "q?u#e:r*y|\"'<>{}^`$@!,;[]()",
    "...",
    ".hidden/x",
    "v#1",
    "recordings/p/2026/01/02/0199/manifest.json",
    "x" * 255,
    "\u0301combining",
    " leading and trailing ",
]
BAD_KEYS = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "../a",
    "a/../b",
    "a/..",
    "./a",
    "a/./b",
    "a\\b",
    "..\\a",
    "a\x00b",
    "a\nb",
    "a\x7fb",
    "a\x85b",
    "\ud800",
    "x" * 256,
    "ü" * 128,
    "/".join(["x" * 200] * 6),
    ".staging/x",
    ".leases",
]


def one_at_a_time(app: Any) -> Any:
    """S3 decides a conditional put in one step; moto looks, then writes, in as many as it has threads."""
    turn = threading.Lock()

    def guarded(environ: dict[str, Any], start_response: Any) -> Any:
        with turn:
            return app(environ, start_response)

    return guarded


def start_moto(stack: ExitStack, wrap: Any = None) -> S3Server:
    app: Any = one_at_a_time(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, wrap(app) if wrap else app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    stack.callback(thread.join)
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    return S3Server(f"http://127.0.0.1:{server.server_port}", "any", "thing")


@pytest.fixture(scope="module")
def moto() -> Iterator[S3Server]:
    with ExitStack() as stack:
        yield start_moto(stack)


@pytest.fixture(scope="session")
def rgw() -> Iterator[S3Server]:
    with running_rgw() as server:
        yield server


@pytest.fixture(params=["memory", "local", "s3", pytest.param("rgw", marks=pytest.mark.rgw)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, dict[str, Any]]:
    """URL and options of an empty store."""
    if request.param == "memory":
        return "memory://", {}
    if request.param == "local":
        return str(tmp_path / "deep" / "store"), {}
    server: S3Server = request.getfixturevalue("moto" if request.param == "s3" else "rgw")
    return f"s3://{server.new_bucket()}/some/prefix", server.options


@pytest.fixture
def store(place: tuple[str, dict[str, Any]]) -> Store:
    return Store.open(place[0], **place[1])


@pytest.fixture
def local(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def keys(store: Store, prefix: str = "") -> list[str]:
    return [info.key for info in store.list(prefix)]


def files_of(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir())


# Reading and writing


@pytest.mark.parametrize("key", ODD_KEYS)
def test_what_is_put_is_read(store: Store, key: str) -> None:
    store.put(key, b"first")
    store.put(key, b"second, longer")
    assert store.get(key) == b"second, longer"
    assert store.exists(key)
    assert keys(store) == [key]
    info = store.head(key)
    assert (info.key, info.size) == (key, 14)
    assert info.modified_ms > 1_500_000_000_000
    assert [(i.key, i.size, i.modified_ms // 1000) for i in store.list()] == [
        (key, 14, info.modified_ms // 1000)
    ]


def test_empty_and_large_objects(store: Store, tmp_path: Path) -> None:
    large = os.urandom(1024) * 17_000  # more than one part of a multipart upload
    (tmp_path / "large").write_bytes(large)
    store.put("empty", b"")
    store.put("bytes", large)
    store.put("file", tmp_path / "large")
    store.put_new("new", large)
    assert store.get("empty") == b""
    assert store.get("bytes") == large
    assert store.get("file") == large
    assert store.get("new") == large
    assert store.get_range("file", len(large) - 3, len(large) + 9) == large[-3:]


def test_a_file_that_is_not_there_is_not_stored(store: Store, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        store.put("x", tmp_path / "nothing")
    assert not store.exists("x")


def test_missing_objects(store: Store) -> None:
    assert not store.exists("no/such")
    assert keys(store) == []
    for call in (
        lambda: store.get("no/such"),
        lambda: store.head("no/such"),
        lambda: store.get_range("no/such", 0, 5),
        lambda: store.get_range("no/such", 0, 0),
        lambda: store.get_ranges("no/such", [(0, 1), (5, 9)]),
    ):
        with pytest.raises(FileNotFoundError) as caught:
            call()
        assert caught.value.filename == "no/such"
    store.put("no/such/one", b"1")
    with pytest.raises(FileNotFoundError):
        store.get("no/such")
    with pytest.raises(FileNotFoundError):
        store.head("no")
    with pytest.raises(FileNotFoundError):
        store.get("no/such/one/more")
    store.delete("no/such/one/more")
    store.delete("no")
    assert store.get("no/such/one") == b"1"


def test_ranges_are_slices(store: Store) -> None:
    data = bytes(range(50))
    store.put("k", data)
    store.put("empty", b"")
    bounds = [0, 1, 25, 49, 50, 51, 2**40]
    ranges = [(start, end) for start in bounds for end in bounds if start <= end]
    for start, end in ranges:
        assert store.get_range("k", start, end) == data[start:end], (start, end)
    assert store.get_ranges("k", ranges) == [data[a:b] for a, b in ranges]
    assert store.get_ranges("k", [(40, 45), (0, 5), (3, 30)]) == [
        data[40:45],
        data[0:5],
        data[3:30],
    ]
    assert store.get_ranges("k", [(0, 1), (60, 70)]) == [data[:1], b""]
    assert store.get_ranges("k", []) == []
    assert store.get_range("empty", 0, 10) == b""
    assert store.get_range("empty", 0, 0) == b""
    for start, end in ((-1, 5), (5, 4), (-3, -1)):
        with pytest.raises(ValueError):
            store.get_range("k", start, end)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
@given(
    data=st.binary(max_size=60),
    ranges=st.lists(
        st.tuples(st.integers(0, 70), st.integers(0, 70)).map(sorted).map(tuple), max_size=6
    ),
)
def test_any_ranges_are_slices(data: bytes, ranges: list[tuple[int, int]]) -> None:
    memory = Store.open("memory://")
    memory.put("k", data)
    assert memory.get_ranges("k", ranges) == [data[a:b] for a, b in ranges]


# Keys


@pytest.mark.parametrize("key", BAD_KEYS)
def test_bad_keys_are_refused_everywhere(store: Store, key: str) -> None:
    for call in (
        lambda: store.get(key),
        lambda: store.get_range(key, 0, 1),
        lambda: store.head(key),
        lambda: store.exists(key),
        lambda: store.put(key, b""),
        lambda: store.put_new(key, b""),
        lambda: store.delete(key),
        lambda: store.local_path(key),
        lambda: store.lease(key, 1).__enter__(),
    ):
        with pytest.raises(ValueError):
            call()
    if not key.endswith("/"):
        with pytest.raises(ValueError):
            store.delete_prefix(key)
        if key:
            with pytest.raises(ValueError):
                store.list(key)
    assert keys(store) == []


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(key=st.text(st.sampled_from("a./\\\x00é~"), max_size=8))
def test_no_key_leads_out_of_a_folder(local: Store, key: str) -> None:
    try:
        check_key(key)
    except ValueError:
        return
    path = local.local_path(key)
    assert path is not None
    root = local.local_path("x").parent  # type: ignore[union-attr]
    assert Path(os.path.normpath(path)) == path
    assert path.is_relative_to(root)
    assert path != root


# Listing


def test_listing_is_by_segment_and_ordered(store: Store) -> None:
    names = ["a/b", "a-b", "a.b/c", "a/b-c/d", "a/c/d", "ab", "b/\U0001f3a5", "b/\uffee", "A"]
    for name in names:
        store.put(name, name.encode())
    assert keys(store) == sorted(names, key=str.encode)
    assert keys(store, "a") == ["a/b", "a/b-c/d", "a/c/d"]
    assert keys(store, "a/") == ["a/b", "a/b-c/d", "a/c/d"]
    assert keys(store, "a/b-c") == ["a/b-c/d"]
    assert keys(store, "a/b") == []
    assert keys(store, "zz") == []


def test_listing_goes_on_over_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_LIST_PAGE", 7)
    names = [f"p/{n:03d}" for n in range(40)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: store.put(name, b""), names))
    assert keys(store, "p") == names
    assert store.delete_prefix("p") == 40
    assert keys(store) == []


# Deleting


def test_deleting(store: Store) -> None:
    for name in ("a/1", "a/b/2", "ab/3", "c"):
        store.put(name, b"x")
    store.delete("c")
    store.delete("c")
    assert not store.exists("c")
    assert store.delete_prefix("a/") == 2
    assert store.delete_prefix("a") == 0
    assert store.delete_prefix("ab/3") == 0
    assert keys(store) == ["ab/3"]
    with pytest.raises(ValueError):
        store.delete_prefix("")


# Create-only


def test_put_new_never_replaces(store: Store) -> None:
    store.put_new("k", b"first")
    with pytest.raises(ObjectExistsError) as caught:
        store.put_new("k", b"second")
    assert caught.value.__cause__ is not None
    assert caught.value.location == store.url
    assert store.get("k") == b"first"
    assert keys(store) == ["k"]
    store.delete("k")
    store.put_new("k", b"third")
    assert store.get("k") == b"third"


def test_of_racing_threads_one_wins(store: Store) -> None:
    def race(arguments: tuple[int, int]) -> str | None:
        round_, racer = arguments
        try:
            store.put_new(f"race/{round_}", b"%d" % racer)
        except ObjectExistsError:
            return None
        return f"{round_} {racer}"

    with ThreadPoolExecutor(8) as pool:
        winners = [w for w in pool.map(race, [(r, n) for r in range(10) for n in range(8)]) if w]
    assert sorted(winners) == sorted(f"{r} {store.get(f'race/{r}').decode()}" for r in range(10))


def race_for_keys(url: str, racer: int, rounds: int, start: Any, won: Any) -> None:
    store = Store.open(url)
    start.wait()
    for n in range(rounds):
        try:
            store.put_new(f"race/{n}/k", b"%d" % racer)
        except ObjectExistsError:
            continue
        won.put((n, racer))


def test_of_racing_processes_one_wins(local: Store) -> None:
    rounds = 60
    start, won = SPAWN.Barrier(2), SPAWN.Queue()
    racers = [
        SPAWN.Process(target=race_for_keys, args=(local.url, n, rounds, start, won))
        for n in range(2)
    ]
    for racer in racers:
        racer.start()
    winners = [won.get(timeout=60) for _ in range(rounds)]
    for racer in racers:
        racer.join(60)
        assert racer.exitcode == 0
    assert won.empty()
    assert {n: b"%d" % racer for n, racer in winners} == {
        n: local.get(f"race/{n}/k") for n in range(rounds)
    }
    won.close()


def ignore_conditions(app: Any) -> Any:
    def handicapped(environ: dict[str, Any], start_response: Any) -> Any:
        environ.pop("HTTP_IF_NONE_MATCH", None)
        return app(environ, start_response)

    return handicapped


def test_a_server_that_ignores_conditions_is_refused() -> None:
    with ExitStack() as stack:
        server = start_moto(stack, ignore_conditions)
        store = Store.open(f"s3://{server.new_bucket()}", **server.options)
        with pytest.raises(StoreError, match="If-None-Match"):
            store.put_new("k", b"")
        assert keys(store) == []
        # Leases need no conditional put.
        with store.lease("k", 60), pytest.raises(ObjectExistsError):
            store.lease("k", 60).__enter__()


# Leases


class Clock:
    """A clock that moves only when told to, or when somebody sleeps by it."""

    def __init__(self) -> None:
        self.ms = 1_700_000_000_000
        self.slept = 0

    def now_ms(self) -> int:
        return self.ms

    def sleep(self, seconds: float) -> None:
        self.slept += 1
        self.ms += max(1, int(seconds * 1000))


@pytest.fixture
def clock(store: Store) -> Clock:
    made = Clock()
    store.clock_ms = made.now_ms
    store.sleep = made.sleep
    return made


def test_a_lease_keeps_others_out(store: Store, clock: Clock) -> None:
    with store.lease("rec/1", 60, owner="first") as lease:
        lease.check()
        with pytest.raises(ObjectExistsError, match="'rec/1' is leased by first"):
            store.lease("rec/1", 60).__enter__()
        with store.lease("rec/2", 60), store.lease("rec", 60):
            pass
        assert keys(store) == []
    with store.lease("rec/1", 60, owner="second"):
        pass
    assert list(store._list(".leases")) == []


def test_a_lease_in_a_folder_waits_for_no_disk(
    local: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with local.lease("k", 60):
        pass
    monkeypatch.setattr(os, "fsync", lambda _: pytest.fail("a ticket was synced"))
    with local.lease("k", 60), pytest.raises(ObjectExistsError):
        local.lease("k", 60).__enter__()
    assert list(local._list(".leases")) == []


def test_a_ticket_counts_before_its_text_is_there(local: Store) -> None:
    with local.lease("k", 60) as lease:
        path = Path(local.url.removeprefix("file://")) / lease.ticket
        path.write_bytes(b"")
        with pytest.raises(ObjectExistsError, match="someone who just took it"):
            local.lease("k", 60).__enter__()


def test_a_lease_ends_with_its_term(store: Store, clock: Clock) -> None:
    with store.lease("k", 10, owner="slow") as slow:
        clock.ms += 8_000
        slow.check()
        with pytest.raises(ObjectExistsError):
            store.lease("k", 10).__enter__()
        clock.ms += 10_000
        with pytest.raises(StoreError, match="ran out"):
            slow.check()
        with pytest.raises(StoreError, match="ran out"):
            slow.renew()
        with store.lease("k", 10, owner="next") as taken:
            taken.check()
            # The first holder's release, below, must not free the second's lease.
    with store.lease("k", 10, owner="next") as taken:
        slow_release = store.lease("other", 10)
        with slow_release:
            clock.ms += 9_000
        taken.check()
        with pytest.raises(ObjectExistsError, match="next"):
            store.lease("k", 10).__enter__()


def test_releasing_late_leaves_the_next_holder_alone(store: Store, clock: Clock) -> None:
    late = store.lease("k", 10, owner="late")
    late.__enter__()
    clock.ms += 10_000
    with store.lease("k", 10, owner="next"):
        late.__exit__(None, None, None)
        with pytest.raises(ObjectExistsError, match="next"):
            store.lease("k", 10).__enter__()


def test_renewing_keeps_a_lease(store: Store, clock: Clock) -> None:
    with store.lease("k", 10, owner="long") as lease:
        for _ in range(5):
            clock.ms += 9_000
            lease.renew()
            with pytest.raises(ObjectExistsError, match="long"):
                store.lease("k", 10).__enter__()
            assert lease.expires_ms > clock.ms
    with store.lease("k", 10):
        pass
    assert list(store._list(".leases")) == []


def test_waiting_for_a_lease(store: Store, clock: Clock) -> None:
    with store.lease("k", 5):
        # Waiting moves the clock until the holder's term is over.
        with store.lease("k", 60, wait_s=10) as lease:
            lease.check()
    assert clock.slept > 4


def test_an_exception_releases(store: Store, clock: Clock) -> None:
    with pytest.raises(KeyError), store.lease("k", 60):
        raise KeyError
    with store.lease("k", 60):
        pass
    with pytest.raises(ValueError):
        store.lease("k", 0).__enter__()


def test_a_store_slower_than_the_term_gives_no_lease(store: Store, clock: Clock) -> None:
    real = store._list

    def slow(prefix: str) -> Any:
        clock.ms += 11_000
        return real(prefix)

    store._list = slow  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="ran out"):
        store.lease("k", 10).__enter__()
    assert list(real(".leases")) == []


def test_leases_exclude_threads(store: Store) -> None:
    inside: Counter[str] = Counter()
    taken = []

    def work(name: int) -> None:
        for _ in range(3):
            with store.lease("k", 60, wait_s=60):
                inside["now"] += 1
                taken.append((name, inside["now"]))
                store.put("value", b"%d" % (int(store.get("value")) + 1))
                inside["now"] -= 1

    store.put("value", b"0")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    assert [held for _, held in taken] == [1] * 9
    assert store.get("value") == b"9"


# Opening


def test_urls_tell_where_and_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    here = tmp_path.resolve()
    assert Store.open("replays").url == (here / "replays").as_uri()
    assert Store.open("./a b%41").local_path("x/y") == here / "a b%41/x/y"
    assert Store.open("~/r").local_path("k") == here / "home/r/k"
    assert Store.open(tmp_path).url == here.as_uri()
    assert Store.open(f"file://{tmp_path}/a%20b").local_path("k") == here / "a b/k"
    assert Store.open(Store.open("ü b").url).local_path("k") == here / "ü b/k"
    assert Store.open("memory://").url == "memory://"
    assert Store.open("memory://").local_path("k") is None
    s3 = Store.open("s3://bucket/a/b/", access_key_id="AKIA", secret_access_key="hunter2")
    assert s3.url == "s3://bucket/a/b"
    assert Store.open("s3://bucket").url == "s3://bucket"
    assert Store.open("az://box/p", account_name="me", account_key="aGVsbG8=").url == "az://box/p"
    assert Store.open("gs://box/p", skip_signature=True).url == "gs://box/p"
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/x",
        "s3://",
        "s3://key:hunter2@bucket",
        "s3://bucket/../x",
        "s3://bucket/a?region=hunter2",
        "file://host/share",
        "file://relative",
        "memory://name",
        "",
    ],
)
def test_urls_that_cannot_be_used(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Store.open(url)
    assert "hunter2" not in str(caught.value)


def test_options_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no_such_option"):
        Store.open("s3://bucket", no_such_option="x")
    with pytest.raises(SettingsError, match="mean nothing"):
        Store.open(tmp_path, region="x")


@pytest.mark.parametrize(
    ("endpoint", "allowed"),
    [
        ("http://127.0.0.1:9000", True),
        ("http://localhost:9000", True),
        ("http://[::1]:9000", True),
        ("http://127.0.0.1.evil.example", False),
        ("http://minio:9000", False),
        ("HTTP://minio:9000", False),
        ("https://minio:9000", True),
    ],
)
def test_plain_http_leaves_the_machine_only_when_told(
    endpoint: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    if not allowed:
        with pytest.raises(SettingsError, match="AWS_ALLOW_HTTP"):
            Store.open("s3://bucket")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true" if not allowed else "")
    assert Store.open("s3://bucket").url == "s3://bucket"


def test_the_environment_is_enough(moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto.secret_access_key)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    store = Store.open(f"s3://{moto.new_bucket()}/p")
    store.put_new("k", b"v")
    assert store.get("k") == b"v"


def test_prefixes_are_apart(moto: S3Server) -> None:
    bucket = moto.new_bucket()
    one, two = (Store.open(f"s3://{bucket}/{p}", **moto.options) for p in ("p", "pq"))
    one.put("k", b"1")
    two.put("k", b"2")
    assert keys(one) == ["k"]
    assert one.get("k") == b"1"
    assert keys(Store.open(f"s3://{bucket}", **moto.options)) == ["p/k", "pq/k"]


@pytest.mark.parametrize("server", ["moto", pytest.param("rgw", marks=pytest.mark.rgw)])
def test_a_missing_bucket_is_no_missing_object(server: str, request: pytest.FixtureRequest) -> None:
    options = request.getfixturevalue(server).options
    store = Store.open("s3://no-such-bucket", **options)
    for call in (
        lambda: store.get("k"),
        lambda: store.get_range("k", 0, 1),
        lambda: store.head("k"),
        lambda: store.exists("k"),
        lambda: store.put("k", b""),
        lambda: store.put_new("k", b""),
        lambda: store.delete("k"),
        lambda: store.delete_prefix("k"),
        lambda: keys(store),
    ):
        with pytest.raises(StoreError) as caught:
            call()
        assert caught.value.__cause__ is not None


@pytest.mark.rgw
def test_a_wrong_key_says_so(rgw: S3Server) -> None:
    options = {**rgw.options, "secret_access_key": "hunter2"}
    store = Store.open(f"s3://{rgw.new_bucket()}", **options)
    for call in (lambda: store.get("k"), lambda: store.put("k", b"")):
        with pytest.raises(StoreError, match="access key") as caught:
            call()
        assert "hunter2" not in str(caught.value)


def test_an_unreachable_server_says_so() -> None:
    store = Store.open(
        "s3://bucket",
        endpoint="http://127.0.0.1:1",
        access_key_id="x",
        secret_access_key="x",
        max_retries=0,
    )
    with pytest.raises(StoreError) as caught:
        store.get("k")
    assert "\n" not in str(caught.value)


def test_tokens_in_urls_are_not_repeated() -> None:
    store = Store.open(
        "az://box",
        endpoint="http://127.0.0.1:1",
        account_name="me",
        max_retries=0,
        sas_key="sv=2024&sig=hunter2",
    )
    for call in (lambda: store.get("k"), lambda: keys(store, "p"), lambda: store.delete("k")):
        with pytest.raises(StoreError) as caught:
            call()
        assert "hunter2" not in str(caught.value)


def test_stores_travel_to_other_processes(tmp_path: Path, moto: S3Server) -> None:
    for url, options in (
        (str(tmp_path / "s"), {}),
        (f"s3://{moto.new_bucket()}/p", moto.options),
    ):
        store = Store.open(url, **options)
        store.put("k", b"v")
        assert pickle.loads(pickle.dumps(store)).get("k") == b"v"


# Folders


def test_a_folder_appears_with_the_first_put(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "a" / "b")
    assert keys(store) == []
    store.delete("x")
    assert store.delete_prefix("x") == 0
    assert not store.exists("x")
    assert list(tmp_path.iterdir()) == []
    store.put("x/y", b"1")
    assert files_of(tmp_path) == ["a/b/x/y"]
    assert store.local_path("x/y").read_bytes() == b"1"  # type: ignore[union-attr]


def test_deleting_leaves_no_empty_folders(local: Store, tmp_path: Path) -> None:
    local.put("a/b/c/1", b"")
    local.put("a/2", b"")
    local.delete("a/b/c/1")
    assert not (tmp_path / "store/a/b").exists()
    local.delete_prefix("a")
    assert not (tmp_path / "store/a").exists()
    local.put("a/b/c/1", b"")
    assert keys(local) == ["a/b/c/1"]


def test_links_are_not_followed(local: Store, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    root = tmp_path / "store"
    local.put("a/b", b"1")
    (root / "out").symlink_to(outside)
    (root / "a" / "file").symlink_to(outside / "secret")
    (root / "a" / "loop").symlink_to("loop")
    (root / "inside").symlink_to("a")
    assert keys(local) == ["a/b"]
    for key in ("out/secret", "out/new", "a/file", "a/loop", "inside/b"):
        for call in (
            lambda: local.get(key),
            lambda: local.get_range(key, 0, 1),
            lambda: local.exists(key),
            lambda: local.put(key, b"x"),
            lambda: local.put_new(key, b"x"),
            lambda: local.delete(key),
            lambda: local.local_path(key),
        ):
            with pytest.raises(StoreError, match="symbolic link"):
                call()
    with pytest.raises(StoreError, match="symbolic link"):
        local.delete_prefix("out")
    with pytest.raises(StoreError, match="symbolic link"):
        list(local.list("out"))
    assert local.delete_prefix("a") == 1
    assert files_of(outside) == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"


def test_the_root_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    store = Store.open(tmp_path / "link")
    store.put("a/b", b"1")
    assert (tmp_path / "real/a/b").read_bytes() == b"1"
    assert keys(store) == ["a/b"]


def test_foreign_files_that_are_no_keys_are_left_out(local: Store, tmp_path: Path) -> None:
    local.put("a/b", b"1")
    (tmp_path / "store/a/new\nline").write_text("")
    (tmp_path / "store/a/back\\slash").write_text("")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/store/a/\xff")).write_text("")
    assert keys(local) == ["a/b"]
    assert local.delete_prefix("a") == 1
    assert not (tmp_path / "store/a").exists()


def test_a_file_and_a_folder_of_one_name(local: Store) -> None:
    local.put("a/b", b"1")
    calls: list[Callable[[], None]] = [
        lambda: local.put("a", b""),
        lambda: local.put("a/b/c", b""),
        lambda: local.put_new("a/b/c", b""),
    ]
    for call in calls:
        with pytest.raises(StoreError) as caught:
            call()
        assert not isinstance(caught.value, ObjectExistsError)
    assert local.get("a/b") == b"1"
    assert keys(local) == ["a/b"]


def fail_after(real: Any, allowed: int, code: int) -> Any:
    calls = iter(range(10**9))

    def failing(*arguments: Any, **keywords: Any) -> Any:
        if next(calls) >= allowed:
            raise OSError(code, os.strerror(code))
        return real(*arguments, **keywords)

    return failing


@pytest.mark.parametrize("name", ["put", "put_new"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_failing_disk_leaves_nothing_half_written(
    local: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    local.put("a/old", b"old")
    # Whichever step fails, from the first on, until none does.
    for allowed in range(50):
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail_after(os.fsync, allowed, code))
            try:
                getattr(local, name)(f"b/{allowed}/new", b"new")
            except StoreError as e:
                assert ("no space left" in str(e)) == (code != errno.EIO)
                assert isinstance(e.__cause__, OSError)
            else:
                break
        assert local.get("a/old") == b"old"
        assert files_of(tmp_path / "store/.staging") == []
    else:
        pytest.fail("never succeeded")
    assert allowed > 1


@pytest.mark.parametrize(("name", "step"), [("put", "replace"), ("put_new", "link")])
def test_bytes_are_on_the_disk_before_they_are_seen(
    local: Store, monkeypatch: pytest.MonkeyPatch, name: str, step: str
) -> None:
    path = local.local_path("a/b")
    assert path is not None
    steps: list[object] = []
    real_sync, real_step = os.fsync, getattr(os, step)

    def sync(descriptor: int) -> None:
        real_sync(descriptor)
        steps.append(os.fstat(descriptor).st_ino)

    def place(source: Any, target: Any) -> None:
        real_step(source, target)
        steps.append("placed")

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, step, place)
    getattr(local, name)("a/b", b"x")
    placed = steps.index("placed")
    assert path.stat().st_ino in steps[:placed]
    assert path.parent.parent.stat().st_ino in steps[:placed]  # holds the new folder "a"
    assert steps[placed + 1 :] == [path.parent.stat().st_ino]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mounted = tmp_path / "disk"
    mounted.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mounted)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a small file system here (needs root)")
    yield mounted
    subprocess.run(["umount", str(mounted)], check=True)


def test_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    store = Store.open(small_disk / "store")
    store.put("k", b"old")
    (tmp_path / "large").write_bytes(b"x" * 2_000_000)
    calls: list[Callable[[], None]] = [
        lambda: store.put("k", b"x" * 2_000_000),
        lambda: store.put("k", tmp_path / "large"),
        lambda: store.put_new("new", b"x" * 2_000_000),
    ]
    for call in calls:
        with pytest.raises(StoreError, match="no space left"):
            call()
    assert store.get("k") == b"old"
    assert files_of(small_disk) == ["store/k"]
    store.put("k", b"x" * 500_000)


def test_a_file_system_without_hard_links(
    local: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "link", fail_after(os.link, 0, errno.EPERM))
    with pytest.raises(StoreError, match="hard links"):
        local.put_new("k", b"")
    assert files_of(tmp_path) == []


def put_forever(url: str, started: Any) -> None:
    store = Store.open(url)
    for n in range(10**9):
        store.put("k", bytes([n % 256]) * 300_000)
        started.set()


def test_a_killed_writer_leaves_no_half_object(local: Store, tmp_path: Path) -> None:
    for _ in range(3):
        started = SPAWN.Event()
        writer = SPAWN.Process(target=put_forever, args=(local.url, started))
        writer.start()
        assert started.wait(60)
        for _ in range(20):  # readers meanwhile see whole objects only
            seen = local.get("k")
            assert len(seen) == 300_000
            assert len(set(seen)) == 1
        os.kill(writer.pid, signal.SIGKILL)  # type: ignore[arg-type]
        writer.join()
        assert len(set(local.get("k"))) == 1
    # The next writer clears what the killed ones left, but not what a live one is writing.
    Store.open(local.url).put("other", b"1")
    assert files_of(tmp_path / "store") == ["k", "other"]


def test_leftovers_of_the_dead_go_those_of_the_living_stay(local: Store, tmp_path: Path) -> None:
    local.put("a/b", b"1")
    staging = tmp_path / "store/.staging"
    (staging / "dead").write_bytes(b"personal data")
    living, descriptor = store_module._new_locked_file(staging)
    local.delete_prefix("a")
    assert [p.name for p in staging.iterdir()] == [living.name]
    os.close(descriptor)
    local.delete_prefix("a")
    assert list(staging.iterdir()) == []


def test_putting_and_deleting_beside_each_other(local: Store) -> None:
    def put(n: int) -> None:
        local.put(f"a/b/{n % 5}", b"x")

    def delete(n: int) -> None:
        local.delete(f"a/b/{n % 5}")

    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(put if n % 2 else delete, n) for n in range(300)]
    for future in done:
        future.result()
