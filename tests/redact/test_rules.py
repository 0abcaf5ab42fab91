"""Profiles: those shipped, and those that are none."""

from __future__ import annotations

import pytest

from replayport.redact.rules import Profile, ProfileError, plain_key
from replayport.redacting import PROFILES, load_profile


@pytest.mark.parametrize("name", PROFILES)
def test_the_shipped_ones_load(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert profile.description
    assert len(profile.digest) == 64


def test_each_has_all_of_the_one_before() -> None:
    profiles = [load_profile(n) for n in PROFILES]
    for less, more in zip(profiles, profiles[1:], strict=False):
        assert set(less.detectors) <= set(more.detectors)
        assert set(less.inputs.types) <= set(more.inputs.types)
        assert set(less.payloads.keys) <= set(more.payloads.keys)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = ", "TOML"),
        ('name = "x"\ndetectors = ["mail"]', "no detector"),
        ('name = "x"\nsurprise = 1', "rule that is none"),
        ('name = "x"\n[[select]]\nselector = "p >"', "selector"),
        ('name = "x"\n[[select]]\nselector = "*"', "matches everything"),
        ('name = "x"\n[[select]]\nselector = "body"\naction = "block"', "matches everything"),
        ('name = "x"\n[inputs]\ntypes = ["secret"]', "type of field"),
        ('name = "x"\n[urls]\npaths = ["(a"]', "regular expression"),
        ('name = "x"\n[urls]\npaths = ["a*"]', "matches everything"),
        ('name = "x"\nextends = "x"', "without end"),
    ],
)
def test_a_wrong_one_is_refused(text: str, says: str) -> None:
    with pytest.raises(ProfileError, match=says):
        Profile.parse(text, load=lambda _: text)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(ProfileError, match="no redaction profile"):
        load_profile("nowhere.toml")


def test_keys_are_compared_plainly() -> None:
    assert plain_key("X-API_Key") == plain_key("xApiKey") == "xapikey"
