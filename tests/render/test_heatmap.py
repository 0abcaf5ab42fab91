"""Heat over a page: colours where the clicks are, and an HTML file with nothing that runs."""

from __future__ import annotations

import io
import re
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from replayport.analysis.heatmap import Heat
from replayport.render.heatmap import document, overlay, picture
from replayport.render.still import Still


def white(width=800, height=600):
    out = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(out, "PNG")
    return Still(out.getvalue(), width, height)


def heat(**fields):
    made = Heat("desktop", visits=4, recordings=3, **fields)
    made.cells = {
        "click": Counter({(800, 50, 25): 9, (800, 10, 60): 1}),
        "rage": Counter({(800, 50, 25): 5}),
        "move": Counter({(800, 50, 25): 900}),
    }
    made.elements = {"click": Counter({'the button "Pay"': 9, "the <b>div</b> without a name": 1})}
    made.depths = [(800, 600), (800, 600), (800, 300), (800, 200)]
    return made


@pytest.mark.parametrize("kind", ["click", "rage", "move"])
def test_it_glows_where_the_clicks_are_and_nowhere_else(kind):
    pixels = np.asarray(overlay(heat(), kind, white()))
    assert pixels.shape == (600, 800, 4)
    hot = pixels[25 * 8 + 4, 50 * 8 + 4]
    assert hot[3] > 180
    assert hot[0] > 180 > hot[2]
    assert pixels[300, 780, 3] == 0
    assert pixels[580, 600, 3] == 0


def test_one_click_can_be_seen_beside_many():
    pixels = np.asarray(overlay(heat(), "click", white()))
    single = pixels[60 * 8 + 4, 10 * 8 + 4]
    assert 0 < single[3] < pixels[25 * 8 + 4, 50 * 8 + 4][3]


def test_depth_goes_from_all_to_few():
    pixels = np.asarray(overlay(heat(), "scroll", white()))
    assert tuple(pixels[5, 700][:3]) != tuple(pixels[590, 700][:3])
    assert pixels[5, 700][0] > pixels[590, 700][0]


def test_no_heat_is_no_colour():
    assert not np.asarray(overlay(Heat("phone"), "click", white()))[..., 3].any()


def test_the_picture_is_the_page_with_a_line_above():
    made = Image.open(io.BytesIO(picture(heat(), "click", white(), title="Clicks on /x")))
    assert made.size == (800, 658)
    assert made.getpixel((790, 640)) == (255, 255, 255)
    assert made.getpixel((404, 58 + 204)) != (255, 255, 255)


def test_what_was_scaled_is_said():
    made = heat()
    made.cells["click"][1000, 3, 3] = 10
    html = document([(made, white())], "click", title="t").decode()
    assert "20 clicks, 4 visits in 3 recordings; 50% of it scaled from other widths" in html
    assert "scaled" not in document([(heat(), white())], "click", title="t").decode()
    assert "scaled" not in document([(made, white())], "scroll", title="t").decode()


def test_the_html_runs_nothing_and_names_are_text():
    html = document(
        [(heat(), white())], "click", title="Clicks on <script>alert(1)</script>"
    ).decode()
    assert "<script" not in html
    assert "the &lt;b&gt;div&lt;/b&gt; without a name" in html
    assert "default-src 'none'" in html
    assert not re.search(r"""(src|href)=["'](?!data:image/png)""", html)
    assert not re.search(r"\son[a-z]+=", html)
    assert "90%" in html
