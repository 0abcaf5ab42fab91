"""What an answer is, found out from its bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replayport.assets.sniff import sniff
from replayport.format.assets import CONTENT_TYPES


@pytest.mark.parametrize(
    ("data", "declared", "wanted"),
    [
        (b"\x89PNG\r\n\x1a\n....", "text/html", "image/png"),
        (b"\xff\xd8\xff\xe0", "", "image/jpeg"),
        (b"GIF89a", "application/octet-stream", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/png", "image/webp"),
        (b"\x00\x00\x00\x20ftypavif", "", "image/avif"),
        (b"\x00\x00\x01\x00\x01\x00", "", "image/x-icon"),
        (b"wOF2....", "application/octet-stream", "font/woff2"),
        (b"wOFF....", "", "font/woff"),
        (b"\x00\x01\x00\x00....", "", "font/ttf"),
        (b"OTTO....", "", "font/otf"),
        (b"<svg xmlns='x'>", "image/svg+xml", "image/svg+xml"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- by -->\n<!DOCTYPE svg PUBLIC 'x' 'y'><svg>",
         "text/xml", "image/svg+xml"),
        (b"<svg>", "text/html", None),
        (b"<html><svg></svg>", "image/svg+xml", None),
        (b"a{color:red}", "text/css", "text/css"),
        (b"", "text/css", "text/css"),
        (b"<!doctype html><title>Sign in</title>", "text/css", None),
        (b" <!-- x --><HTML >", "text/css", None),
        (b"a{color:red}", "text/plain", None),
        (b"a{color:red}", "", None),
        (b"alert(1)", "text/javascript", None),
        (b"<!doctype html>", "image/png", None),
        (b"%PDF-1.7", "image/png", None),
        (b"", "image/png", None),
        (b"MZ\x00\x00", "font/woff2", None),
    ],
)  # fmt: skip
def test_the_bytes_decide(data, declared, wanted):
    assert sniff(data, declared) == wanted


@given(st.binary(max_size=200), st.sampled_from(["", "text/css", "image/svg+xml", "text/html"]))
def test_only_types_on_the_list(data, declared):
    assert sniff(data, declared) in {None, *CONTENT_TYPES}
