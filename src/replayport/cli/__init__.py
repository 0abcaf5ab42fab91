"""
The command line: one module a command, each a thin shell over the package.

Exit codes: 0 when all asked for was done, 1 when some of it failed (each named with
its reason), 2 for a wrong call, 130 after Ctrl-C, 143 when told to end (SIGTERM).
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from replayport import __version__
from replayport.cli import (
    audit,
    care,
    dataset,
    demo,
    erase,
    export,
    features,
    freeze,
    heatmap,
    import_,
    keys,
    listing,
    people,
    pull,
    redact,
    retention,
    score,
    serve,
    share,
    show_settings,
    signals,
    subject_access,
)
from replayport.cli.common import WrongCallError, errors, shown
from replayport.errors import ReplayError


class Terminated(KeyboardInterrupt):
    """SIGTERM, from a supervisor: as Ctrl-C, so that leases are let go and files closed."""


class _Commands(TyperGroup):
    """All commands; turns what they raise into one message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except ReplayError as e:
            errors.print(f"[red]error[/red] {shown(str(e))}", highlight=False)
            raise typer.Exit(2 if isinstance(e, WrongCallError) else 1) from e
        except KeyboardInterrupt as e:
            errors.print("stopped. What was done is kept; the same command continues.")
            raise typer.Exit(143 if isinstance(e, Terminated) else 130) from e
        except BrokenPipeError as e:
            # The reader of our output went away (`| head`): nothing is wrong. What is
            # still buffered must not fail again when the interpreter leaves.
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from e
        return result


app = typer.Typer(
    name="replayport",
    cls=_Commands,
    help=(
        "Own, play, share and analyse every session replay, from PostHog or straight "
        "from posthog-js."
    ),
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"replayport {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Own, play, share and analyse every session replay."""


app.command("demo", rich_help_panel="Start here")(demo.demo)
app.command("serve", rich_help_panel="Start here")(serve.serve)
app.add_typer(pull.app, name="pull", rich_help_panel="Gather")
app.command("import", rich_help_panel="Gather")(import_.import_files)
app.command("list", rich_help_panel="Look")(listing.list_recordings)
app.command("show", rich_help_panel="Look")(listing.show)
app.add_typer(share.app, name="share", rich_help_panel="Take out")
app.command("signals", rich_help_panel="Understand")(signals.signals)
app.command("features", rich_help_panel="Understand")(features.features)
app.command("heatmap", rich_help_panel="Understand")(heatmap.heatmap)
app.command("score", rich_help_panel="Understand")(score.score)
app.command("train", rich_help_panel="Understand")(score.train_model)
app.command("export", rich_help_panel="Take out")(export.export_recording)
app.command("dataset", rich_help_panel="Take out")(dataset.dataset)
app.command("freeze", rich_help_panel="Care")(freeze.freeze)
app.command("verify", rich_help_panel="Care")(care.verify)
app.command("reindex", rich_help_panel="Care")(care.reindex)
app.command("compact", rich_help_panel="Care")(care.compact)
app.command("erase", rich_help_panel="Privacy")(erase.erase)
app.add_typer(retention.app, name="retention", rich_help_panel="Privacy")
app.command("subject-access", rich_help_panel="Privacy")(subject_access.subject_access)
app.add_typer(
    keys.app, name="keys", rich_help_panel="Privacy", help="The key ring of an encrypted archive."
)
app.command("redact", rich_help_panel="Privacy")(redact.redact)
app.add_typer(audit.app, name="audit", rich_help_panel="Privacy")
app.command("invite", rich_help_panel="Care")(people.invite)
app.command("token", rich_help_panel="Care")(people.token)
app.command("settings", rich_help_panel="Care")(show_settings.show_settings)


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGTERM, _terminate)
    app()


def _terminate(*_: object) -> NoReturn:
    raise Terminated
