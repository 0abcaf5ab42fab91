import httpx
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from replayport.testing import FakeClock, serve


def test_two_apps_are_served_at_once_and_end_with_their_block():
    def app(text):
        return Starlette(routes=[Route("/", lambda _: PlainTextResponse(text))])

    with serve(app("one")) as one, serve(app("two")) as two, httpx.Client() as client:
        assert [client.get(u).text for u in (one, two)] == ["one", "two"]
    try:
        httpx.get(one)
    except httpx.ConnectError:
        return
    raise AssertionError("it is still there")


def test_a_clock_moves_only_when_told():
    clock = FakeClock(100.0)
    assert (clock(), clock()) == (100.0, 100.0)
    clock.sleep(5)
    clock.sleep(-1)
    assert clock() == 105.0
    assert clock.slept_s == [5, -1]
