import pytest
from hypothesis import given
from hypothesis import strategies as st

from replayport.capture.cors import cors_headers, preflight_headers


@pytest.mark.parametrize(
    ("origin", "allowed", "credentials"),
    [
        (b"https://shop.example", b"https://shop.example", True),
        (b"null", b"null", True),
        (None, b"*", False),
        (b"https://a\r\nset-cookie: x", b"*", False),
        (b"x" * 3000, b"*", False),
        (b"", b"*", False),
    ],
)
def test_origins(origin, allowed, credentials):
    headers = dict(cors_headers(origin))
    assert headers[b"access-control-allow-origin"] == allowed
    assert (b"access-control-allow-credentials" in headers) == credentials
    assert headers[b"vary"] == b"Origin"


def test_a_preflight_allows_what_it_asks_for():
    headers = dict(preflight_headers(b"https://a.example", b"content-type,x-custom"))
    assert headers[b"access-control-allow-headers"] == b"content-type,x-custom"
    assert b"access-control-allow-headers" not in dict(preflight_headers(None, None))


@given(st.binary(), st.binary())
def test_no_header_can_be_made_to_hold_a_line_break(origin, asked):
    for name, value in preflight_headers(origin, asked):
        assert not {10, 13, 0} & {*name, *value}
