"""Grey boxes as large as the picture."""

from __future__ import annotations

import base64

from replayport.redact.pictures import box, is_box, is_picture, size_of, without_pictures

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (30).to_bytes(4) + (20).to_bytes(4)


def data_url(raw: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(raw).decode()}"


def test_sizes() -> None:
    assert size_of(data_url(PNG, "png")) == (30, 20)
    assert size_of(data_url(b"GIF89a\x05\0\x07\0" + b"\0" * 8, "gif")) == (5, 7)
    jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08\0\x09\0\x08" + b"\0" * 9
    assert size_of(data_url(jpeg, "jpeg")) == (8, 9)
    assert size_of("data:image/svg+xml,<svg width='4' height='6'></svg>") == (4, 6)
    assert size_of("data:image/png;base64,????") == (1, 1)
    assert size_of("https://a.example/x.png") == (1, 1)


def test_a_box_is_none() -> None:
    made = box(data_url(PNG, "png"))
    assert is_box(made)
    assert not is_picture(made)
    assert size_of(made) == (30, 20)


def test_css() -> None:
    css = "a{background:url('x.png') no-repeat;color:red}b{src:URL( y )}"
    assert (
        without_pictures(css) == "a{background:url(data:,) no-repeat;color:red}b{src:url(data:,)}"
    )
