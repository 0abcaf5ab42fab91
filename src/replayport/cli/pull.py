"""``replayport pull``: recordings from where they are into the archive."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Self

import typer
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from replayport.archive import Archive
from replayport.cli.common import (
    ArchiveOption,
    JsonOption,
    WrongCallError,
    duration,
    errors,
    open_archive,
    print_report,
    settings_with,
    size,
    time_option,
)
from replayport.outcomes import Report
from replayport.plurals import counted
from replayport.pull import Progress as PullProgress
from replayport.pull import pull
from replayport.sources.base import Source
from replayport.store import Store

app = typer.Typer(
    no_args_is_help=True,
    help="Gather recordings from PostHog. Stopped at any point, the same command continues.",
)

SinceOption = Annotated[
    str | None,
    typer.Option(help="Started at or after: 2026-11-01, an ISO time, or 7d. [default: all]"),
]
UntilOption = Annotated[str | None, typer.Option(help="Started before.")]
LimitOption = Annotated[int | None, typer.Option(min=1, help="Fetch at most so many.")]
RecentOption = Annotated[
    bool,
    typer.Option("--recent", help="Take recordings younger than 24 h too; they may still grow."),
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Fetch again what the archive already has.")
]


@app.command("posthog")
def pull_posthog(
    host: Annotated[str, typer.Option(help="us, eu, or the address of a self-hosted PostHog.")],
    project: Annotated[str, typer.Option(help="Number of the project, as in its addresses.")],
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = None,
    recent: RecentOption = False,
    force: ForceOption = False,
    session: Annotated[
        list[str] | None, typer.Option(help="Only this session; may be repeated.")
    ] = None,
    person: Annotated[str | None, typer.Option(help="Only of this person (uuid).")] = None,
    distinct_id: Annotated[
        list[str] | None, typer.Option(help="Only of this distinct id; may be repeated.")
    ] = None,
    events: Annotated[str | None, typer.Option(help="PostHog's event filters, as JSON.")] = None,
    properties: Annotated[
        str | None, typer.Option(help="PostHog's property filters, as JSON.")
    ] = None,
    min_duration_s: Annotated[float | None, typer.Option(min=0, help="At least this long.")] = None,
    analytics: Annotated[
        bool,
        typer.Option(help="Get the sessions' analytics, LLM events and console lines too."),
    ] = True,
    plan: Annotated[
        str | None,
        typer.Option(
            help="Plan whose rate limits are kept: free, paid, enterprise. "
            "[default: $REPLAYPORT_POSTHOG_PLAN, else free]",
            show_default=False,
        ),
    ] = None,
    max_wait_s: Annotated[
        float | None,
        typer.Option(min=0, help="Longest wait for a rate limit before the run stops."),
    ] = None,
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="Send the key over unencrypted HTTP.")
    ] = False,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """
    Pull from PostHog's API.

    The personal API key comes from POSTHOG_API_KEY and needs the scopes
    session_recording:read and query:read. PostHog's rate limits are kept from the first
    request and across runs.
    """
    from replayport.sources.posthog_api import PostHogSource, RecordingFilters

    settings = settings_with(archive=archive, posthog_plan=plan, max_wait_s=max_wait_s)
    key = settings["posthog_api_key"]
    if not key:
        raise WrongCallError(
            "there is no API key. Make a personal API key in PostHog (scopes "
            "session_recording:read and query:read) and set POSTHOG_API_KEY to it"
        )
    filters = RecordingFilters(
        person_uuid=person,
        distinct_ids=distinct_id or (),
        session_ids=session or (),
        events=_json_list(events, "--events"),
        properties=_json_list(properties, "--properties"),
        min_duration_s=min_duration_s,
    )

    def source(target: Archive) -> Source:
        return PostHogSource(
            host,
            project,
            key,
            filters=filters,
            with_analytics=analytics,
            plan=settings["posthog_plan"],
            state=target.catalog,
            max_wait_s=settings["max_wait_s"],
            timeout_s=settings["http_timeout_s"],
            max_recording_bytes=settings["max_recording_bytes"],
            allow_http=allow_http,
        )

    _run(
        source,
        archive,
        json=json,
        since_ms=time_option(since, "--since"),
        until_ms=time_option(until, "--until"),
        limit=limit,
        include_recent=recent,
        force=force,
    )


@app.command("bucket")
def pull_bucket(
    bucket: Annotated[
        str,
        typer.Argument(
            metavar="BUCKET",
            help="The self-hosted PostHog's bucket: s3://name, gs://…, az://…, or a folder. "
            "Credentials and endpoint from the usual AWS_* variables.",
        ),
    ],
    project: Annotated[str, typer.Option(help="Number of the project (PostHog's team id).")],
    clickhouse: Annotated[
        str | None,
        typer.Option(help="ClickHouse's HTTP address, for the block addresses: http://host:8123"),
    ] = None,
    clickhouse_user: Annotated[str, typer.Option(help="Needs SELECT on one table.")] = "default",
    clickhouse_database: Annotated[str, typer.Option(help="PostHog's database.")] = "default",
    listing: Annotated[
        Path | None,
        typer.Option(
            help="Block addresses exported from ClickHouse (JSON, JSONEachRow or CSV), instead "
            "of --clickhouse."
        ),
    ] = None,
    v1: Annotated[
        bool,
        typer.Option("--v1", help="The folders of 2023 to 2025, which need no addresses."),
    ] = False,
    lts: Annotated[
        bool, typer.Option("--lts", help="With --v1: the long-term copies instead.")
    ] = False,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = None,
    recent: RecentOption = False,
    force: ForceOption = False,
    allow_http: Annotated[
        bool,
        typer.Option("--allow-http", help="Send ClickHouse's password over unencrypted HTTP."),
    ] = False,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """
    Pull from a self-hosted PostHog's bucket: no API, no rate limit.

    The addresses of the blocks come from ClickHouse over HTTP (password in
    REPLAYPORT_CLICKHOUSE_PASSWORD), or from a listing exported from it.
    """
    from replayport.sources.clickhouse import ClickHouseListing
    from replayport.sources.posthog_bucket import V1_FOLDER, PostHogBucketSource, V1Folders
    from replayport.sources.posthog_listing import BlockListing, ListingFile

    if [clickhouse is not None, listing is not None, v1].count(True) != 1:
        raise typer.BadParameter("name exactly one of --clickhouse, --listing and --v1")
    if lts and not v1:
        raise typer.BadParameter("--lts goes with --v1", param_hint="--lts")
    settings = settings_with(archive=archive)
    store = Store.open(bucket)

    def source(_: Archive) -> Source:
        blocks: BlockListing
        if clickhouse is not None:
            blocks = ClickHouseListing(
                clickhouse,
                project,
                user=clickhouse_user,
                password=settings["clickhouse_password"],
                database=clickhouse_database,
                allow_http=allow_http,
                timeout_s=settings["http_timeout_s"],
            )
        elif listing is not None:
            blocks = ListingFile(listing, team_id=project)
        else:
            folder = f"{V1_FOLDER}_lts" if lts else V1_FOLDER
            blocks = V1Folders(store, project, folder=folder)
        return PostHogBucketSource(
            store,
            blocks,
            project=project,
            max_recording_bytes=settings["max_recording_bytes"],
        )

    _run(
        source,
        archive,
        json=json,
        since_ms=time_option(since, "--since"),
        until_ms=time_option(until, "--until"),
        limit=limit,
        include_recent=recent,
        force=force,
    )


def _json_list(text: str | None, option: str) -> list[dict[str, Any]]:
    if text is None:
        return []
    try:
        value = jsonlib.loads(text)
    except ValueError as e:
        raise typer.BadParameter(f"not JSON: {e}", param_hint=option) from e
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
        raise typer.BadParameter("a JSON array of objects is needed", param_hint=option)
    return value


def _run(
    make_source: Callable[[Archive], Source], archive: str | None, *, json: bool, **wanted: Any
) -> None:
    report = Report()
    with ExitStack() as stack:
        target = stack.enter_context(open_archive(archive, create=True))
        source = make_source(target)
        close = getattr(source, "close", None)
        if close is not None:
            stack.callback(close)
        show = stack.enter_context(_PullBar(quiet=json))
        try:
            pull(source, target, report=report, on_progress=show, **wanted)
        except KeyboardInterrupt:
            show.stop()
            errors.print(
                f"stopped after {counted(len(report.written), 'recording')}. "
                "The same command continues from here."
            )
            raise
    print_report(report, as_json=json)


class _PullBar:
    """Shows a pull's progress, with the honest time left under the source's limits."""

    def __init__(self, *, quiet: bool) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[count]}"),
            BarColumn(),
            TextColumn("{task.fields[facts]}"),
            TimeElapsedColumn(),
            console=errors,
            transient=True,
            disable=quiet or not errors.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        self._task = self._progress.add_task("", total=None, count="listing", facts="")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the bar off the screen."""
        self._progress.stop()

    def __call__(self, progress: PullProgress) -> None:
        assert self._task is not None
        total = progress.total
        left = progress.time_left_s
        facts = [size(progress.received_bytes), f"{progress.recordings_per_s * 60:.1f}/min"]
        if left is not None:
            facts.append(f"{duration(int(left * 1000))} left at this plan's limits")
        self._progress.update(
            self._task,
            completed=progress.done,
            total=total,
            count=f"{progress.done}" + (f" of {total}" if total is not None else ""),
            facts=" · ".join(facts),
        )
