"""Detectors on single texts; the labelled set is `bench/detectors.py`."""

from __future__ import annotations

import pytest

from replayport.redact.detectors import DETECTORS, Scanner

ALL = Scanner(list(DETECTORS), regions=["US", "GB", "DE", "FR"])


def found(text: str) -> list[tuple[str, str]]:
    return [(h.kind, text[h.start : h.end]) for h in ALL.find(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail jane.doe+x@shop.example now", ("email", "jane.doe+x@shop.example")),
        ("ring +49 30 901820 today", ("phone", "+49 30 901820")),
        ("ring (212) 736-5000 today", ("phone", "(212) 736-5000")),
        ("paid with 4111 1111 1111 1111.", ("card", "4111 1111 1111 1111")),
        ("amex 3782-822463-10005", ("card", "3782-822463-10005")),
        ("to DE89 3704 0044 0532 0130 00 please", ("iban", "DE89 3704 0044 0532 0130 00")),
        ("from 84.12.33.201 at", ("ip", "84.12.33.201")),
        ("at 2001:db8:85a3::8a2e:370:7334 ok", ("ip", "2001:db8:85a3::8a2e:370:7334")),
        ("ssn 536-90-4399", ("national_id", "536-90-4399")),
        ("key AKIAIOSFODNN7EXAMPLE27"[:24], ("token", "AKIAIOSFODNN7EXAMPLE")),
        ("Authorization: Bearer abc123DEF456ghi", ("authorization", "abc123DEF456ghi")),
        ('{"password":"hunter2hunter"}', ("assignment", "hunter2hunter")),
        ("postgres://bob:s3cret@db.example/x", ("credentials", "bob:s3cret@db.example")),
        ("jane&#64;shop.example", ("email", "jane&#64;shop.example")),
        ("q=jane%2540shop.example", ("email", "jane%2540shop.example")),
    ],
)
def test_found(text: str, expected: tuple[str, str]) -> None:
    assert expected in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "icon@2x.png",
        "import x from 'lodash@4.17.21'",
        "1700000000000",
        "2024-01-15 10:20:30",
        "Chrome/120.0.0.0 Safari/537.36",
        "v1.2.3.4",
        "4111 1111 1111 1112",
        "0000 0000 0000 0000",
        "M12 4.5 120 300 400 12 13 14 15",
        "a:hover::before",
        "12:34:56",
        "task-list-item-checkbox",
        "Password: required",
        "sk-fading-circle-animation-delay",
        "127.0.0.1",
        "$1,234,567.89",
        "grid 1 / 2 / 3 / 4",
        "xxxx*xxxx*xxx 0000",
        "550e8400-e29b-41d4-a716-446655440000",
        "the basic idea of it",
        "bearer of good news",
    ],
)
def test_not_found(text: str) -> None:
    assert found(text) == []


def test_known_values_whole_words_only() -> None:
    scanner = Scanner([], known=["Ann", "Jane Doe"])
    text = "Ann planned for JANE DOE and jane+doe"
    assert [text[h.start : h.end] for h in scanner.find(text)] == ["Ann", "JANE DOE", "jane+doe"]


def test_candidates_name_the_texts() -> None:
    assert ALL.candidates(["nothing", "a@b.example", "none", "4111111111111111"]) == [1, 3]
    assert ALL.candidates(["odd\0one", "a"] + ["a@b.example"]) == [0, 1, 2]
