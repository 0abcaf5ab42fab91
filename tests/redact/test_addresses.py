"""Rules for parts of addresses."""

from __future__ import annotations

from tests.support.builders import draft, meta

from replayport.redact import Profile, Redactor
from replayport.redact.addresses import mask_address


def address(text: str, rules: str) -> str:
    return Redactor(Profile.parse(f'name = "x"\n[urls]\n{rules}')).address(text)


def test_keys_wherever_they_stand() -> None:
    rules = 'query_keys = ["token"]'
    assert (
        address("https://a.example/?x=1&token=ab12#t", rules)
        == "https://a.example/?x=1&token=xx00#t"
    )
    assert address("token=ab12&x=1", rules) == "token=xx00&x=1"
    assert address("/r?to=%2Fx%3Ftoken%3Dab12", rules) == "/r?to=%2Fx%3Ftoken%3Dxx00"


def test_all_values() -> None:
    masked = address("https://a.example/p?x=one&y=two#z=3", 'query = "mask"')
    assert masked == "https://a.example/p?x=xxx&y=xxx#z=0"


def test_groups_of_paths() -> None:
    rules = "paths = ['/users/([^/?#]+)']"
    assert (
        address("https://a.example/users/jane/edit", rules) == "https://a.example/users/xxxx/edit"
    )


def test_only_the_host_stays() -> None:
    assert mask_address("https://a.example/p/jane?x=1") == "https://a.example/x/xxxx?x=0"
    assert mask_address("hello there") == "xxxxx xxxxx"


def test_events_and_their_column_agree() -> None:
    profile = Profile.parse('name = "x"\n[urls]\nquery = "mask"')
    out = Redactor(profile).redact(draft([meta(href="https://a.example/?q=jane")]).columns)
    assert out.url[0] == "https://a.example/?q=xxxx"
    assert b"jane" not in out.data
