"""
The demo: a small made-up shop to record, and recordings real posthog-js made in it.

```
demo/
├── shop/          the static pages, one style sheet, products.json, reviews.json
├── __init__.py    shop_app(): serves them with the small JSON API they call
├── record.py      drives Chromium through the shop and keeps what posthog-js sends
└── recordings/    what it sent, shipped: one <name>.jsonl.zst a journey, index.json
```

The shop keeps no state: the bag lives in the visitor's browser, the API prices what
it is sent. All its addresses are relative, so it works under any prefix; only
posthog-js itself is asked for at the root, ``/static/array.js``.

Routes:
    ``/``, ``/product``, ``/cart`` are one page; ``/checkout``, ``/thanks``, ``/help``,
    ``/account``, ``/size-guide``, ``/store-map`` are pages of their own.
    ``GET /api/products[?item=slug]``, ``GET /api/reviews?item=slug``,
    ``POST /api/cart {lines}``, ``POST /api/checkout {lines, name, email, ...}``;
    any of them with ``fault=slow-api`` or ``fault=hidden-error``.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

__all__ = ["FAULTS", "RECORDINGS_FOLDER", "SHOP_FOLDER", "shop_app"]

SHOP_FOLDER: Final = Path(__file__).parent / "shop"
"""The static pages; a recording's ``http://shop.example/<path>`` is a file in here."""

RECORDINGS_FOLDER: Final = Path(__file__).parent / "recordings"
"""The shipped recordings; ``index.json`` lists them."""

FAULTS: Final = ("dead-button", "slow-api", "lost-input", "hidden-error")
"""What ``?fault=`` understands; several are joined by commas."""

PAGES: Final[Mapping[str, str]] = {
    "/": "index.html",
    "/product": "index.html",
    "/cart": "index.html",
    "/checkout": "checkout.html",
    "/thanks": "thanks.html",
    "/help": "help.html",
    "/account": "account.html",
    "/size-guide": "size-guide.html",
    "/store-map": "store-map.html",
}

FREE_DELIVERY_FROM_CENTS: Final = 12_000
DELIVERY_CENTS: Final = 690
GIFT_BOX_CENTS: Final = 400
MAX_BODY_BYTES: Final = 64 * 1024
MAX_LINES: Final = 50
MAX_QUANTITY: Final = 99
NEEDED_TO_PAY: Final = ("name", "email", "street", "town", "postcode")
REVIEWS_PER_PRODUCT: Final = 3

Handler = Callable[[Request], Awaitable[Response]]


@cache
def _products() -> dict[str, dict[str, Any]]:
    listed = json.loads((SHOP_FOLDER / "products.json").read_text("utf-8"))
    return {product["slug"]: product for product in listed}


@cache
def _reviews() -> list[dict[str, Any]]:
    reviews: list[dict[str, Any]] = json.loads((SHOP_FOLDER / "reviews.json").read_text("utf-8"))
    return reviews


def _refused(status: int, reason: str, **details: object) -> JSONResponse:
    return JSONResponse(
        {"ok": False, "error": reason.replace("_", " "), "reason": reason, "status": status}
        | details,
        status_code=status,
    )


async def _json_object(request: Request) -> dict[str, Any] | None:
    """Read a bounded JSON object; None when the body is anything else."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _priced(lines: object) -> dict[str, Any] | None:
    """
    Price a bag.

    Args:
        lines: ``[{"slug", "colour", "size", "quantity", "gift"}]``, as the page sent it.

    Returns:
        The lines with what a page needs to show them, and the sums in cents; None when
        a line is not one the shop could have made.
    """
    if not isinstance(lines, list) or len(lines) > MAX_LINES:
        return None
    priced: list[dict[str, Any]] = []
    for line in lines:
        if not isinstance(line, dict) or not isinstance(line.get("slug"), str):
            return None
        product = _products().get(line["slug"])
        quantity = line.get("quantity")
        if product is None or type(quantity) is not int or not 0 < quantity <= MAX_QUANTITY:
            return None
        colours = product["colours"]
        yarns = next((c for c in colours if c["name"] == line.get("colour")), colours[0])
        each_cents = product["price_cents"] + (GIFT_BOX_CENTS if line.get("gift") == "box" else 0)
        picture = {k: product[k] for k in ("shape", "charts", "allOver", "pompom") if k in product}
        priced.append(
            picture
            | {
                "slug": product["slug"],
                "name": product["name"],
                "colour": yarns["name"],
                "yarns": yarns,
                "size": str(line.get("size", ""))[:20],
                "gift": line.get("gift") in ("paper", "box", "none"),
                "quantity": quantity,
                "total_cents": each_cents * quantity,
            }
        )
    goods_cents = sum(line["total_cents"] for line in priced)
    delivery_cents = DELIVERY_CENTS if 0 < goods_cents < FREE_DELIVERY_FROM_CENTS else 0
    return {
        "lines": priced,
        "goods_cents": goods_cents,
        "delivery_cents": delivery_cents,
        "total_cents": goods_cents + delivery_cents,
    }


async def _list_products(request: Request) -> Response:
    slug = request.query_params.get("item")
    if slug is None:
        return JSONResponse({"products": list(_products().values())})
    product = _products().get(slug)
    if product is None:
        return _refused(404, "no_such_product")
    return JSONResponse({"product": product})


async def _list_reviews(request: Request) -> Response:
    slug = request.query_params.get("item", "")
    if slug not in _products():
        return _refused(404, "no_such_product")
    if "hidden-error" in request.query_params.getlist("fault"):
        return _refused(500, "reviews_unavailable")
    first = list(_products()).index(slug)
    reviews = _reviews()
    shown = [reviews[(first + n) % len(reviews)] for n in range(REVIEWS_PER_PRODUCT)]
    return JSONResponse({"reviews": shown})


async def _price_cart(request: Request) -> Response:
    body = await _json_object(request)
    priced = _priced(body.get("lines")) if body is not None else None
    return _refused(400, "bad_cart") if priced is None else JSONResponse(priced)


async def _check_out(request: Request) -> Response:
    body = await _json_object(request)
    priced = _priced(body.get("lines")) if body is not None else None
    if body is None or priced is None:
        return _refused(400, "bad_cart")
    missing = [name for name in NEEDED_TO_PAY if not str(body.get(name) or "").strip()]
    if not priced["lines"]:
        missing.insert(0, "bag")
    if missing:
        return _refused(422, "fields_missing", missing=missing)
    # A number that follows from the order keeps the shop free of state.
    number = zlib.crc32(json.dumps(body, sort_keys=True).encode()) & 0xFFFF
    return JSONResponse(
        {
            "order": f"YL-{number:04X}",
            "total_cents": priced["total_cents"],
            "pieces": sum(line["quantity"] for line in priced["lines"]),
        }
    )


def _page(file_name: str) -> Handler:
    async def serve(_request: Request) -> Response:
        return FileResponse(SHOP_FOLDER / file_name, headers={"cache-control": "no-cache"})

    return serve


def shop_app(*, slow_api_s: float = 2.5) -> Starlette:
    """
    Build the shop as an ASGI app, to run alone or to mount under a prefix.

    Args:
        slow_api_s: How long the API waits when asked for ``fault=slow-api``.

    Returns:
        A Starlette app without state.
    """

    def faulty(handler: Handler) -> Handler:
        async def serve(request: Request) -> Response:
            if "slow-api" in request.query_params.getlist("fault"):
                await asyncio.sleep(slow_api_s)
            return await handler(request)

        return serve

    return Starlette(
        routes=[
            *(Route(path, _page(name), methods=["GET"]) for path, name in PAGES.items()),
            Route("/api/products", faulty(_list_products), methods=["GET"]),
            Route("/api/reviews", faulty(_list_reviews), methods=["GET"]),
            Route("/api/cart", faulty(_price_cart), methods=["POST"]),
            Route("/api/checkout", faulty(_check_out), methods=["POST"]),
            Mount("/assets", StaticFiles(directory=SHOP_FOLDER / "assets")),
        ]
    )
