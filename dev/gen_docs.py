"""
Writes the reference pages that follow from the code, into ``docs/reference/``.

```
python dev/gen_docs.py            write them
python dev/gen_docs.py --check    write nothing; exit 1 when a page differs
```

Each function below makes one page from one table of the package: what is promised in the
documentation is what the code holds.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib
import inspect
import pkgutil
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import typer.main

import replayport
from replayport import errors
from replayport.analysis import actions
from replayport.analysis.features import FEATURES, NEEDS, Feature
from replayport.analysis.findings import ANALYSIS_FINDINGS
from replayport.analysis.frustration import WEIGHTS
from replayport.analysis.profiles import KIND_WORDS, PROFILES
from replayport.analysis.profiles import KINDS as SIGNAL_KINDS
from replayport.analysis.tables import ACTIONS_SCHEMA
from replayport.audit import ACTIONS, AUDIT_PROBLEMS
from replayport.cli import app
from replayport.export import EXPORTS
from replayport.feature_files import SCHEMA as FEATURE_SCHEMA
from replayport.format.schema import ANALYTICS_SCHEMA, EVENTS_SCHEMA
from replayport.format.tables import TABLES
from replayport.format.verify import PROBLEM_MEANINGS
from replayport.outcomes import FINDING_MEANINGS, REASON_MEANINGS
from replayport.redact.detectors import DETECTORS
from replayport.redact.report import PLACES, RULES, WARNING_MEANINGS
from replayport.redacting import PROFILES as REDACTIONS
from replayport.redacting import load_profile, profile_text
from replayport.rrweb.mirror import dom
from replayport.settings import SETTINGS

ROOT: Final = Path(__file__).resolve().parent.parent
REFERENCE: Final = ROOT / "docs" / "reference"
NOTICE: Final = "<!-- Made by dev/gen_docs.py. Change the code it names, then run: make gen -->\n"

OTHER_MEANING: Final = {("host", "pull posthog"), ("archive", "demo"), ("port", "demo")}
"""Options named like a setting that do not set it, with the command that has them."""


def commands() -> Iterator[tuple[str, Any]]:
    """Yield each command's words (``pull posthog``) and its parser, in order of the help."""

    def walk(group: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        context = typer.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if getattr(command, "commands", None):
                if command.invoke_without_command:
                    yield " ".join((*words, name)), command
                yield from walk(command, (*words, name))
            else:
                yield " ".join((*words, name)), command

    yield from walk(typer.main.get_command(app), ())


def options(command: Any) -> list[str]:
    """Give the long options of a command, without ``--help``."""
    found = []
    for param in command.params:
        found += [o for o in (*param.opts, *param.secondary_opts) if o.startswith("--")]
    return [o for o in found if o != "--help"]


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """Make a Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(_cell(c) for c in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().replace("|", "\\|")


def _page(title: str, origin: str, body: str) -> str:
    return f"{NOTICE}\n# {title}\n\n{origin}\n\n{body.strip()}\n"


def _default(param: Any) -> str:
    value = param.default
    if callable(value):
        value = None
    if param.secondary_opts and isinstance(value, bool):
        return f"`{param.opts[0] if value else param.secondary_opts[0]}`"
    if value in (None, False, (), []):
        return ""
    return f"`{value}`"


def _usage(words: str, command: Any) -> str:
    arguments = []
    for param in command.params:
        if param.param_type_name == "argument":
            name = param.metavar or (param.name or "").upper()
            many = "…" if param.nargs == -1 and not name.endswith("…") else ""
            arguments.append(f"{name}{many}")
        elif param.required:
            arguments.append(f"{param.opts[0]} {param.metavar or (param.name or '').upper()}")
    return " ".join(["replayport", words, "[OPTIONS]", *arguments])


def commands_page() -> str:
    """Make the page of commands from the Typer app."""
    intro = (
        "Every command takes `-h` and `--help`. `replayport --version` prints the version.\n"
        "Exit codes: 0 when all asked for was done, 1 when some of it failed (each item named with\n"
        "its reason), 2 for a wrong call or setting, 130 after Ctrl-C, which leaves a state the same command\n"
        "continues from. With `--json` a command prints one document on standard output and\n"
        "nothing else there.\n\n"
        "Times are written `2026-11-01`, `2026-11-01T12:30:00Z`, or as an age: `36h`, `7d`, `2w`."
    )
    body = [intro]
    for words, command in commands():
        help_ = inspect.cleandoc(command.help or "")
        body.append(f"## `replayport {words}`\n\n{help_}\n\n```text\n{_usage(words, command)}\n```")
        rows = []
        for param in command.params:
            if param.param_type_name == "argument":
                name = f"`{param.metavar or (param.name or '').upper()}`"
            else:
                shown = [*param.opts, *param.secondary_opts]
                name = ", ".join(f"`{o}`" for o in shown)
            default = "required" if param.required else _default(param)
            rows.append((name, getattr(param, "help", None) or "", default))
        if rows:
            body.append(table(("option", "what", "default"), iter(rows)).strip())
    return _page("Commands", "From `replayport.cli`.", "\n\n".join(body))


def settings_page() -> str:
    """Make the page of settings from `SETTINGS`."""
    takers: dict[str, list[str]] = {}
    for words, command in commands():
        for param in command.params:
            names = {o.lstrip("-").replace("-", "_") for o in param.opts}
            for name in names | {param.name}:
                if name not in SETTINGS or (name, words) in OTHER_MEANING:
                    continue
                if words not in takers.setdefault(name, []):
                    takers[name].append(words)
    # The one option whose name is shorter than its setting's.
    takers.setdefault("posthog_plan", []).extend(w for w, c in commands() if "--plan" in options(c))
    rows = (
        (
            f"`{s.name}`",
            s.help,
            s.unit,
            "" if s.default == "" else f"`{s.default}`",
            f"`{s.env}`",
            ", ".join(f"`{w}`" for w in takers.get(s.name, [])),
        )
        for s in SETTINGS.values()
    )
    body = (
        "Precedence: command-line option, environment variable, file, default. The file is\n"
        "`replayport.toml` in the current folder, or what `REPLAYPORT_CONFIG` names; a line is\n"
        '`posthog_plan = "paid"`. An unknown name in it is an error. `replayport settings`\n'
        "prints every setting with its value, its unit, and where the value came from; a secret\n"
        "is shown as set or not.\n\n"
        + table(("setting", "what", "unit", "default", "variable", "option of"), rows)
        + "\nThe option of a setting is its name with dashes (`max_wait_s`: `--max-wait-s`);\n"
        "`posthog_plan` is `--plan`. Settings without a command in the last column have no option.\n"
    )
    return _page("Settings", "From `replayport.settings`.", body)


def outcomes_page() -> str:
    """Make the page of reject reasons and findings."""
    reasons = (
        (f"`{r.value}`", meaning, remedy) for r, (meaning, remedy) in REASON_MEANINGS.items()
    )
    findings = ((f"`{code}`", meaning) for code, meaning in FINDING_MEANINGS.items())
    body = (
        "What can happen to a recording, a block or an event on its way in. Both sets are closed:\n"
        "nothing is skipped without one of these.\n\n"
        "## Reject reasons\n\nWhat is rejected is not stored. Reasons appear in the report of\n"
        "`import` and `pull`, and in a manifest's `rejected` for events of a stored recording.\n\n"
        + table(("reason", "meaning", "remedy"), reasons)
        + "\n## Findings\n\nWhat is stored, and worth knowing. Findings appear in reports and in a\n"
        "manifest's `findings`.\n\n" + table(("finding", "meaning"), findings)
    )
    return _page("Outcomes", "From `replayport.outcomes`.", body)


def verify_page() -> str:
    """Make the page of what `verify` finds."""
    rows = ((f"`{code}`", meaning) for code, meaning in PROBLEM_MEANINGS.items())
    body = (
        "`replayport verify` looks at every folder in the store, whatever the catalog says, and\n"
        "prints one line a problem. It exits 1 when there is any but `orphan`. `--quick` leaves\n"
        "out parsing every JSON text.\n\n" + table(("code", "meaning"), rows)
    )
    return _page("Problems `verify` finds", "From `replayport.format.verify`.", body)


def audit_page() -> str:
    """Make the page of audited actions and of what `audit verify` finds."""
    actions = ((f"`{action}`", meaning) for action, meaning in ACTIONS.items())
    problems = ((f"`{code}`", meaning) for code, meaning in AUDIT_PROBLEMS.items())
    body = (
        "How the log is kept: [specification](../../spec/audit.md).\n\n## Actions\n\n"
        + table(("action", "meaning"), actions)
        + "\n## Problems `audit verify` finds\n\n"
        + table(("code", "meaning"), problems)
    )
    return _page("Audit log", "From `replayport.audit`.", body)


def error_classes() -> list[type[Exception]]:
    """Give every public error of the package, those of `replayport.errors` first."""
    for module in pkgutil.walk_packages(replayport.__path__, "replayport."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    own = list(vars(errors).values())

    def below(parent: type[Exception]) -> Iterator[type[Exception]]:
        yield parent
        for child in parent.__subclasses__():
            yield from below(child)

    found = {c for c in below(errors.ReplayError) if not c.__name__.startswith("_")}
    return sorted(
        found, key=lambda c: (own.index(c) if c in own else len(own), c.__module__, c.__name__)
    )


def errors_page() -> str:
    """Make the page of exceptions."""

    def under(parent: type[Exception], depth: int) -> Iterator[str]:
        yield "    " * depth + parent.__name__
        for child in error_classes():
            if child.__bases__[0] is parent:
                yield from under(child, depth + 1)

    def rows() -> Iterator[tuple[str, ...]]:
        for c in error_classes():
            doc = inspect.cleandoc(c.__doc__ or "")
            summary, _, rest = doc.partition("\n\n")
            attributes = rest.partition("Attributes:")[2]
            yield f"`{c.__name__}`", summary, " ".join(attributes.split())

    tree = "\n".join(under(errors.ReplayError, 0))
    body = (
        "Everything replayport raises on purpose is a `ReplayError`. Wrong calls are Python's own\n"
        "`ValueError`, a missing object of a store is `FileNotFoundError`. Messages say what was\n"
        "observed, what it means, and what to do; they hold names, lengths and ids, no recorded\n"
        f"values.\n\n```text\n{tree}\n```\n\n" + table(("class", "when", "attributes"), rows())
    )
    return _page(
        "Errors", "From `replayport.errors`, and what is defined beside what raises it.", body
    )


def exports_page() -> str:
    """Make the page of export formats."""
    rows = ((f"`{e.name}`", f"`{e.suffix}`", e.help) for e in EXPORTS.values())
    body = (
        "`replayport export ID --as FORMAT` writes one recording. Without `-o` the file is named\n"
        "after the recording; `-o -` writes to standard output.\n\n"
        + table(("format", "ending", "what"), rows)
        + "\n`--window` and `--order` choose events; a bundle is always the whole recording, and the\n"
        "HTML page is always in playing order. `--playable` applies the fixes a player needs\n"
        "(mobile wireframes to DOM, missing Meta events, repeated events); without it an export\n"
        "holds what the source sent. The HTML page applies them to mobile recordings by itself.\n"
    )
    return _page("Export formats", "From `replayport.export`.", body)


def type_name(type_: pa.DataType) -> str:
    """Name a column's type as the documentation does."""
    if pa.types.is_dictionary(type_):
        return f"dictionary<{type_.value_type}>"
    return {"float": "float32"}.get(str(type_), str(type_))


def schema_page() -> str:
    """Make the page of columns; meanings are in the specification."""

    def rows(schema: pa.Schema) -> Iterator[tuple[str, ...]]:
        for field in schema:
            yield f"`{field.name}`", type_name(field.type), "yes" if field.nullable else "no"

    head = ("column", "type", "null")
    body = (
        "What each column means, and the rules around it, is in the\n"
        "[specification](../../spec/recording.md).\n\n"
        "## `events.parquet`\n\n"
        + table(head, rows(EVENTS_SCHEMA))
        + "\n## `analytics.parquet`\n\n"
        + table(head, rows(ANALYTICS_SCHEMA))
    )
    return _page("Columns", "From `replayport.format.schema`.", body)


def field_meanings(c: type) -> dict[str, str]:
    """Give each field's docstring, from the source; fields without one share the next one's."""
    meanings: dict[str, str] = {}
    waiting: list[str] = []
    for node in ast.parse(inspect.cleandoc(inspect.getsource(c))).body[0].body:  # type: ignore[attr-defined]
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            waiting.append(node.target.id)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and waiting:
            meanings[waiting.pop()] = str(node.value.value)
    return meanings


def actions_page() -> str:
    """Make the page of actions: columns, kinds, findings."""
    meanings = field_meanings(actions.Action)
    columns = (
        (
            f"`{f.name}`",
            type_name(f.type),
            "yes" if f.nullable else "no",
            meanings.get(f.name, "").replace("``", "`"),
        )
        for f in ACTIONS_SCHEMA
    )
    kinds = ((f"`{kind.value}`", meaning) for kind, meaning in actions.KIND_MEANINGS.items())
    findings = (
        (f"`{code}`", meaning)
        for code, meaning in sorted({**actions.FINDING_MEANINGS, **dom.FINDING_MEANINGS}.items())
    )
    body = (
        "What `recording.actions()` gives, one row an action, ordered by time. How actions are\n"
        "read from events, and what they do not claim, is in the\n"
        "[explanation](../explanation/actions.md).\n\n"
        + table(("column", "type", "null", "what"), columns)
        + "\n## Kinds\n\n"
        + table(("kind", "what"), kinds)
        + "\n## Findings\n\nCounted in `recording.action_log().findings`: what was odd on the way.\n\n"
        + table(("finding", "meaning"), findings)
    )
    return _page("Actions", "From `replayport.analysis` and `replayport.rrweb.mirror`.", body)


def tables_page() -> str:
    """Make the page of the tables recordings are read as."""
    intro = (
        "What `archive.events()`, `archive.sql()`, `replayport dataset` and the BigQuery and dlt\n"
        "loaders give: the same columns in the same order everywhere. A dataset has `day` besides,\n"
        "the day of the recording's first event in UTC, as a partition. JSON stays text. Columns\n"
        "are only ever added, at the end."
    )
    body = [intro]
    for t in TABLES.values():
        rows = (
            (f"`{c.name}`", type_name(c.type), "yes" if c.nullable else "no", c.meaning)
            for c in t.columns
        )
        body.append(f"## `{t.name}`\n\n{t.meaning}")
        body.append(table(("column", "type", "null", "meaning"), rows).strip())
    return _page("Tables", "From `replayport.format.tables`.", "\n\n".join(body))


def _members(c: type) -> Iterator[tuple[str, ...]]:
    for name, member in vars(c).items():
        if name.startswith("_"):
            continue
        function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        if isinstance(member, property):
            yield f"`.{name}`", _summary(member.fget)
        elif inspect.isfunction(function):
            yield f"`.{name}({_parameters(function)})`", _summary(function)


def _parameters(function: Any) -> str:
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return ", ".join(
        stars.get(p.kind, "") + p.name
        for p in inspect.signature(function).parameters.values()
        if p.name not in ("self", "cls")
    )


def _summary(thing: Any) -> str:
    doc = inspect.cleandoc(getattr(thing, "__doc__", None) or "")
    return " ".join(doc.partition("\n\n")[0].split())


def _fields(c: type) -> list[str]:
    return [n for n in getattr(c, "__annotations__", {}) if not n.startswith("_")]


def _attributes(c: type) -> list[str]:
    """Give the attributes a class's docstring lists."""
    listed = inspect.cleandoc(c.__doc__ or "").partition("Attributes:\n")[2]
    return re.findall(r"^ +(\w+):", listed, re.MULTILINE)


def api_page() -> str:
    """Make the page of the promised names."""
    intro = (
        "These names are promised: they change only with a word in the changelog. Everything else\n"
        "can be imported, and may move. Ranges are half-open, times are epoch milliseconds (`*_ms`),\n"
        "sizes are bytes (`*_bytes`)."
    )
    body = [intro]
    for name in sorted(replayport.__all__):
        thing = getattr(replayport, name)
        body.append(f"## `replayport.{name}`")
        if inspect.isclass(thing):
            body.append(_summary(thing))
            fields = _fields(thing) or _attributes(thing)
            if fields:
                body.append("Fields: " + ", ".join(f"`{f}`" for f in fields) + ".")
            rows = list(_members(thing))
            if rows:
                body.append(table(("member", "what"), iter(rows)).strip())
        elif callable(thing):
            body.append(f"`{name}({_parameters(thing)})`: {_summary(thing)}")
        else:
            body.append("The installed version, as text.")
    return _page("Python API", "From `replayport.__all__`.", "\n\n".join(body))


def http_page() -> str:
    """Make the page of the server's routes."""
    from replayport.feeds import FEEDS
    from replayport.server.app import routes, scopes_of
    from replayport.server.auth import PUBLIC, ROLES, SCOPES
    from replayport.server.envelope import REASONS
    from replayport.share.links import SHOWS

    groups: dict[str, list[tuple[str, str, str]]] = {}
    for route in routes():
        if route.methods == {"HEAD"}:
            continue
        needs = ", ".join(f"`{scope}`" for scope in scopes_of(route))
        if route.path in PUBLIC:
            needs = f"nothing: {PUBLIC[route.path]}"
        tag = str(route.tags[0]) if route.tags else "pages"
        if not route.path.endswith("/") or route.include_in_schema or route.path == "/":
            method = "`, `".join(sorted((route.methods or set()) - {"HEAD"}))
            row = (
                f"`{method}` `{route.path}`",
                _summary(route.endpoint),
                needs or "to be signed in",
            )
            groups.setdefault(tag, []).append(row)
    body: list[str] = []
    body.append(
        "Answers are JSON, described in full by [openapi.json](openapi.json), which the server\n"
        "gives at `/api/openapi.json`. Times are epoch milliseconds (`*_ms`), sizes bytes (`*_bytes`),\n"
        "intervals half-open. Programs send a token: `Authorization: Bearer rp_…`\n"
        "([how to make one](../how-to/sign-in.md)); browsers a cookie. What a token or a person may not\n"
        "see is `404`, as if it were not there. `serve` answers [capture](../how-to/capture.md) beside\n"
        "these routes, without sign-in."
    )
    for tag, rows in groups.items():
        body.append(f"## {tag}")
        body.append(table(("route", "what", "needs"), iter(rows)).strip())
    body.append("## Scopes")
    scopes = (
        (f"`{name}`", what, ", ".join(role for role, has in ROLES.items() if name in has))
        for name, what in SCOPES.items()
    )
    body.append(table(("scope", "allows to", "roles"), scopes).strip())
    body.append("## Feeds")
    feeds = ((f"`{name}`", what) for name, what in FEEDS.items())
    body.append(table(("feed", "rows"), feeds).strip())
    body.append("## What a link shows")
    body.append(table(("show", "what"), ((f"`{n}`", w) for n, w in SHOWS.items())).strip())
    body.append("## Errors")
    body.append('Every error is `{"ok": false, "error", "reason", "status"}`.')
    reasons = ((f"`{name}`", str(status), what) for name, (status, what) in REASONS.items())
    body.append(table(("reason", "status", "meaning"), reasons).strip())
    body.append("## Ranges")
    body.append(
        "One range a request, `bytes=0-99`, `bytes=100-` or `bytes=-100`. A range outside the file\n"
        "is 416. Several ranges, or another unit, give the whole file."
    )
    body.append("## PostHog's API")
    body.append(
        "`/api/projects/{project}/session_recordings/` and below answer as PostHog's API does, and so\n"
        "does `/api/environments/…`, so that tools written for it can point here: a personal API key is\n"
        "a token of this server, a project's id is its name, or its `number` in `/api/projects` for clients that\n"
        "take no names. What is not counted here is `null`. Filters\n"
        "that need PostHog's database (`events`, `actions`, `properties`, `console_log_filters`,\n"
        "`person_uuid`) are refused with 400, and `query` understands only the questions that\n"
        "`replayport pull posthog` asks.\n\n"
        "Tested with `replayport pull posthog` (all of it) and with [spoiler](https://pypi.org/project/spoiler/)\n"
        "0.1.3, a client made for PostHog: it fetches recordings; its list is HogQL, which is not here."
    )
    return _page("HTTP routes of `serve`", "From `replayport.server`.", "\n\n".join(body))


def openapi_document() -> str:
    """Make the OpenAPI document."""
    import json

    from replayport.server.app import document

    return json.dumps(document(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def features_page() -> str:
    """Make the page of features from `FEATURES`."""

    def rows(features: list[Feature]) -> Iterator[tuple[str, ...]]:
        adds = {"sum": "sum", "max": "largest", "min": "smallest", "union": "all", "none": ""}
        for f in features:
            yield (
                f"`{f.name}`",
                f"`{f.posthog}`" if f.posthog else "",
                f.type,
                f.meaning,
                NEEDS[f.needs] if f.needs else "",
                adds[f.combine],
            )

    own = [f for f in FEATURES if not f.posthog]
    theirs = [f for f in FEATURES if f.posthog]
    head = ("column", "PostHog's name", "type", "what", "null", "over blocks")
    files = ((f"`{field.name}`", str(field.type)) for field in FEATURE_SCHEMA)
    findings = ((f"`{code}`", meaning) for code, meaning in ANALYSIS_FINDINGS.items())
    body = (
        "`replayport features` gives one row a recording. PostHog computes its metrics within one\n"
        "source block and adds blocks up; the row of scope `recording` has them for the whole, the row\n"
        "of scope `blocks` (`--blocks`) adds them up where it is known where blocks ended.\n\n"
        "## PostHog's\n\n"
        + table(head, rows(theirs))
        + "\n## Ours\n\n"
        + table(head, rows(own))
        + "\n## Columns of the file\n\n"
        + table(("column", "type"), files)
        + "\n## Findings\n\nWhat keeps an analysis from knowing something.\n\n"
        + table(("finding", "meaning"), findings)
    )
    return _page("Features", "From `replayport.analysis.features`.", body)


def signals_page() -> str:
    """Make the page of profiles from `PROFILES`."""
    kinds = ((f"`{kind}`", KIND_WORDS[kind], f"{WEIGHTS[kind]:g}") for kind in SIGNAL_KINDS)
    body = [
        "Kinds of signal, and what each adds to the transparent score (`replayport score`):\n\n"
        + table(("kind", "the user", "weight"), kinds).strip()
    ]
    for p in PROFILES.values():
        rows = []
        for kind, rule in p.rules.items():
            for field, value in msgspec.to_builtins(rule).items():
                shown = ", ".join(value) if isinstance(value, list | tuple) else value
                rows.append((f"`{kind}.{field}`", "null" if shown is None else str(shown)))
        body.append(
            f"## `{p.name}`\n\n{p.source}\n\n" + table(("threshold", "value"), iter(rows)).strip()
        )
    body.append(
        "## What thresholds mean\n\n"
        + table(
            ("kind", "is"),
            (
                (f"`{kind}`", inspect.cleandoc(rule.__doc__ or ""))
                for kind, rule in SIGNAL_KINDS.items()
            ),
        ).strip()
    )
    return _page("Signals and profiles", "From `replayport.analysis.profiles`.", "\n\n".join(body))


def redaction_page() -> str:
    """Make the page of profiles, detectors, rules, places and warnings."""
    body = ["## Profiles", ""]
    names = ("profile", "what it removes", "extends", "detectors of its own", "pictures", "person")
    texts = {name: tomllib.loads(profile_text(name)) for name in REDACTIONS}
    rows = (
        (
            f"`{name}`",
            text["description"],
            f"`{text['extends']}`" if "extends" in text else "",
            ", ".join(f"`{d}`" for d in text.get("detectors", ())),
            load_profile(name).images,
            load_profile(name).person,
        )
        for name, text in texts.items()
    )
    body.append(table(names, rows))
    body.append("What each holds, in the form you would write one of your own:\n")
    body += [f"### `{name}`\n\n```toml\n{profile_text(name).strip()}\n```\n" for name in REDACTIONS]
    body.append("## Detectors\n")
    detectors = ((f"`{d.name}`", d.help, d.checked_by) for d in DETECTORS.values())
    body.append(table(("detector", "finds", "checked by"), detectors))
    body.append("## Other rules, as `--dry-run` names them\n")
    body.append(table(("rule", "what went"), ((f"`{k}`", v) for k, v in RULES.items())))
    body.append("## Places\n")
    body.append(table(("place", "what"), ((f"`{k}`", v) for k, v in PLACES.items())))
    body.append("## Warnings\n")
    warnings = ((f"`{k}`", v) for k, v in WARNING_MEANINGS.items())
    body.append(table(("warning", "what it means"), warnings))
    return _page("Redaction", "From `replayport.redact`.", "\n".join(body))


PAGES: Final[dict[str, Callable[[], str]]] = {
    "commands.md": commands_page,
    "settings.md": settings_page,
    "outcomes.md": outcomes_page,
    "verify.md": verify_page,
    "audit.md": audit_page,
    "redaction.md": redaction_page,
    "errors.md": errors_page,
    "exports.md": exports_page,
    "schema.md": schema_page,
    "actions.md": actions_page,
    "features.md": features_page,
    "signals.md": signals_page,
    "tables.md": tables_page,
    "api.md": api_page,
    "http.md": http_page,
    "openapi.json": openapi_document,
}
"""File name in ``docs/reference`` to what makes it."""


def main() -> int:
    """Write the pages, or compare them."""
    parser = argparse.ArgumentParser(description="Make the generated reference pages.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    check = parser.parse_args().check
    stale = 0
    for name, make in PAGES.items():
        path = REFERENCE / name
        new = make()
        old = path.read_text("utf-8") if path.is_file() else ""
        if new == old:
            continue
        stale += 1
        if check:
            difference = difflib.unified_diff(
                old.splitlines(),
                new.splitlines(),
                f"docs/reference/{name}",
                "from the code",
                "",
                "",
                1,
            )
            print("\n".join(difference))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(new, "utf-8")
            print(f"wrote docs/reference/{name}")
    if check and stale:
        print(f"{stale} pages differ from the code. Run: make gen", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
