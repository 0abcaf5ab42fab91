"""Projects, storage and the audit log over HTTP."""

from __future__ import annotations

from tests.support.builders import draft
from tests.support.servers import Server

from replayport.capture.projects import Project, Projects, RecordingSettings
from replayport.server.routes.projects import AuditModel, ProjectModel, Storage, snippet


def test_projects_say_what_they_record(stored):
    projects = Projects(
        {
            "shop": Project(
                name="shop",
                tokens=("phc_shop",),
                retention_days=90,
                recording=RecordingSettings(sample_rate=0.5),
            ),
            "empty": Project(name="empty"),
        }
    )
    server = Server(stored, projects=projects)
    ann = server.browser()
    found = {p["name"]: p for p in ann.get("/api/projects").json()}
    assert set(found) == {"blog", "empty", "shop"}
    ProjectModel.model_validate(found["shop"], strict=True)
    assert found["shop"]["tokens"] == ["phc_shop"]
    assert found["shop"]["recording"]["sample_rate"] == 0.5
    assert (found["shop"]["recordings"], found["empty"]["recordings"]) == (1, 0)
    assert found["shop"]["is_configured"] and not found["blog"]["is_configured"]
    assert '"phc_shop"' in found["shop"]["snippet"]
    assert ann.get("/api/projects/shop").json() == found["shop"]
    assert ann.get("/api/projects/none").status_code == 404


def test_a_snippet_holds_nothing_that_ends_it():
    text = snippet("</script><script>", "http://x")
    assert text.count("</script>") == 2


def test_storage(server):
    ann = server.browser()
    found = ann.get("/api/storage").json()
    Storage.model_validate(found, strict=True)
    assert found["recordings"] == 2
    assert found["archived_bytes"] == sum(r.archived_bytes for r in server.archive.catalog.list())
    assert found["incomplete"] == 0
    server.archive.write(draft(session_id="part", missing=["block 3"]))
    assert ann.get("/api/storage").json()["incomplete"] == 1


def test_the_audit_log(server):
    ann = server.browser()
    ann.get("/files/shop/s-1/events.parquet")
    entries = ann.get("/api/audit").json()
    for entry in entries:
        AuditModel.model_validate(entry, strict=True)
    assert [e["action"] for e in entries] == ["user.sign_in", "recording.view"]
    assert entries[1]["actor"] == "user:ann"
    assert "s-1" not in str(entries)
    assert ann.get("/api/audit", params={"after": 1}).json() == entries[1:]
    assert ann.get("/api/audit", params={"newest": True, "limit": 1}).json() == entries[1:]
