"""The archive's ledger knows what every dataset holds, before it holds it."""

from __future__ import annotations

import pytest
from tests.dataset.conftest import add

from replayport.audit import AuditLog
from replayport.dataset.build import build_dataset, build_into
from replayport.dataset.ledger import Member
from replayport.dataset.registry import register_day, registered_datasets
from replayport.errors import StoreError
from replayport.ledger import Ledger
from replayport.store import Store


def entries(archive):
    return {tuple(made.recordings) for made in Ledger(archive).entries() if made.kind == "dataset"}


def test_one_entry_a_day_and_no_more_by_another_run(archive, tmp_path):
    for _ in range(2):
        build_dataset(archive, tmp_path / "d", workers=1, tables=["events"])
        assert entries(archive) == {
            ("p0/s-0", "p0/s-2", "p1/s-1"),
            ("p0/s-4", "p1/s-3", "p1/s-5"),
            ("p0/s-6", "p0/s-8", "p1/s-7"),
        }
    assert registered_datasets(archive) == {Store.open(tmp_path / "d").url: "parquet"}
    archive.delete("s-4")
    add(archive, "new", day=1)
    build_dataset(archive, tmp_path / "d", workers=1)
    assert ("p/new", "p1/s-3", "p1/s-5") in entries(archive)
    for name in ("s-6", "s-7", "s-8"):
        archive.delete(name)
    build_dataset(archive, tmp_path / "d", workers=1)
    assert len(entries(archive)) == 2


def written(archive):
    return [
        (e.target, e.detail) for e in AuditLog(archive).entries() if e.action == "dataset.write"
    ]


def test_the_audit_log_says_so_once_a_run_that_writes(archive, tmp_path):
    url = Store.open(tmp_path / "d").url
    detail = {"format": "parquet", "tables": ["events"], "recordings_asked": 9}
    for _ in range(2):
        build_dataset(archive, tmp_path / "d", workers=1, tables=["events"])
        assert written(archive) == [(f"dataset:{url}", detail)]
    add(archive, "new", day=1)
    build_dataset(archive, tmp_path / "d", workers=1)
    assert [d["recordings_asked"] for _, d in written(archive)] == [9, 10]


def test_the_audit_log_says_so_before_anything_is_written(archive, tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise StoreError("no", location="audit", operation="put")

    monkeypatch.setattr(AuditLog, "append", refuse)
    with pytest.raises(StoreError):
        build_dataset(archive, tmp_path / "d", workers=1)
    assert not list((tmp_path / "d").rglob("part-*"))


class _Cut(Exception):
    pass


def test_written_down_before_it_is_there(archive, tmp_path, monkeypatch):
    store = Store.open(tmp_path / "d")
    real = type(store).put

    def put(self, key, data):
        if "/part-" in key:
            raise _Cut
        real(self, key, data)

    monkeypatch.setattr(type(store), "put", put)
    with pytest.raises(_Cut):
        build_into(archive, store)
    assert ("p0/s-0", "p0/s-2", "p1/s-1") in entries(archive)


def test_what_is_in_memory_is_not_written_down(archive):
    register_day(
        archive, "memory://", "2026-11-01", [Member("p", "s", "r", "f", 0, 1)], form="parquet"
    )
    assert registered_datasets(archive) == {}
