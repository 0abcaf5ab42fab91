"""``replayport erase``: a person, a recording or an address out of everything."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from replayport.archive import Archive
from replayport.audit import this_actor
from replayport.cli.common import (
    ArchiveOption,
    JsonOption,
    WrongCallError,
    console,
    errors,
    open_archive,
    print_json,
    settings_with,
    shown,
    size,
)
from replayport.erase import REWRITERS, Eraser
from replayport.erasure_plan import Plan
from replayport.errors import LegalHoldError, ReplayError
from replayport.plurals import counted
from replayport.receipts import verify_receipt
from replayport.settings import Settings
from replayport.signing import Signer, signing_key
from replayport.surveying import Scope, ScopeKind

_POLL_S = 0.5


class ReceiptError(ReplayError):
    """A receipt cannot be read, or is not what it says."""


def erase(
    person: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="A person by distinct id, e-mail or user id, with all distinct ids known to be "
            "theirs.",
        ),
    ] = None,
    distinct_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Exactly this distinct id.")
    ] = None,
    recording: Annotated[
        str | None, typer.Option(metavar="ID", help="One recording: ID or PROJECT/ID.")
    ] = None,
    url_pattern: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="Recordings that visited such an address; * stands for any text, the whole "
            "address has to match.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with erasures that were interrupted.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be removed, and change nothing.")
    ] = False,
    block_later: Annotated[
        bool, typer.Option("--block-later", help="Refuse the person's later visits as well.")
    ] = False,
    posthog: Annotated[
        bool,
        typer.Option(
            "--posthog", help="Delete them in PostHog too; the key comes from POSTHOG_API_KEY."
        ),
    ] = False,
    posthog_host: Annotated[
        str, typer.Option(metavar="URL", help="With --posthog: which PostHog.")
    ] = "https://us.posthog.com",
    posthog_project: Annotated[
        str | None, typer.Option(metavar="N", help="With --posthog: which project.")
    ] = None,
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="Send the key over plain HTTP.")
    ] = False,
    inbox: Annotated[
        str | None, typer.Option(help="Folder where `serve` keeps what is not sealed.")
    ] = None,
    skip_inbox: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="An inbox whose server is gone for good."),
    ] = None,
    wait_s: Annotated[
        float, typer.Option(help="How long to wait for servers to erase in their inboxes.")
    ] = 60.0,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the receipt there as well.")
    ] = None,
    verify: Annotated[
        Path | None,
        typer.Option(
            "--verify-receipt",
            metavar="FILE",
            help="Check a receipt; with --person or another, also that it is about that one.",
        ),
    ] = None,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """
    Remove a person, a recording or an address from everything within reach, and prove it.

    Recordings, analytics, unsealed requests, assets nothing else uses, catalog, exports,
    bundles and shares made here. What was erased cannot come back. Ends with a signed receipt
    of what was removed and of what cannot be reached.
    """
    scope = _scope(person, distinct_id, recording, url_pattern)
    if verify is not None:
        _verify(verify, archive, scope, as_json=json)
        return
    if (scope is None) == (not resume):
        raise WrongCallError(
            "name one of --person, --distinct-id, --recording, --url-pattern, or --resume"
        )
    settings = settings_with(archive=archive, inbox=inbox)
    with ExitStack() as stack:
        source = stack.enter_context(open_archive(archive))
        deadline_s = time.monotonic() + wait_s
        eraser = stack.enter_context(
            opened_eraser(
                source,
                settings,
                skip_inboxes=skip_inbox or [],
                posthog=(posthog_host, posthog_project, allow_http) if posthog else None,
                deadline_s=0.0 if dry_run else deadline_s,
                quiet=json,
            )
        )
        plans = eraser.open_plans() if scope is None else [_plan(eraser, scope, block_later)]
        if dry_run:
            _print_plans(plans, as_json=json)
            return
        if not plans:
            if json:
                print_json([])
            else:
                errors.print("no erasure was interrupted")
            return
        if not yes:
            if json or not sys.stdin.isatty():
                raise WrongCallError("this removes recordings for good; say --yes, or --dry-run")
            _print_plans(plans, as_json=False)
            typer.confirm("Remove all of this for good?", abort=True)
        receipts = [_run(eraser, plan) for plan in plans]
    if output is not None:
        document = receipts[0] if len(receipts) == 1 else receipts
        output.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")
    if json:
        print_json(receipts if scope is None else receipts[0])
    else:
        for receipt, plan in zip(receipts, plans, strict=True):
            _print_receipt(receipt, plan)


@contextmanager
def opened_eraser(
    archive: Archive,
    settings: Settings,
    *,
    skip_inboxes: list[str],
    posthog: tuple[str, str | None, bool] | None = None,
    deadline_s: float = 0.0,
    quiet: bool = True,
) -> Iterator[Eraser]:
    """
    Open what erasing needs: the inbox of this machine, the key, and PostHog when asked.

    Args:
        archive: The archive.
        settings: ``inbox``, ``signing_key``, ``posthog_api_key``.
        skip_inboxes: As in `Eraser`.
        posthog: Host, project, and whether plain HTTP is allowed; None leaves it alone.
        deadline_s: Wait for servers until then, by the monotonic clock.
        quiet: Print no steps.
    """
    from replayport.capture.erase import unsealed_in
    from replayport.capture.inbox import InboxReader
    from replayport.capture.unsealed import UnsealedVisits
    from replayport.dataset.refresh import dataset_rewriter
    from replayport.server.service import inbox_folder
    from replayport.sources.posthog_erase import PostHogEraser

    with ExitStack() as stack:
        folder = inbox_folder(archive, settings["inbox"])
        there = stack.enter_context(unsealed_in(folder))
        reader = InboxReader.beside(folder)
        if reader is not None:
            stack.enter_context(reader)
        asked = None
        if posthog is not None:
            host, project, allow_http = posthog
            if project is None or not settings["posthog_api_key"]:
                raise WrongCallError("--posthog needs --posthog-project, and POSTHOG_API_KEY set")
            asked = PostHogEraser(
                host,
                project,
                settings["posthog_api_key"],
                allow_http=allow_http,
                timeout_s=settings["http_timeout_s"],
            )
            stack.callback(asked.close)

        def wait() -> bool:
            if time.monotonic() >= deadline_s:
                return False
            time.sleep(_POLL_S)
            return True

        def step(name: str) -> None:
            if not quiet and errors.is_terminal:
                errors.print(f"  {name} …", style="dim", highlight=False)

        yield Eraser(
            archive,
            actor=this_actor(),
            signer=Signer.load(signing_key(settings["signing_key"])),
            unsealed=there,
            visits=UnsealedVisits(archive, reader).folders if reader is not None else lambda _: (),
            skip_inboxes=skip_inboxes,
            posthog=asked,
            rewriters={**REWRITERS, "dataset": dataset_rewriter(archive)},
            on_step=step,
            wait_inboxes=wait,
        )


def _scope(
    person: str | None, distinct_id: str | None, recording: str | None, url_pattern: str | None
) -> Scope | None:
    options: list[tuple[ScopeKind, str | None]] = [
        ("person", person),
        ("distinct_id", distinct_id),
        ("recording", recording),
        ("url_pattern", url_pattern),
    ]
    given = [Scope(kind, value) for kind, value in options if value is not None]
    if len(given) > 1:
        raise WrongCallError("name only one of --person, --distinct-id, --recording, --url-pattern")
    if given and not given[0].value.strip():
        raise WrongCallError("what is to be erased cannot be empty")
    if given and not given[0].value.strip("*"):
        raise WrongCallError(
            "a pattern of nothing but * would erase everything; delete the archive"
        )
    return given[0] if given else None


def _plan(eraser: Eraser, scope: Scope, block_later: bool) -> Plan:
    for plan in eraser.open_plans():
        if (plan.kind, plan.subject) == (scope.kind, scope.value):
            return plan  # begun before: the same call goes on with it
    try:
        return eraser.plan(scope, forever=block_later)
    except LegalHoldError as e:
        eraser.refuse(scope, e)
        raise


def _run(eraser: Eraser, plan: Plan) -> dict[str, Any]:
    try:
        return eraser.run(plan)
    except LegalHoldError as e:
        eraser.refuse(Scope(plan.kind, plan.subject), e)
        raise


def plan_json(plan: Plan) -> dict[str, Any]:
    """Give a plan as the command line prints it."""
    return {
        "erasure": plan.id,
        "kind": plan.kind,
        "subject": plan.subject,
        "distinct_ids": plan.distinct_ids,
        "recordings": [
            {
                "id": r.id,
                "project": r.project,
                "objects": len(r.files),
                "bytes": sum(f.bytes for f in r.files),
            }
            for r in plan.recordings
        ],
        "analytics_events": plan.rows,
        "inbox": {"sessions": plan.sessions, "requests": plan.requests, "waiting": plan.waiting},
        "made": [
            {"what": p.made.kind, "where": p.made.where, "action": p.action, "why": p.why}
            for p in plan.made
        ],
        "assets": len({s for r in plan.recordings for s in r.assets}) + len(plan.unused_assets),
        "leftovers": len(plan.leftovers),
        "unreadable": plan.unreadable,
        "posthog": plan.posthog,
    }


def _print_plans(plans: list[Plan], *, as_json: bool) -> None:
    if as_json:
        found = [plan_json(plan) for plan in plans]
        print_json(found[0] if len(found) == 1 else found)
        return
    for plan in plans:
        table = Table(show_header=False, box=None, pad_edge=False)
        table.add_column(justify="right", style="bold")
        table.add_column(overflow="fold")
        n_bytes = sum(f.bytes for r in plan.recordings for f in r.files)
        table.add_row(str(len(plan.recordings)), f"recordings, {size(n_bytes)}")
        if plan.distinct_ids:
            ids = ", ".join(plan.distinct_ids[:10]) + (" …" if len(plan.distinct_ids) > 10 else "")
            table.add_row(str(len(plan.distinct_ids)), f"distinct ids: {shown(ids)}")
        for name, n in plan.rows.items():
            table.add_row(str(n), f"analytics events in {shown(name)}, which stays")
        if plan.requests or plan.waiting:
            table.add_row(str(plan.requests), "requests that are not sealed yet")
            table.add_row(str(plan.waiting), "requests that wait for PostHog")
        for planned in plan.made:
            what = f"{planned.made.kind} {planned.made.where}"
            if planned.action == "none":
                table.add_row("[yellow]![/yellow]", f"{shown(what)}: {shown(planned.why)}")
            else:
                table.add_row("1", f"{shown(what)}: {planned.action}")
        if plan.leftovers:
            table.add_row(str(len(plan.leftovers)), "files that cut writes left behind")
        for prefix in plan.unreadable:
            table.add_row("[yellow]![/yellow]", f"{shown(prefix)} does not read")
        if plan.posthog:
            table.add_row("", f"and in PostHog, {shown(plan.posthog)}")
        console.print(table)


def _print_receipt(receipt: dict[str, Any], plan: Plan) -> None:
    removed = [r for r in receipt["removed"] if r["what"] == "recording"]
    others = [r for r in receipt["removed"] if r["what"] not in ("recording", "inbox")]
    console.print(
        f"[green]erased[/green] {counted(len(removed), 'recording')} and "
        f"{counted(len(others), 'other thing')}; "
        "read back: all of it is gone",
        highlight=False,
    )
    for planned in plan.made:
        if planned.action == "none":
            errors.print(
                f"[yellow]cannot reach[/yellow] {planned.made.kind} {shown(planned.made.where)}: "
                f"{shown(planned.why)}",
                highlight=False,
            )
    for item in receipt["not_reached"]:
        if item["what"] in ("copies", "downloads", "mentions", "posthog"):
            errors.print(
                f"[yellow]not reached[/yellow] {shown(item['where'])}: {shown(item['why'])}",
                highlight=False,
            )
    console.print(
        f"receipt receipts/{receipt['erasure']}.json, signed by "
        f"{receipt['signed_by']['fingerprint']}",
        highlight=False,
    )


def _verify(path: Path, archive: str | None, scope: Scope | None, *, as_json: bool) -> None:
    try:
        receipt = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as e:
        raise ReceiptError(f"{path} does not read as a receipt ({type(e).__name__})") from e
    if not isinstance(receipt, dict):
        raise ReceiptError(f"{path} does not read as a receipt")
    with open_archive(archive) as source:
        problems = verify_receipt(receipt, source, scope)
    if as_json:
        signed = receipt.get("signed_by") or {}
        print_json({"ok": not problems, "problems": problems, "signed_by": signed})
    else:
        for problem in problems:
            errors.print(f"[red]wrong[/red] {shown(problem)}", highlight=False)
        if not problems:
            console.print("[green]the receipt holds[/green]")
    if problems:
        raise typer.Exit(1)
