"""The one shape of an error."""

from __future__ import annotations

import pytest

from replayport.server.envelope import REASONS, ApiError, ErrorBody


@pytest.mark.parametrize(
    ("method", "path", "reason"),
    [
        ("GET", "/api/recordings/shop/none", "not_found"),
        ("GET", "/api/nowhere", "not_found"),
        ("PUT", "/api/recordings", "wrong_method"),
        ("GET", "/api/recordings?limit=0", "invalid"),
        ("POST", "/api/shares", "invalid"),
        ("GET", "/api/recordings?after=x", "invalid_cursor"),
    ],
)
def test_every_error_is_one(walked, method, path, reason):
    ann = walked.browser()
    answer = ann.request(method, path)
    said = ErrorBody.model_validate(answer.json(), strict=True)
    assert (said.ok, said.reason, said.status) == (False, reason, answer.status_code)
    assert REASONS[reason][0] == answer.status_code
    assert said.error


def test_values_that_do_not_fit_are_not_repeated(walked):
    ann = walked.browser()
    answer = ann.get("/api/recordings", params={"limit": "a-secret-value"})
    assert "a-secret-value" not in answer.text
    broken = ann.post("/api/users", content=b"{", headers={"content-type": "application/json"})
    assert broken.status_code == 400
    wrong_type = ann.post("/api/users", content=b"name=x", headers={"content-type": "text/plain"})
    assert wrong_type.status_code == 400


def test_people_get_a_page_programs_get_json(walked):
    client = walked.client()
    page = client.get("/nowhere/<script>alert(1)</script>", headers={"accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert "<script>" not in page.text
    api = client.get("/api/nowhere", headers={"accept": "text/html"})
    assert api.json()["status"] == api.status_code


def test_an_address_that_is_none_is_said_in_words(walked):
    ann = walked.browser()
    page = ann.get("/no-such-page", headers={"accept": "text/html"})
    assert page.status_code == 404
    assert "No page, file or API has this address" in page.text
    assert ann.get("/api/no-such").json()["error"].startswith("no page, file or API")
    assert "this kind of request" in ann.put("/api/recordings").json()["error"]


def test_a_reason_has_its_status():
    assert ApiError("gone", "x").status_code == 410
    with pytest.raises(KeyError):
        ApiError("unheard of", "x")
