"""What every catalog does, on SQLite and PostgreSQL; and what only one of them has."""

from __future__ import annotations

import multiprocessing
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.postgres import new_database, running_postgres

from replayport.catalog import CATALOGS, ORDER_FIELDS, Catalog, RecordingRow, open_catalog, sql
from replayport.catalog.base import ScoreRow
from replayport.catalog.words import SearchText
from replayport.errors import (
    AmbiguousRecordingError,
    CatalogError,
    MissingExtraError,
    RecordingNotFoundError,
    SettingsError,
)

SPAWN = multiprocessing.get_context("spawn")
TEXT_FIELDS = [f.name for f in fields(RecordingRow) if "str" in str(f.type)]
HOSTILE = [
    "'; DROP TABLE replayport_recordings; --",
    '"double" `back` %s %(x)s :x ? $1',
    "%_\\\\",
    "nul\x00inside",
    "\x00",
    "\x1b0\x1b1\x1bud800",
    "half \ud800 pair \udfff",
    "Größe 録画 \U0001f3a5 \u202e\u0000",
    "a" * 100_000,
    "",
    " ",
    "\r\n\t",
    "\ufeffbom",
]


def make_row(number: int = 0, **changes: object) -> RecordingRow:
    row = RecordingRow(
        project="p1",
        id=f"rec-{number:06d}",
        session_id=f"session-{number}",
        key_prefix=f"recordings/p1/2026/01/01/rec-{number:06d}",
        start_ms=1_700_000_000_000 + number * 1000,
        end_ms=1_700_000_000_000 + number * 1000 + 500,
        duration_ms=500,
        events=10 + number,
        windows=1,
        source="posthog",
        snapshot_source="web",
        complete=True,
        archived_bytes=1000,
        raw_bytes=15_000,
        created_ms=1_800_000_000_000,
        format_version=1,
        distinct_id=f"person-{number % 3}",
        first_url=f"https://shop.example/{number}",
        urls_text=f"https://shop.example/{number}\nhttps://shop.example/cart?a=100%25&b_c",
        clicks=number % 7,
        inputs=2,
        errors=0,
    )
    return replace(row, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[object]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return new_database(request.getfixturevalue("postgres_server"))
    return f"sqlite:///{tmp_path}/catalog.sqlite"


@pytest.fixture
def catalog(url: str) -> Iterator[Catalog]:
    made = open_catalog(url)
    yield made
    made.close()


@pytest.fixture
def memory() -> Iterator[Catalog]:
    made = open_catalog("sqlite://")
    yield made
    made.close()


# Rows


def test_the_table_has_the_fields_of_a_row() -> None:
    assert {f.name for f in fields(RecordingRow)} | {"n"} == set(sql._recordings.c.keys())
    assert set(ORDER_FIELDS) <= set(sql._recordings.c.keys())


def test_a_row_comes_back_as_it_went_in(catalog: Catalog) -> None:
    full = make_row(1)
    bare = make_row(2, distinct_id=None, first_url=None, urls_text="", complete=False)
    catalog.upsert([full, bare])
    assert catalog.get("rec-000001") == full
    assert catalog.get("rec-000002", "p1") == bare
    assert catalog.find_session("p1", "session-2") == bare
    assert catalog.has("p1", "rec-000001")
    assert not catalog.has("p2", "rec-000001")
    assert catalog.find_session("p2", "session-2") is None


def test_upsert_replaces_and_takes_a_generator(catalog: Catalog) -> None:
    catalog.upsert(make_row(n) for n in range(1200))
    catalog.upsert([make_row(7, events=1), make_row(7, events=2, complete=False)])
    catalog.upsert([])
    assert catalog.count() == 1200
    assert catalog.get("rec-000007") == make_row(7, events=2, complete=False)


@pytest.mark.parametrize("field", TEXT_FIELDS)
def test_hostile_text_in_every_column(catalog: Catalog, field: str) -> None:
    texts = HOSTILE
    if field in ("id", "project"):
        # The archive makes these names; they are short (keys of the store).
        texts = [text for text in HOSTILE if len(text) < 256]
    rows = [make_row(n, **{field: text}) for n, text in enumerate(texts)]
    if field != "id":
        catalog.upsert(rows)
        for row in rows:
            assert catalog.get(row.id, row.project) == row
    else:
        for row in rows:
            catalog.upsert([row])
            assert catalog.get(row.id) == row
            assert catalog.has("p1", row.id)
    assert sorted(catalog.list(), key=lambda r: r.start_ms) == rows
    if field == "distinct_id":
        for row in rows:
            assert list(catalog.list(person=row.distinct_id)) == [row]
    if field == "session_id":
        for row in rows:
            assert catalog.find_session("p1", row.session_id) == row
    if field == "urls_text":
        for row in rows:
            if row.urls_text.strip():
                assert row in list(catalog.list(url_contains=row.urls_text))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=[]), max_size=30))
def test_any_text_comes_back(text: str) -> None:
    assert sql._unescape(sql._escape(text)) == text
    sql._escape(text).encode()
    assert "\x00" not in sql._escape(text)


def test_numbers_as_large_as_the_format_has(catalog: Catalog) -> None:
    row = make_row(1, start_ms=-(2**63), end_ms=2**63 - 1, raw_bytes=2**63 - 1)
    catalog.upsert([row])
    assert catalog.get(row.id) == row
    with pytest.raises(CatalogError):
        catalog.upsert([make_row(2, raw_bytes=2**63)])
    assert catalog.count() == 1


def test_delete_and_clear(catalog: Catalog) -> None:
    catalog.upsert(make_row(n) for n in range(5))
    catalog.set_state("cursor", {"at": 3})
    assert catalog.delete("p1", "rec-000001")
    assert not catalog.delete("p1", "rec-000001")
    assert not catalog.delete("p2", "rec-000002")
    assert catalog.count() == 4
    catalog.clear()
    assert catalog.count() == 0
    assert list(catalog.list()) == []
    assert catalog.get_state("cursor") == {"at": 3}


# Finding


# Scores


def make_score(number: int = 0, **changes: object) -> ScoreRow:
    row = ScoreRow(
        project="p1",
        id=f"rec-{number:06d}",
        model="rules-1",
        score=number / 10,
        reasons="[]",
        recording_created_ms=1,
        scored_ms=2,
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def test_scores_come_back_highest_first_and_unknown_last(catalog: Catalog) -> None:
    rows = [make_score(1), make_score(2, score=None), make_score(3), make_score(3, model="m")]
    catalog.put_scores(rows)
    assert list(catalog.scores(model="rules-1")) == [rows[2], rows[0], rows[1]]
    assert list(catalog.scores(project="p2")) == []
    catalog.put_scores(iter([make_score(1, score=0.9, reasons="\x00 ünknown \ud800")]))
    assert next(catalog.scores()).reasons == "\x00 ünknown \ud800"
    assert len(list(catalog.scores())) == 4


def test_a_recordings_scores_go_with_it(catalog: Catalog) -> None:
    catalog.upsert([make_row(1), make_row(2)])
    catalog.put_scores([make_score(1), make_score(1, model="m"), make_score(2)])
    assert catalog.delete("p1", "rec-000001")
    assert [r.id for r in catalog.scores()] == ["rec-000002"]
    catalog.clear()
    assert list(catalog.scores()) == []


def test_a_catalog_from_before_there_were_scores_gets_a_table(url: str) -> None:
    old = open_catalog(url)
    old.upsert([make_row(1)])
    sql._scores.drop(old._engine)  # type: ignore[attr-defined]
    old.close()
    new = open_catalog(url)
    new.put_scores([make_score(1)])
    assert next(new.scores()).score == 0.1
    assert new.get("rec-000001") == make_row(1)
    new.close()


def test_a_missing_id_names_near_ones(catalog: Catalog) -> None:
    catalog.upsert([make_row(1), make_row(2, id="0199aaaa-1111"), make_row(3, project="p2")])
    with pytest.raises(RecordingNotFoundError, match="0199aaaa-1111"):
        catalog.get("0199aaaa-1112")
    with pytest.raises(RecordingNotFoundError, match="0199aaaa-1111"):
        catalog.get("0199aaaa")
    with pytest.raises(RecordingNotFoundError, match="rec-000001"):
        catalog.get("session-1")
    with pytest.raises(RecordingNotFoundError, match="'p9'"):
        catalog.get("rec-000001", "p9")


def test_an_empty_catalog_points_to_list(catalog: Catalog) -> None:
    with pytest.raises(RecordingNotFoundError, match="replayport list"):
        catalog.get("anything")
    with pytest.raises(RecordingNotFoundError):
        catalog.get("")


def test_an_id_of_two_projects_is_ambiguous(catalog: Catalog) -> None:
    catalog.upsert([make_row(1), make_row(1, project="p2")])
    with pytest.raises(AmbiguousRecordingError, match="p1/rec-000001, p2/rec-000001"):
        catalog.get("rec-000001")
    assert catalog.get("rec-000001", "p2").project == "p2"


def test_the_newest_recording_of_a_session(catalog: Catalog) -> None:
    old = make_row(1, session_id="s", created_ms=1)
    new = make_row(2, session_id="s", created_ms=2)
    catalog.upsert([new, old])
    assert catalog.find_session("p1", "s") == new


# Listing


def test_filters_agree_with_python(catalog: Catalog) -> None:
    rows = [
        make_row(
            n,
            project=f"p{n % 2}",
            duration_ms=n * 100,
            first_url=None if n % 5 == 0 else f"https://shop.example/{n}",
        )
        for n in range(40)
    ]
    catalog.upsert(rows)
    base = 1_700_000_000_000
    cases: list[tuple[dict[str, Any], Callable[[RecordingRow], bool]]] = [
        ({}, lambda r: True),
        ({"project": "p1"}, lambda r: r.project == "p1"),
        ({"since_ms": base + 10_000}, lambda r: r.start_ms >= base + 10_000),
        ({"until_ms": base + 10_000}, lambda r: r.start_ms < base + 10_000),
        ({"person": "person-2"}, lambda r: r.distinct_id == "person-2"),
        ({"url_contains": "/3"}, lambda r: "/3" in r.urls_text),
        ({"url_contains": "100%25&b_c"}, lambda r: True),
        ({"url_contains": "CART"}, lambda r: False),
        ({"url_contains": "100_25"}, lambda r: False),
        ({"min_duration_ms": 1500}, lambda r: r.duration_ms >= 1500),
        (
            {"project": "p0", "person": "person-0", "since_ms": base + 5000},
            lambda r: (
                r.project == "p0" and r.distinct_id == "person-0" and r.start_ms >= base + 5000
            ),
        ),
    ]
    for arguments, wanted in cases:
        expected = [r for r in rows if wanted(r)]
        assert sorted(catalog.list(**arguments), key=lambda r: r.start_ms) == expected
        assert catalog.count(**arguments) == len(expected)


@pytest.mark.parametrize("order", [*ORDER_FIELDS, *(f"-{f}" for f in ORDER_FIELDS)])
def test_every_order_pages_to_the_same_whole(
    catalog: Catalog, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small pages and many equal values: what breaks ties decides.
    monkeypatch.setattr(sql, "_PAGE_ROWS", 3)
    rows = [
        make_row(n % 9, project=name, clicks=n % 2, events=n % 3)
        for n, name in enumerate(["ä", "b", "\U0001f3a5", "Z", "a", "\x00"] * 9)
    ]
    rows = list({(r.project, r.id): r for r in rows}.values())
    catalog.upsert(rows)
    field = order.removeprefix("-")
    # Escaped text is what the database orders.
    expected = sorted(
        rows,
        key=lambda r: (getattr(r, field), sql._escape(r.project), sql._escape(r.id)),
        reverse=order.startswith("-"),
    )
    assert list(catalog.list(order=order)) == expected
    assert list(catalog.list(order=order, limit=7)) == expected[:7]
    assert list(catalog.list(order=order, limit=0)) == []
    paged: list[RecordingRow] = []
    while page := list(
        catalog.list(order=order, limit=4, after=paged[-1].page_key(order) if paged else None)
    ):
        paged += page
    assert paged == expected


def test_twenty_thousand_rows(catalog: Catalog) -> None:
    catalog.upsert(make_row(n, start_ms=(n * 7919) % 5000) for n in range(20_000))
    seen = [(r.start_ms, r.id) for r in catalog.list()]
    assert len(seen) == 20_000
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 20_000


def test_rows_may_change_while_listing(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "_PAGE_ROWS", 10)
    catalog.upsert(make_row(n) for n in range(50))
    seen = []
    for row in catalog.list(order="start_ms"):
        seen.append(row.id)
        catalog.delete("p1", row.id)
        catalog.upsert([make_row(100 + len(seen), start_ms=0)])
    assert seen == [f"rec-{n:06d}" for n in range(50)]


def test_wrong_calls(catalog: Catalog) -> None:
    with pytest.raises(ValueError, match="start_ms, created_ms"):
        catalog.list(order="id; DROP TABLE")
    with pytest.raises(ValueError, match="negative"):
        catalog.list(limit=-1)
    with pytest.raises(ValueError, match="not known"):
        make_row().page_key("project")


def test_listing_by_time_uses_an_index(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    open_catalog(path).close()
    with sqlite3.connect(path) as db:
        for where in ("start_ms < 5", "project = 'p'", "project = 'p' AND start_ms > 5"):
            plan = db.execute(
                f"EXPLAIN QUERY PLAN SELECT * FROM replayport_recordings WHERE {where} "
                "ORDER BY start_ms DESC, project DESC, id DESC LIMIT 50"
            ).fetchall()
            assert not any("TEMP B-TREE" in str(step) for step in plan), plan
            assert "USING INDEX" in str(plan)
    db.close()


# State


def test_state_holds_json(catalog: Catalog) -> None:
    assert catalog.get_state("pull/posthog") is None
    value = {"a": [1, 2.5, None, True], "text": "nul \x00 half \ud83d ü", "big": 2**70}
    catalog.set_state("pull/posthog", value)
    catalog.set_state("other \x00 \ud800", {})
    assert catalog.get_state("pull/posthog") == value
    assert catalog.get_state("other \x00 \ud800") == {}
    with pytest.raises(ValueError):
        catalog.set_state("pull/posthog", {"x": float("nan")})
    assert catalog.get_state("pull/posthog") == value


def test_a_change_that_raises_changes_nothing(catalog: Catalog) -> None:
    def fail(_old: object) -> dict[str, object]:
        raise KeyError("mine")

    with pytest.raises(KeyError):
        catalog.update_state("k", fail)
    assert catalog.get_state("k") is None
    catalog.set_state("k", {"n": 1})
    with pytest.raises(KeyError):
        catalog.update_state("k", fail)
    assert catalog.update_state("k", lambda old: {"n": (old or {})["n"] + 1}) == {"n": 2}


def count_up(url: str, times: int) -> None:
    catalog = open_catalog(url)
    for _ in range(times):
        catalog.update_state("n", lambda old: {"n": (old or {"n": 0})["n"] + 1})
    catalog.close()


def test_processes_never_lose_an_update(url: str) -> None:
    # Nobody opened it before: they also race to make the tables.
    run_processes([(count_up, (url, 50)), (count_up, (url, 50))])
    count_up(url, 1)
    catalog = open_catalog(url)
    assert catalog.get_state("n") == {"n": 101}
    catalog.close()


def test_nobody_comes_between_reading_and_writing(url: str, catalog: Catalog) -> None:
    catalog.set_state("n", {"n": 0})
    other = open_catalog(url)
    done = threading.Event()

    def add_other() -> None:
        other.update_state("n", lambda old: {"n": (old or {})["n"] + 1})
        done.set()

    def slow(old: dict[str, object] | None) -> dict[str, object]:
        thread.start()
        assert not done.wait(0.5)  # it has to wait for us, however long we take
        return {"n": (old or {})["n"] + 10}  # type: ignore[operator]

    thread = threading.Thread(target=add_other)
    catalog.update_state("n", slow)
    thread.join()
    assert catalog.get_state("n") == {"n": 11}
    other.close()


def test_many_may_make_the_tables_at_once(url: str) -> None:
    together = threading.Barrier(8)

    def open_at_once(_n: int) -> None:
        together.wait()
        open_catalog(url).close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(open_at_once, range(8)))


def test_threads_share_a_catalog(catalog: Catalog) -> None:
    share_between_threads(catalog)


def test_threads_share_a_catalog_in_memory(memory: Catalog) -> None:
    share_between_threads(memory)


def share_between_threads(catalog: Catalog) -> None:
    def work(worker: int) -> None:
        for n in range(20):
            catalog.upsert([make_row(worker * 100 + n)])
            catalog.update_state("n", lambda old: {"n": (old or {"n": 0})["n"] + 1})
            assert catalog.has("p1", f"rec-{worker * 100 + n:06d}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert catalog.count() == 80
    assert catalog.get_state("n") == {"n": 80}


def upsert_many(url: str, project: str, shared: int, own: int) -> None:
    catalog = open_catalog(url)
    for n in range(shared):
        catalog.upsert([make_row(n, source=project), make_row(shared - n - 1, source=project)])
    catalog.upsert(make_row(n, project=project) for n in range(own))
    catalog.close()


def test_processes_write_one_catalog_at_once(url: str) -> None:
    run_processes([(upsert_many, (url, "a", 60, 700)), (upsert_many, (url, "b", 60, 700))])
    catalog = open_catalog(url)
    assert catalog.count(project="a") == 700
    assert catalog.count(project="b") == 700
    assert catalog.count(project="p1") == 60
    catalog.close()


def run_processes(calls: list[tuple[object, tuple[object, ...]]]) -> None:
    started = [SPAWN.Process(target=function, args=arguments) for function, arguments in calls]  # type: ignore[arg-type]
    for process in started:
        process.start()
    for process in started:
        process.join(120)
        assert process.exitcode == 0


# Opening


def test_what_was_written_is_there_when_opened_again(url: str) -> None:
    first = open_catalog(url)
    first.upsert([make_row(1)])
    first.set_state("k", {"v": 1})
    first.close()
    second = open_catalog(url)
    assert second.get("rec-000001") == make_row(1)
    assert second.get_state("k") == {"v": 1}
    second.close()


def test_tables_of_an_older_version_are_made_anew_and_state_stays(url: str) -> None:
    catalog = open_catalog(url)
    catalog.upsert([make_row(1)])
    catalog.set_state("pull", {"until": 7})
    assert not catalog.was_outdated
    with catalog._engine.begin() as db:  # type: ignore[attr-defined]
        db.execute(sql._schema.update().values(version=1))
    catalog.close()
    anew = open_catalog(url)
    assert anew.was_outdated
    assert anew.count() == 0
    assert anew.get_state("pull") == {"until": 7}
    anew.close()
    again = open_catalog(url)
    assert not again.was_outdated
    again.close()


def test_a_newer_schema_version_is_refused(url: str) -> None:
    catalog = open_catalog(url)
    catalog.upsert([make_row(1)])
    with catalog._engine.begin() as db:  # type: ignore[attr-defined]
        db.execute(sql._schema.update().values(version=99))
    catalog.close()
    with pytest.raises(CatalogError, match="pip install -U"):
        open_catalog(url)
    rebuilt = open_catalog(url, rebuild=True)
    assert rebuilt.count() == 0
    rebuilt.upsert([make_row(1)])
    rebuilt.close()
    kept = open_catalog(url, rebuild=True)
    assert kept.count() == 1
    kept.close()


@pytest.mark.postgres
def test_postgres_compares_text_by_bytes(postgres_server: object) -> None:
    # The databases of this server sort by bytes anyway, so ask for the columns' own rule.
    catalog = open_catalog(new_database(postgres_server))
    with catalog._engine.begin() as db:  # type: ignore[attr-defined]
        found = db.exec_driver_sql(
            "SELECT attname, collname FROM pg_attribute JOIN pg_collation c "
            "ON c.oid = attcollation WHERE attrelid = 'replayport_recordings'::regclass"
        ).all()
    catalog.close()
    assert {column: rule for column, rule in found} == dict.fromkeys(TEXT_FIELDS, "C")


def test_memory_catalogs_are_apart(memory: Catalog) -> None:
    memory.upsert([make_row(1)])
    other = open_catalog("sqlite://")
    assert memory.count() == 1
    assert other.count() == 0
    other.close()


@pytest.mark.parametrize("name", ["plain.sqlite", "odd %41 ? # ü.sqlite"])
def test_a_path_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    path = tmp_path / "deep" / "er" / name
    catalog = open_catalog(path)
    catalog.upsert([make_row(1)])
    catalog.close()
    assert path.is_file()
    again = open_catalog(str(path))
    assert again.count() == 1
    again.close()


@pytest.mark.parametrize(
    "content", [b"not a database " * 100, b"SQLite format 3\x00" + b"\xff" * 5000]
)
def test_a_damaged_file_names_the_remedy(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "catalog.sqlite"
    path.write_bytes(content)
    with pytest.raises(CatalogError, match="replayport reindex"):
        open_catalog(path)
    assert path.read_bytes() == content
    rebuilt = open_catalog(path, rebuild=True)
    rebuilt.upsert([make_row(1)])
    assert rebuilt.count() == 1
    rebuilt.close()


def test_damage_while_in_use_names_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    catalog = open_catalog(path)
    catalog.upsert(make_row(n) for n in range(2000))
    catalog.close()
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(CatalogError, match="replayport reindex"):
        list(open_catalog(path).list())


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite").mkdir()
    with pytest.raises(CatalogError, match="unable to open"):
        open_catalog(tmp_path / "catalog.sqlite")
    (tmp_path / "file").write_text("")
    with pytest.raises(CatalogError, match="folder"):
        open_catalog(tmp_path / "file" / "catalog.sqlite")


def test_an_unreachable_postgres_keeps_the_password_to_itself() -> None:
    with pytest.raises(CatalogError) as caught:
        open_catalog("postgresql://user:hunter2@127.0.0.1:1/db")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(CatalogError) as caught:
        open_catalog("postgresql://127.0.0.1:1/db?user=me&password=hunter2")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(CatalogError) as caught:
        open_catalog("postgresql://user:hunter2@host:port/db")
    assert "hunter2" not in str(caught.value)


def test_an_unknown_scheme_names_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="postgresql://") as caught:
        open_catalog("mysql://user:hunter2@host/db")
    assert "hunter2" not in str(caught.value)
    assert set(CATALOGS) == {"sqlite", "postgresql", "postgres"}


def test_a_missing_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"replayport\[postgres\]"):
        open_catalog("postgresql://localhost/db")


def test_errors_keep_recorded_values_out(catalog: Catalog) -> None:
    with pytest.raises(CatalogError) as caught:
        catalog.upsert([make_row(1, first_url="https://secret.example", raw_bytes=2**63)])
    assert "secret.example" not in str(caught.value)


# Searching

SHA = "a" * 64


def said(catalog: Catalog, number: int, **texts: str) -> None:
    row = make_row(number, content_sha256=SHA)
    catalog.upsert([row])
    text = SearchText.of({name: [value] for name, value in texts.items()})
    assert catalog.set_text(row.project, row.id, text, of_sha256=SHA)


def found(catalog: Catalog, words: str, **filters: Any) -> list[int]:
    rows = catalog.list(order="start_ms", words=words, **filters)
    numbers = [int(row.id.removeprefix("rec-")) for row in rows]
    assert catalog.count(words=words, **filters) == len(numbers)
    return numbers


@pytest.mark.parametrize("few", [1000, 0])
def test_full_text_search(catalog: Catalog, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever way of asking is chosen, the same are found."""
    monkeypatch.setattr(sql, "_FEW_SQLITE", few)
    monkeypatch.setattr(sql, "_FEW_POSTGRES", few)
    said(
        catalog, 1, urls="https://shop.example/cart?step=2", titles="Your bag", console="boom at x"
    )
    said(catalog, 2, urls="https://shop.example/pay", titles="Pay for your bag", clicked="Pay now")
    said(catalog, 3, urls="https://other.example/cart", clicked="Größe 録画を見る")
    for words, numbers in (
        ("cart", [1, 3]),
        ("CART", [1, 3]),
        ("car", [1, 3]),
        ('"car"', []),
        ("shop.example/cart", [1]),
        ("shop.example/ca", [1]),
        ("cart shop", [1]),
        ("your bag", [1, 2]),
        ('"your bag"', [1, 2]),
        ('"bag your"', []),
        ("now", [2]),
        ("boom", [1]),
        ("größ", [3]),
        ("録画", [3]),
        ("画録", []),
        ("nothing", []),
        ("step 2", [1]),
        # No phrase goes from one field into the next.
        ('"pay pay"', []),
        ('"bag pay"', []),
    ):
        assert found(catalog, words) == numbers, words
    assert found(catalog, "pay", words_in=["urls"]) == [2]
    assert found(catalog, "bag", words_in=["urls", "clicked"]) == []
    assert found(catalog, "bag", words_in=["titles"]) == [1, 2]
    assert found(catalog, "cart", project="p2") == []
    assert found(catalog, "cart", since_ms=make_row(2).start_ms) == [3]
    assert [r.id[-1] for r in catalog.list(url_words="example/cart", order="start_ms")] == [
        "1",
        "3",
    ]
    assert catalog.count(url_words="bag") == 0
    assert found(catalog, "   ") == [1, 2, 3]
    assert found(catalog, "!!") == []


@pytest.mark.parametrize("text", [*HOSTILE, "a OR b", "a & b", "NEAR(a)", "{x}: y", "a:*A", "'a'"])
def test_no_search_is_a_language(catalog: Catalog, text: str) -> None:
    said(catalog, 1, urls=text, titles=text, console=text, clicked=text)
    assert found(catalog, text[:400]) in ([], [1])


def test_text_of_other_events_is_never_searched(catalog: Catalog) -> None:
    said(catalog, 1, urls="secret")
    assert found(catalog, "secret") == [1]
    row = make_row(1, content_sha256="b" * 64)
    catalog.upsert([row])
    assert found(catalog, "secret") == []
    text = SearchText.of({"urls": ["secret"]})
    assert not catalog.set_text(row.project, row.id, text, of_sha256=SHA)
    assert found(catalog, "secret") == []
    assert catalog.set_text(row.project, row.id, SearchText(urls="open"), of_sha256="b" * 64)
    assert found(catalog, "open") == [1]
    catalog.upsert([row])  # the same events: it stays
    assert found(catalog, "open") == [1]


def test_which_rows_have_no_whole_text(catalog: Catalog) -> None:
    said(catalog, 1, urls="x")
    catalog.upsert([make_row(n, content_sha256=SHA) for n in (2, 3)] + [make_row(4)])
    catalog.set_text("p1", "rec-000003", SearchText(urls="y"), of_sha256=SHA, is_whole=False)
    assert [row.id for row in catalog.without_text()] == ["rec-000002", "rec-000003"]
    assert found(catalog, "y") == [3]


def test_deleted_words_are_gone_from_the_files_after_scrubbing(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    catalog = open_catalog(path)
    for n in range(50):
        said(catalog, n, urls=f"https://x.example/{'gonesecret' if n == 7 else n}")
    assert b"gonesecret" in b"".join(p.read_bytes() for p in tmp_path.iterdir())
    assert catalog.delete("p1", "rec-000007")
    assert found(catalog, "gonesecret") == []
    catalog.scrub()
    assert b"gonesecret" not in b"".join(p.read_bytes() for p in tmp_path.iterdir())
    assert len(found(catalog, "example")) == 49
    catalog.close()


def test_scrubbing_keeps_the_words_that_are_there(catalog: Catalog) -> None:
    said(catalog, 1, urls="kept")
    said(catalog, 2, urls="gone")
    catalog.delete("p1", "rec-000002")
    catalog.scrub()
    assert found(catalog, "kept") == [1]


def test_tags_signals_and_sums(catalog: Catalog) -> None:
    catalog.upsert([make_row(n, content_sha256=SHA) for n in range(4)])
    assert catalog.set_tags("p1", "rec-000001", ["bug", "vip"])
    assert catalog.set_tags("p1", "rec-000002", ["bug"])
    assert not catalog.set_tags("p1", "none", ["bug"])
    assert catalog.set_signals("p1", "rec-000002", kinds=["rage", "dead", "rage"], frustration=0.25)

    def ids(**filters: Any) -> list[str]:
        return [row.id[-1] for row in catalog.list(order="start_ms", **filters)]

    assert catalog.tags() == {"bug": 2, "vip": 1}
    assert catalog.tags(["p2"]) == {}
    assert (ids(tags=["bug"]), ids(tags=["bug", "vip"]), ids(tags=["bu"])) == (
        ["1", "2"],
        ["1"],
        [],
    )
    assert (ids(signals=["dead", "x"]), ids(signals=["x"])) == (["2"], [])
    assert (ids(min_frustration=0.25), ids(min_frustration=0.0)) == (["2"], ["2"])
    assert catalog.get("rec-000002").signals == ["dead", "rage"]
    catalog.upsert([make_row(2, content_sha256=SHA, clicks=99)])
    kept = catalog.get("rec-000002")
    assert (kept.tags, kept.signals, kept.frustration, kept.clicks) == (
        ["bug"],
        ["dead", "rage"],
        0.25,
        99,
    )
    catalog.upsert([make_row(2, content_sha256="b" * 64)])
    changed = catalog.get("rec-000002")
    assert (changed.tags, changed.signals, changed.frustration) == (["bug"], [], -1.0)
    assert catalog.projects() == {"p1": 4}
    assert catalog.totals() == {
        "recordings": 4,
        "archived_bytes": 4000,
        "raw_bytes": 60_000,
        "incomplete": 0,
    }


def test_more_filters(catalog: Catalog) -> None:
    catalog.upsert(
        [
            make_row(1, duration_ms=10, errors=2, clicks=5, llm_events=1),
            make_row(2, duration_ms=20, project="p2"),
            make_row(3, duration_ms=30, project="p3"),
        ]
    )

    def ids(**filters: Any) -> list[str]:
        return [row.id[-1] for row in catalog.list(order="start_ms", **filters)]

    for filters, wanted in (
        ({"projects": ["p1", "p3"]}, ["1", "3"]),
        ({"projects": []}, []),
        ({"project": "p2", "projects": ["p1"]}, []),
        ({"max_duration_ms": 20}, ["1", "2"]),
        ({"min_errors": 1}, ["1"]),
        ({"min_clicks": 5}, ["1"]),
        ({"has_llm": True}, ["1"]),
        ({"has_llm": False}, ["2", "3"]),
        ({"persons": ["person-2", "x"]}, ["2"]),
        ({"ids": ["session-3", "rec-000001"]}, ["1", "3"]),
        ({"project": None, "words": None, "tags": None}, ["1", "2", "3"]),
    ):
        assert ids(**filters) == wanted, filters
        assert catalog.count(**filters) == len(wanted)
    assert catalog.count(at_most=2) == 2
    with pytest.raises(TypeError, match="no filter"):
        catalog.count(secret=1)  # type: ignore[call-arg]


def test_state_keys_by_their_beginning(catalog):
    for key in ("pull/a", "pull/b", "other"):
        catalog.set_state(key, {})
    assert list(catalog.state_keys("pull/")) == ["pull/a", "pull/b"]
    assert list(catalog.state_keys("none")) == []


def test_scrubbing_loses_nothing_that_is_there(catalog):
    catalog.upsert([make_row(1), make_row(2)])
    catalog.delete(make_row(1).project, make_row(1).id)
    catalog.scrub()
    assert [r.id for r in catalog.list()] == [make_row(2).id]
    catalog.set_state("after", {"x": 1})
    assert catalog.get_state("after") == {"x": 1}


def test_no_byte_of_a_removed_row_stays_in_the_files(tmp_path):
    secret = "a-person-that-must-not-stay@example.org"
    catalog = open_catalog(tmp_path / "c.sqlite")
    for n in range(50):
        catalog.upsert([replace(make_row(n), distinct_id=f"{secret}-{n}")])
    for n in range(50):
        catalog.delete(make_row(n).project, make_row(n).id)
    catalog.scrub()
    for path in tmp_path.iterdir():
        assert secret.encode() not in path.read_bytes(), path.name
    catalog.close()
