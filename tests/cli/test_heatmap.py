"""``replayport heatmap``: the table, the pictures, wrong calls."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from tests.analysis.building import shop_page, tap
from tests.browser.conftest import chromium_path
from tests.cli.command import run, run_json
from tests.support.builders import draft, meta

from replayport.archive import Archive


@pytest.fixture
def folder(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        for n in range(3):
            chain = [tap(5000 + 200 * k, node=12, x=40, y=100) for k in range(n + 1)]
            archive.write(draft(shop_page(*chain), session_id=f"s-{n}", project="p"))
        archive.write(draft([meta(0, "https://shop.example/bare"), tap(50)], session_id="s-bare"))
    return tmp_path / "a"


def test_elements_are_ranked(folder):
    document = run_json("heatmap", "--url", "/", "--archive", folder)
    [desktop] = document["viewports"]
    assert (desktop["viewport"], desktop["visits"], desktop["clicks"]) == ("desktop", 3, 6)
    assert desktop["elements"] == [{"element": 'the button "Add to bag"', "count": 6, "share": 1.0}]
    rage = run_json("heatmap", "--url", "/", "--kind", "rage", "--archive", folder)
    assert rage["viewports"][0]["elements"][0]["count"] == 3
    assert "Add to bag" in run("heatmap", "--url", "/", "--archive", folder).stdout
    scroll = run("heatmap", "--url", "/", "--kind", "scroll", "--archive", folder)
    assert "720 px" in scroll.stdout


def test_all_is_what_naming_none_means(folder):
    without = run_json("heatmap", "--url", "/", "--archive", folder)
    assert run_json("heatmap", "--url", "/", "--all", "--archive", folder) == without
    one = run_json("heatmap", "--url", "/", "s-1", "--archive", folder)
    assert one["viewports"][0]["visits"] == 1
    both = run("heatmap", "--url", "/", "s-1", "--all", "--archive", folder)
    assert both.exit_code == 2
    assert "not both" in both.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--url", "/nowhere"], 1),
        (["--url", "/", "--kind", "x"], 2),
        (["--url", "/", "--viewport", "watch"], 2),
        (["--url", "/", "-o", "x.jpg"], 2),
        (["--url", "/", "--viewport", "phone"], 1),
    ],
)
def test_wrong_calls(folder, arguments, code):
    assert run("heatmap", *arguments, "--archive", folder).exit_code == code


@pytest.mark.browser
def test_pictures(folder, tmp_path):
    if chromium_path() is None:
        pytest.skip("no Chromium here; set REPLAYPORT_CHROMIUM to one")
    png, html = tmp_path / "h.png", tmp_path / "h.html"
    assert run("heatmap", "--url", "/", "-o", png, "--archive", folder).exit_code == 0
    drawn = Image.open(io.BytesIO(png.read_bytes()))
    assert drawn.size == (1280, 778)
    assert drawn.getpixel((44, 58 + 104))[0] > 150 > drawn.getpixel((44, 58 + 104))[2]
    assert (
        run("heatmap", "--url", "/", "--kind", "move", "-o", html, "--archive", folder).exit_code
        == 0
    )
    assert b"Add to bag" in html.read_bytes()
    bare = run("heatmap", "--url", "/bare", "-o", png, "--archive", folder)
    assert bare.exit_code == 1
    assert "full snapshot" in bare.stderr
