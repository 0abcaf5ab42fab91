"""The shop: pages, their files, the API, the faults, under any prefix."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.demo.client import TestClient

from replayport import demo
from replayport.demo import SHOP_FOLDER, shop_app

PRODUCTS = {p["slug"]: p for p in json.loads((SHOP_FOLDER / "products.json").read_text("utf-8"))}
TEXT_FILES = sorted(
    p for p in SHOP_FOLDER.rglob("*") if p.suffix in {".html", ".js", ".css", ".svg", ".json"}
)
ADDRESS = {
    "name": "Ada Example",
    "email": "ada@example.com",
    "street": "1 Test Street",
    "town": "Cork",
    "postcode": "T12",
}


@pytest.fixture
def shop() -> TestClient:
    return TestClient(shop_app())


def line(slug: str = "tarn-socks", quantity: object = 1, **more: object) -> dict[str, Any]:
    return {"slug": slug, "size": "M", "colour": "Tarn", "quantity": quantity, **more}


@pytest.mark.parametrize("path", sorted(demo.PAGES))
def test_every_page_is_served_with_all_it_refers_to(shop: TestClient, path: str) -> None:
    page = shop.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    references = re.findall(r'(?:src|href)="([^"#?]+)', page.text)
    assert "assets/track.js" in references or path == "/store-map"
    for reference in references:
        # Relative, or the page would break under a prefix.
        assert not reference.startswith(("/", "http"))
        assert shop.get(f"/{reference.removeprefix('./')}").status_code == 200, reference


def test_every_script_import_and_style_url_exists() -> None:
    seen = 0
    for file in TEXT_FILES:
        text = file.read_text("utf-8")
        found: list[str] = []
        if file.suffix == ".js":
            found = re.findall(r'(?:from|import) "(\.[^"]+)"', text)
        elif file.suffix == ".css":
            found = re.findall(r'url\("([^"]+)"\)', text)
        for reference in found:
            seen += 1
            assert (file.parent / reference).resolve().is_file(), f"{file.name}: {reference}"
    assert seen > 20


def test_nothing_is_loaded_from_elsewhere() -> None:
    for file in TEXT_FILES:
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://\w", text), file.name


def test_every_product_can_be_drawn() -> None:
    art = (SHOP_FOLDER / "assets" / "art.js").read_text("utf-8")
    for product in PRODUCTS.values():
        for name in (product["shape"], *product["charts"]):
            assert re.search(rf"^  {name}: [\[{{]", art, re.MULTILINE), name
        for colour in product["colours"]:
            assert {"name", "base", "shade", "a", "b", "ground"} == set(colour)


def test_works_under_a_prefix() -> None:
    client = TestClient(Starlette(routes=[Mount("/shop", shop_app())]))
    assert client.get("/shop/").status_code == 200
    assert client.get("/shop/assets/shop.css").status_code == 200
    assert len(client.get("/shop/api/products").json()["products"]) == len(PRODUCTS)


def test_one_product_and_its_reviews(shop: TestClient) -> None:
    for slug in PRODUCTS:
        answer = shop.get("/api/products", params={"item": slug}).json()
        assert answer == {"product": PRODUCTS[slug]}
        reviews = shop.get("/api/reviews", params={"item": slug}).json()["reviews"]
        assert len(reviews) == demo.REVIEWS_PER_PRODUCT
    for name in ("products", "reviews"):
        missing = shop.get(f"/api/{name}", params={"item": "kilt"})
        assert (missing.status_code, missing.json()["reason"]) == (404, "no_such_product")


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(PRODUCTS)), st.integers(1, 9), st.booleans()), max_size=6
    )
)
def test_a_bag_costs_its_parts(chosen: list[tuple[str, int, bool]]) -> None:
    lines = [line(slug, n, gift="box" if boxed else None) for slug, n, boxed in chosen]
    priced = TestClient(shop_app()).post("/api/cart", json={"lines": lines}).json()
    goods_cents = sum(
        n * (PRODUCTS[slug]["price_cents"] + boxed * demo.GIFT_BOX_CENTS)
        for slug, n, boxed in chosen
    )
    assert priced["goods_cents"] == goods_cents
    assert priced["total_cents"] == goods_cents + priced["delivery_cents"]
    pays_delivery = 0 < goods_cents < demo.FREE_DELIVERY_FROM_CENTS
    assert priced["delivery_cents"] == (demo.DELIVERY_CENTS if pays_delivery else 0)
    assert [entry["slug"] for entry in priced["lines"]] == [slug for slug, _, _ in chosen]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"lines": {}}',
        b'{"lines": [1]}',
        json.dumps({"lines": [line("kilt")]}).encode(),
        json.dumps({"lines": [line(quantity=0)]}).encode(),
        json.dumps({"lines": [line(quantity=True)]}).encode(),
        json.dumps({"lines": [line(quantity=1.5)]}).encode(),
        json.dumps({"lines": [line()] * (demo.MAX_LINES + 1)}).encode(),
        b'{"lines": [], "x": "' + b"x" * demo.MAX_BODY_BYTES + b'"}',
    ],
)
def test_a_bag_the_shop_could_not_have_made_is_refused(shop: TestClient, body: bytes) -> None:
    for path in ("/api/cart", "/api/checkout"):
        answer = shop.post(path, content=body)
        assert answer.status_code == 400
        envelope = {"ok": False, "error": "bad cart", "reason": "bad_cart", "status": 400}
        assert answer.json() == envelope


def test_checkout_names_what_is_missing_and_numbers_an_order(shop: TestClient) -> None:
    refused = shop.post("/api/checkout", json={"lines": [], "name": " "})
    assert refused.status_code == 422
    assert refused.json()["missing"] == ["bag", *demo.NEEDED_TO_PAY]
    order = {"lines": [line(quantity=2)], **ADDRESS}
    first, again = (shop.post("/api/checkout", json=order).json() for _ in range(2))
    assert first == again
    assert re.fullmatch(r"YL-[0-9A-F]{4}", first["order"])
    assert first["pieces"] == 2


def test_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(demo.asyncio, "sleep", wait)
    shop = TestClient(shop_app(slow_api_s=7.5))
    assert shop.get("/api/products").status_code == 200
    assert waited == []
    assert shop.get("/api/products?fault=slow-api").status_code == 200
    assert waited == [7.5]
    item = {"item": "tarn-socks"}
    assert shop.get("/api/reviews", params=item).status_code == 200
    broken = shop.get("/api/reviews", params={**item, "fault": "hidden-error"})
    assert (broken.status_code, broken.json()["reason"]) == (500, "reviews_unavailable")


def test_every_fault_is_known_to_the_pages_and_offered_as_a_switch() -> None:
    theme = (SHOP_FOLDER / "assets" / "theme.js").read_text("utf-8")
    footer = (SHOP_FOLDER / "assets" / "ui.js").read_text("utf-8")
    for fault in demo.FAULTS:
        assert f'"{fault}"' in theme
        assert f'["{fault}", ' in footer
