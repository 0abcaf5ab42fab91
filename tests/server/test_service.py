"""Capture, sealing and pages together: what posthog-js sends is seen live, then sealed."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request

import pytest
from tests.support.builders import visit

from replayport.archive import Archive
from replayport.capture.inbox import Schedule
from replayport.capture.projects import Projects
from replayport.capture.sdk_files import SdkFilesMissingError
from replayport.catalog.accounts import Accounts
from replayport.errors import SettingsError, StoreError
from replayport.player_assets import PlayerNotBuiltError
from replayport.server.service import accounts_url, inbox_folder, own_hosts, service
from replayport.settings import load_settings
from replayport.testing import serve

UUID = "01990000-0000-7000-8000-00000000000{}"


def listed(url):
    page = json.loads(get(f"{url}/api/recordings")[1])
    return [(r["id"], r["live"]) for r in page["recordings"]]


def body(events, n=0, session="s-live"):
    item = {
        "event": "$snapshot",
        "uuid": UUID.format(n),
        "properties": {
            "token": "phc_x",
            "distinct_id": "d",
            "$session_id": session,
            "$window_id": "w1",
            "$snapshot_data": events,
        },
    }
    return json.dumps([item]).encode()


def post(url, data):
    request = urllib.request.Request(f"{url}/s/", data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.status


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


@pytest.fixture
def running(tmp_path):
    settings = load_settings({"seal_idle_s": 3600}, env={}, folder=tmp_path)
    try:
        with (
            Archive.open(tmp_path / "a", create=True) as archive,
            service(archive, settings, Projects(), sign_in=False) as found,
            serve(found.app) as url,
        ):
            yield archive, found, url
    except (PlayerNotBuiltError, SdkFilesMissingError):
        pytest.skip("the web part is not built")


def test_live_then_sealed(running):
    archive, found, url = running
    assert post(url, body(visit()[:4])) == 200
    assert post(url, body(visit()[:4])) == 200  # a retry changes nothing
    assert get(f"{url}/")[0] == 200
    assert listed(url) == [("s-live", True)]
    about = f"{url}/api/recordings/phc_x/s-live"
    manifest = json.loads(get(about)[1])["manifest"]
    assert (manifest["events"], manifest["created_ms"]) == (4, 0)
    version = f"{url}/files/phc_x/s-live/events.parquet?events=4"
    first = get(version)[1]
    assert first[:4] == b"PAR1"
    assert post(url, body(visit()[4:], n=1)) == 200
    assert get(version)[1] == first  # a player goes on reading what it began
    found.inbox.set_schedule(Schedule(idle_ms=0))
    while found.inbox.session("phc_x", "s-live") is not None:  # its own thread may be first
        found.sealer.seal_due()
    assert [e.to_rrweb() for e in archive.recording("s-live").events(order="arrival")] == visit()
    assert json.loads(get(about)[1])["manifest"]["created_ms"] > 0
    assert listed(url) == [("s-live", False)]


def test_a_session_nobody_knows_is_404(running):
    _, _, url = running
    assert get(f"{url}/api/recordings/phc_x/none")[0] == 404
    assert get(f"{url}/files/phc_x/none/events.parquet?events=4")[0] == 404


def test_one_inbox_has_one_server(running, tmp_path):
    archive, _, _ = running
    settings = load_settings({}, env={}, folder=tmp_path)
    with pytest.raises(StoreError, match="another process"), service(archive, settings, Projects()):
        pass


def test_where_the_inbox_is(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as archive:
        assert inbox_folder(archive, "") == tmp_path / "a" / "inbox"
        assert inbox_folder(archive, str(tmp_path / "x")) == tmp_path / "x"


def test_what_is_sealed_gets_its_person_and_is_told_of(tmp_path):
    settings = load_settings(
        {
            "seal_idle_s": 0.3,
            "webhook_url": "http://127.0.0.1:9/hook",
            "webhook_secret": "a secret of some length",
        },
        env={},
        folder=tmp_path,
    )
    try:
        with (
            Archive.open(tmp_path / "a", create=True) as archive,
            service(archive, settings, Projects(), sign_in=False) as found,
            serve(found.app) as url,
        ):
            facts = {"posthog_session_id": "s-live", "project": "phc_x", "distinct_id": "kim"}
            request = urllib.request.Request(
                f"{url}/api/update-user-session",
                json.dumps(facts).encode(),
                {"content-type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert json.loads(answer.read())["sealed"] is False
            assert post(url, body(visit())) == 200
            deadline = time.monotonic() + 60
            while not archive.catalog.count(person="kim") and time.monotonic() < deadline:
                time.sleep(0.05)
            assert archive.recording("s-live").manifest.person.distinct_id == "kim"
            found.sealer.stop()
            with Accounts.open(accounts_url(archive, settings)) as accounts:
                (message,) = accounts.outgoing.list()
                assert json.loads(message.body)["recording"]["distinct_id"] == "kim"
    except (PlayerNotBuiltError, SdkFilesMissingError):
        pytest.skip("the web part is not built")


def test_without_sign_in_others_may_not_reach_it(tmp_path):
    settings = load_settings({}, env={}, folder=tmp_path)
    with (
        Archive.open(tmp_path / "a", create=True) as archive,
        pytest.raises(ValueError, match="this machine"),
        service(archive, settings, Projects(), sign_in=False, on_loopback=False),
    ):
        pass


def test_where_accounts_are(tmp_path, monkeypatch):
    def where(archive, **options):
        return accounts_url(archive, load_settings(options, env={}, folder=tmp_path))

    with Archive.open(tmp_path / "a", create=True) as archive:
        assert where(archive) == str(tmp_path / "a" / "server" / "accounts.sqlite")
        assert where(archive, accounts_url="x.sqlite") == "x.sqlite"
        assert where(archive, catalog_url="postgresql://h/d") == "postgresql://h/d"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with Archive.open("memory://", create=True) as archive:
        assert where(archive).startswith(str(tmp_path / "data"))


def test_names_of_this_server(tmp_path):
    def names(**options):
        return own_hosts(load_settings(options, env={}, folder=tmp_path))

    assert names() == []
    assert names(public_url="https://replay.example.com/x", allowed_hosts="a, b") == [
        "a",
        "b",
        "replay.example.com",
    ]
    for wrong in ("replay.example.com", "ftp://x", "https://", "https://x/?a=b"):
        with pytest.raises(SettingsError):
            names(public_url=wrong)
