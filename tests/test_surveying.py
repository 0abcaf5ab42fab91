"""Who is who, and what is theirs: found in the files."""

from __future__ import annotations

import pytest
from tests.support.builders import draft
from tests.support.erasing import ANNA, ANON, BOB, at, fill, row

from replayport.archive import Archive
from replayport.recording import MAX_URLS, Person
from replayport.surveying import Scope, facts, folder_at, survey, url_pattern


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        yield archive


def ids(archive, value, kind="person"):
    return survey(archive, Scope(kind, value)).distinct_ids


def test_a_person_has_the_ids_they_identified_from(archive, tmp_path):
    fill(archive, tmp_path / "out")
    assert ids(archive, ANNA) == ids(archive, ANON) == {ANNA, ANON}
    assert ids(archive, ANNA, "distinct_id") == {ANNA}
    found = survey(archive, Scope("person", ANNA))
    assert {f.name for f in found.folders} == {
        "shop/annas-first-visit",
        "shop/annas-second-visit",
        "app/annas-anonymous-visit",
    }
    assert found.rows == {"shop/bobs-visit": 1}


def test_a_shared_computer_makes_no_one_person_of_two(archive):
    """The anonymous id belongs to who identified first, as in PostHog."""
    rows = [
        row(1, ANNA, "$identify", **{"$anon_distinct_id": "shared"}),
        row(9, BOB, "$identify", **{"$anon_distinct_id": "shared"}),
    ]
    archive.write(draft(at(1, "x"), analytics=rows))
    assert ids(archive, ANNA) == {ANNA, "shared"}
    assert ids(archive, BOB) == {BOB}


@pytest.mark.parametrize(
    ("event", "extra"),
    [
        ("$create_alias", {"alias": "other"}),
        ("$merge_dangerously", {"alias": "other"}),
        ("$identify", {"$anon_distinct_id": "other"}),
    ],
)
def test_ids_are_joined_by_what_posthog_joins_them_by(archive, event, extra):
    archive.write(draft(at(1, "x"), analytics=[row(1, ANNA, event, **extra)]))
    assert ids(archive, ANNA) == {ANNA, "other"}


def test_a_person_is_found_by_an_own_property_and_not_by_a_common_one(archive):
    properties = {"email": "a@example.org", "plan": "free"}
    archive.write(
        draft(at(1, "x"), session_id="s-1", person=Person(distinct_id="u-1", properties=properties))
    )
    rows = [row(1, "u-2", "$set", **{"$set": {"email": "a@example.org", "plan": "free"}})]
    archive.write(draft(at(2, "x"), session_id="s-2", analytics=rows))
    assert ids(archive, "a@example.org") == {"a@example.org", "u-1", "u-2"}
    assert ids(archive, "free") == {"free"}


def test_addresses_beyond_what_the_manifest_holds_are_found(archive):
    def pages(n):
        data = {"width": 1, "height": 1}
        start = at(1, "x")[0]["timestamp"]
        return [
            {"type": 4, "timestamp": start + i, "data": {**data, "href": f"https://x.example/{i}"}}
            for i in range(n)
        ]

    archive.write(draft(pages(MAX_URLS + 20)))
    found = survey(archive, Scope("url_pattern", f"*/{MAX_URLS + 10}"))
    assert [f.id for f in found.folders] == ["s-1"]
    assert survey(archive, Scope("url_pattern", "*/9999")).folders == []


def test_patterns_match_whole_addresses():
    match = url_pattern("https://x.example/*?q=a.b")
    assert match("https://x.example/deep/er?q=a.b")
    assert not match("https://x.example/deep?q=aXb")
    assert not match("https://x.example/?q=a.b&more")


def test_damage_is_named_and_not_taken_for_nothing(archive):
    archive.write(draft(at(1, "x"), analytics=[row(1, ANNA)]))
    prefix = archive.row("s-1").key_prefix
    archive.store.put(f"{prefix}/analytics.parquet", b"PAR1")
    found = survey(archive, Scope("person", ANNA))
    assert [f.prefix for f in found.unreadable] == [prefix]
    archive.store.put(f"{prefix}/manifest.json", b"{")
    assert survey(archive, Scope("person", ANNA)).unreadable[0].manifest is None


def test_what_a_folder_holds(archive):
    archive.write(draft(at(1, "x")))
    folder = folder_at(archive, archive.row("s-1").key_prefix)
    content, assets = facts(archive, folder)
    assert content is not None
    assert assets == []
    with pytest.raises(ValueError):
        folder_at(archive, "recordings/p/x")
