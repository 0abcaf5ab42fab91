"""What the documentation says is what the code does, where a machine can tell."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import tomllib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.builders import draft

from replayport import archive as archive_module
from replayport import errors, recording, store
from replayport.analysis.actions import FINDING_MEANINGS as ACTION_FINDINGS
from replayport.analysis.findings import ANALYSIS_FINDINGS
from replayport.archive import Archive
from replayport.export import EXPORTS
from replayport.format import bundle, schema
from replayport.format.reader import Recording
from replayport.format.verify import PROBLEM_MEANINGS
from replayport.format.writer import encode_events
from replayport.outcomes import FINDING_MEANINGS, RejectReason
from replayport.rrweb.mirror.dom import FINDING_MEANINGS as MIRROR_FINDINGS
from replayport.settings import SETTINGS
from replayport.sources.rate_limits import PLANS, QUERY_PLANS

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
HAND_WRITTEN = sorted(
    p
    for p in (
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "spec").glob("*.md"),
    )
    if "Made by dev/gen_docs.py" not in p.read_text("utf-8")[:200]
)
PAGES = sorted({*HAND_WRITTEN, *REFERENCE.glob("*.md")})
OTHER_VARIABLES = {
    "REPLAYPORT_MIRROR_SWEEP",
    "REPLAYPORT_CONFIG",
    "REPLAYPORT_CHROMIUM",
    "REPLAYPORT_CORPUS",
}
"""Environment variables that are no settings."""


@cache
def gen_docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gen_docs", ROOT / "dev" / "gen_docs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def text(path: Path) -> str:
    return path.read_text("utf-8")


def everything() -> str:
    return "\n".join(text(p) for p in PAGES)


def names(paths: list[Path]) -> list[str]:
    return [str(p.relative_to(ROOT)) for p in paths]


def blocks(path: Path, language: str) -> list[str]:
    """Give the fenced code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text(path), re.MULTILINE | re.DOTALL)


def table_after(path: Path, marker: str) -> list[list[str]]:
    """Give the rows of the table behind ``<!-- table: marker -->``, without code quotes."""
    rest = text(path).split(f"<!-- table: {marker} -->\n", 1)[1]
    rows = []
    for line in rest.splitlines()[2:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    return rows


# --- reference ------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(gen_docs().PAGES))
def test_generated_pages_are_current(name):
    assert text(REFERENCE / name) == gen_docs().PAGES[name](), "run: make gen"


def test_every_command_and_option_is_documented():
    page = text(REFERENCE / "commands.md")
    sections = dict(re.findall(r"^## `replayport (.+?)`\n(.*?)(?=^## |\Z)", page, re.M | re.S))
    found = dict(gen_docs().commands())
    assert sections.keys() == found.keys()
    for words, command in found.items():
        for option in gen_docs().options(command):
            assert f"`{option}`" in sections[words], f"{words} {option}"


def test_every_command_is_shown_somewhere_by_hand():
    shown = {words for p in HAND_WRITTEN for words, _ in calls(p)}
    assert {words for words, _ in gen_docs().commands()} <= shown


def test_every_setting_reason_finding_problem_error_and_format_is_documented():
    settings = text(REFERENCE / "settings.md")
    for setting in SETTINGS.values():
        assert f"`{setting.name}`" in settings
        assert f"`{setting.env}`" in settings
    outcomes = text(REFERENCE / "outcomes.md")
    for code in (*(r.value for r in RejectReason), *FINDING_MEANINGS):
        assert f"| `{code}` |" in outcomes
    for code in PROBLEM_MEANINGS:
        assert f"| `{code}` |" in text(REFERENCE / "verify.md")
    for name in EXPORTS:
        assert f"| `{name}` |" in text(REFERENCE / "exports.md")
    for error in (*gen_docs().error_classes(), errors.MissingExtraError):
        assert f"| `{error.__name__}` |" in text(REFERENCE / "errors.md")


def test_every_finding_the_code_counts_has_a_meaning():
    counted = set()
    for path in (ROOT / "src" / "replayport").rglob("*.py"):
        for node in ast.walk(ast.parse(text(path))):
            target = node.target if isinstance(node, ast.AugAssign) else None
            if (
                isinstance(target, ast.Subscript)
                and ast.unparse(target.value).rpartition(".")[2] == "findings"
                and isinstance(target.slice, ast.Constant)
            ):
                counted.add(target.slice.value)
    assert len(counted) > 5
    meanings = (FINDING_MEANINGS, ANALYSIS_FINDINGS, MIRROR_FINDINGS, ACTION_FINDINGS)
    assert counted - {code for table in meanings for code in table} == set()


def test_every_route_is_documented():
    from replayport.server.app import routes

    page = text(REFERENCE / "http.md")
    found = {r.path for r in routes() if r.include_in_schema or not r.path.startswith("/api/")}
    assert len(found) > 40
    assert {path for path in found if f"`{path}`" not in page} == set()


def test_variables_named_exist():
    known = {s.env for s in SETTINGS.values()} | OTHER_VARIABLES
    assert set(re.findall(r"\bREPLAYPORT_[A-Z_]+\b", everything())) <= known


def test_the_budget_page_has_the_numbers_that_are_kept():
    def words(limits):
        units = {60: "a minute", 3600: "an hour"}
        return ", ".join(f"{limit.requests} {units[limit.window_s]}" for limit in limits)

    rows = table_after(ROOT / "docs" / "explanation" / "api-budget.md", "budgets")
    assert rows == [[n, words(PLANS[n]), words(QUERY_PLANS[n])] for n in PLANS]


# --- calls shown in prose -------------------------------------------------------------


def calls(path: Path) -> list[tuple[str, list[str]]]:
    """Give the calls of replayport in a page's shell blocks: command words, options."""
    known = sorted((w for w, _ in gen_docs().commands()), key=len, reverse=True)
    found = []
    for block in blocks(path, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            line = re.sub(r"^([A-Z_]+=\S+\s+)+", "", line.split(" #")[0].strip())
            if not re.match(r"(\S*/)?replayport ", line):
                continue
            arguments = shlex.split(line.split("|")[0])[1:]
            if arguments[0].startswith("-"):
                continue
            call = " ".join(arguments)
            words = next((w for w in known if call == w or call.startswith(f"{w} ")), arguments[0])
            found.append((words, [a.partition("=")[0] for a in arguments if a.startswith("-")]))
    return found


@pytest.mark.parametrize("path", HAND_WRITTEN, ids=names(HAND_WRITTEN))
def test_calls_shown_are_calls_there_are(path):
    commands = dict(gen_docs().commands())
    for words, options in calls(path):
        assert words in commands, f"replayport {words}"
        known = {o for p in commands[words].params for o in (*p.opts, *p.secondary_opts)}
        assert [o for o in options if o not in known | {"--help", "-h", "-"}] == [], words


@pytest.mark.parametrize("path", HAND_WRITTEN, ids=names(HAND_WRITTEN))
def test_make_targets_shown_exist(path):
    targets = set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.MULTILINE))
    shown = [line for b in blocks(path, "sh") for line in b.splitlines()]
    shown += re.findall(r"`(make [^`]*)`", text(path))
    for line in shown:
        if line.startswith("make "):
            wanted = [w for w in line.split("#")[0].split()[1:] if "=" not in w and w[0] != "-"]
            assert set(wanted) <= targets, line


def test_python_version():
    pyproject = tomllib.loads(text(ROOT / "pyproject.toml"))
    needed = pyproject["project"]["requires-python"].removeprefix(">=")
    for name in ("README.md", "CONTRIBUTING.md"):
        said = set(re.findall(r"Python (3\.\d+)", text(ROOT / name)))
        assert said == {needed}, name


def test_readme_opens_with_what_it_is():
    description = tomllib.loads(text(ROOT / "pyproject.toml"))["project"]["description"]
    assert f"**{description}**" in text(ROOT / "README.md")[:400]
    assert "make demo" in text(ROOT / "README.md")[:1200]


def python_blocks() -> list[tuple[str, str]]:
    return [
        (f"{p.relative_to(ROOT)}-{n}", block)
        for p in HAND_WRITTEN
        for n, block in enumerate(blocks(p, "python"))
    ]


@pytest.mark.parametrize(
    "code", [c for _, c in python_blocks()], ids=[i for i, _ in python_blocks()]
)
def test_python_shown_runs(code, tmp_path, monkeypatch):
    """Each block runs by itself, beside an archive ``./replays`` with two recordings."""
    imports = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        )
    }
    if missing := sorted(n for n in imports if find_spec(n) is None):
        pytest.skip(f"{', '.join(missing)} is not installed")
    monkeypatch.chdir(tmp_path)
    with Archive.open("replays", create=True) as opened:
        opened.write(draft(session_id="0198-a", project="shop"))
        opened.write(draft(session_id="0198-b", project="shop"))
    exec(compile(code, "documentation", "exec"), {"__name__": "documentation"})


# --- links and pictures ---------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    found = set()
    for heading in re.findall(r"^#+ (.+)$", text(path), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


@pytest.mark.parametrize("path", PAGES, ids=names(PAGES))
def test_relative_links_resolve(path):
    prose = re.sub(r"^```.*?^```", "", text(path), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (path.parent / name).resolve() if name else path
        assert linked.exists(), target
        assert ROOT in (linked, *linked.parents), target
        if anchor and linked.suffix == ".md":
            assert anchor in anchors(linked), target


def test_every_page_is_reached_from_the_index():
    index = ROOT / "docs" / "index.md"
    linked = {
        (index.parent / t.partition("#")[0]).resolve()
        for t in re.findall(r"\]\(([^)\s:]+)\)", text(index))
    }
    wanted = {*(ROOT / "docs").rglob("*.md"), *(ROOT / "spec").glob("*.md")} - {index}
    assert {str(p.relative_to(ROOT)) for p in wanted if p not in linked} == set()


def test_pictures_are_small():
    pictures = list((ROOT / "docs" / "images").glob("*"))
    assert pictures
    assert all(p.stat().st_size < 200_000 for p in pictures)


def test_decisions_are_numbered_without_gaps():
    numbers = sorted(int(p.name[:4]) for p in (ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("path", PAGES, ids=names(PAGES))
def test_pages_name_source_files_that_exist(path):
    """A path in code quotes that looks like one of ours is one of ours."""
    for name in re.findall(r"`((?:src|tests|docs|spec|dev|bench|web)/[\w./-]+)`", text(path)):
        assert (ROOT / name).exists() or name.startswith("src/replayport/static"), name


# --- specification --------------------------------------------------------------------

SPEC = ROOT / "spec" / "recording.md"


@pytest.mark.parametrize(
    ("marker", "columns"),
    [
        ("columns of events.parquet", schema.EVENTS_SCHEMA),
        ("columns of analytics.parquet", schema.ANALYTICS_SCHEMA),
    ],
)
def test_columns_of_the_specification(marker, columns):
    said = [row[:3] for row in table_after(SPEC, marker)]
    kept = [[f.name, gen_docs().type_name(f.type), "yes" if f.nullable else "no"] for f in columns]
    assert said == kept
    assert all(row[3] for row in table_after(SPEC, marker))


def test_encodings_of_the_specification():
    data, _ = encode_events(draft().columns)
    file = pq.ParquetFile(pa.BufferReader(data))
    group = file.metadata.row_group(0)
    said = dict(table_after(SPEC, "encodings of events.parquet"))
    assert list(said) == schema.EVENTS_SCHEMA.names
    for n in range(group.num_columns):
        column = group.column(n)
        kept = set(column.encodings)
        name = column.path_in_schema
        # A draft is a small recording; `tests/format/test_writer.py` has a large one.
        assert column.compression == ("ZSTD" if name == "data" else "UNCOMPRESSED")
        assert column.is_stats_set == (name == "timestamp_ms")
        if said[name] == "dictionary":
            assert "RLE_DICTIONARY" in kept, name
        else:
            assert kept - {"RLE"} == {said[name]}, name


def test_fields_of_the_specification():
    said = [row[:2] for row in table_after(SPEC, "fields of manifest.json")]
    kept = [
        [f.name, "yes" if f.required else "no"] for f in msgspec.structs.fields(recording.Manifest)
    ]
    assert said == kept


def test_numbers_and_names_of_the_specification():
    said = text(SPEC)
    mib = 2**20
    assert f"at which its `data` texts reach {schema.ROW_GROUP_MAX_BYTES // mib} MiB" in said
    assert f"Once a group holds {schema.ROW_GROUP_TARGET_BYTES // mib} MiB" in said
    assert f"level {schema.WRITE_LEVEL} when written, {schema.COMPACT_LEVEL} after" in said
    assert f"up to {schema.SMALL_BYTES // mib} MiB of `data`" in said
    assert f"level {schema.SMALL_WRITE_LEVEL} when written, with" in said
    assert f"and {schema.SMALL_COMPACT_LEVEL} after `replayport compact`" in said
    assert f"`{recording.FORMAT_NAME}`, version {recording.FORMAT_VERSION}" in said
    assert f"up to {recording.MAX_URLS} distinct" in said
    assert f"cut to {recording.MAX_URL_CHARS:,} characters" in said
    for pattern in (recording._SAFE_ID, recording._SAFE_PROJECT):
        assert f"`{pattern.pattern}`" in said
    for name in (schema.EVENTS_FILE, schema.ANALYTICS_FILE, schema.MANIFEST_FILE):
        assert f"`{name}`" in said
    assert f"`{archive_module.NEXT_MANIFEST_FILE}`" in said
    assert f"`{schema.METADATA_KEY.decode()}`" in said


def test_numbers_and_names_of_the_archive_and_the_bundle():
    said = text(ROOT / "spec" / "archive.md")
    assert f"`{archive_module.ARCHIVE_FORMAT}`, version {archive_module.ARCHIVE_VERSION}" in said
    assert f"term is {archive_module.LEASE_TTL_S:.0f} s" in said
    assert f"at most {store.MAX_KEY_BYTES:,} bytes" in said
    assert f"at most {store.MAX_SEGMENT_BYTES} in a segment" in said
    for name in store._RESERVED:
        assert f"`{name}`" in said
    for name in (archive_module.ARCHIVE_FILE, archive_module.CATALOG_FILE):
        assert f"`{name}`" in said
    said = text(ROOT / "spec" / "bundle.md")
    assert f"`<id>{bundle.BUNDLE_SUFFIX}`" in said
    for pattern in bundle._FILE_NAME.pattern.replace("\\.", "\0").split("|assets"):
        assert pattern.split("|")[0].replace("\0", "\\.").split("(")[0] in said


def test_a_recording_is_kept_as_the_specification_says(tmp_path):
    with Archive.open(tmp_path / "a", create=True) as opened:
        opened.write(draft())
        found: Recording = opened.recording("s-1")
    assert found.prefix == recording.recording_prefix("p", "s-1", found.manifest.start_ms)
    info = pq.ParquetFile(tmp_path / "a" / found.prefix / schema.EVENTS_FILE).metadata
    footer = msgspec.json.decode(info.metadata[schema.METADATA_KEY])
    said = re.search(r"JSON object with ([^.]+?), and SHOULD hold ([^.]+?), for", text(SPEC))
    assert said is not None
    assert set(re.findall(r"`(\w+)`", said[1] + said[2])) == set(footer)
    assert b"ARROW:schema" not in info.metadata


# --- invariants -----------------------------------------------------------------------


def test_invariants_are_held_by_tests_there_are():
    page = text(ROOT / "tests" / "INVARIANTS.md")
    named = re.findall(r"`((?:tests|web)/[\w./-]+\.(?:py|ts))(?:::(\w+))?`", page)
    assert len(named) > 20
    for name, function in named:
        path = ROOT / name
        assert path.is_file(), name
        if function:
            assert f"def {function}(" in text(path), f"{name}::{function}"
    rows = [r for r in page.splitlines() if r.startswith("| ") and not r.startswith("| what")]
    assert [r for r in rows if "`tests/" not in r and "`web/" not in r] == []
