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
from importlib import import_module
from typing import Any, NamedTuple, NoReturn

import typer
from typer.core import TyperGroup

from replayport import __version__
from replayport.cli.common import WrongCallError, errors, shown
from replayport.errors import ReplayError


class _Command(NamedTuple):
    panel: str
    place: str
    """Module below this package and name in it: a function, or a Typer app of several."""


# By name, so that a command pays for the import of its own module only (all of them
# together are seconds).
COMMANDS = {
    "demo": _Command("Start here", "demo:demo"),
    "serve": _Command("Start here", "serve:serve"),
    "pull": _Command("Gather", "pull:app"),
    "import": _Command("Gather", "import_:import_files"),
    "list": _Command("Look", "listing:list_recordings"),
    "show": _Command("Look", "listing:show"),
    "share": _Command("Take out", "share:app"),
    "sql": _Command("Look", "sql:sql"),
    "signals": _Command("Understand", "signals:signals"),
    "features": _Command("Understand", "features:features"),
    "heatmap": _Command("Understand", "heatmap:heatmap"),
    "score": _Command("Understand", "score:score"),
    "train": _Command("Understand", "score:train_model"),
    "export": _Command("Take out", "export:export_recording"),
    "dataset": _Command("Take out", "dataset:dataset"),
    "freeze": _Command("Care", "freeze:freeze"),
    "verify": _Command("Care", "care:verify"),
    "reindex": _Command("Care", "care:reindex"),
    "compact": _Command("Care", "care:compact"),
    "erase": _Command("Privacy", "erase:erase"),
    "retention": _Command("Privacy", "retention:app"),
    "subject-access": _Command("Privacy", "subject_access:subject_access"),
    "keys": _Command("Privacy", "keys:app"),
    "redact": _Command("Privacy", "redact:redact"),
    "audit": _Command("Privacy", "audit:app"),
    "invite": _Command("Care", "people:invite"),
    "token": _Command("Care", "people:token"),
    "settings": _Command("Care", "show_settings:show_settings"),
}


class Terminated(KeyboardInterrupt):
    """SIGTERM, from a supervisor: as Ctrl-C, so that leases are let go and files closed."""


class _Commands(TyperGroup):
    """All commands, loaded when asked for; turns what they raise into a message and an exit code."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Click passes it
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        # A wrong name is compared with all there are, to say which was meant.
        for name in [cmd_name] if cmd_name in COMMANDS else COMMANDS:
            if name not in self.commands:
                self.add_command(_loaded(name))
        return super().get_command(ctx, cmd_name)

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


def _loaded(name: str) -> Any:
    panel, place = COMMANDS[name]
    module, _, attribute = place.partition(":")
    target = getattr(import_module(f"{__name__}.{module}"), attribute)
    # Typer makes Click commands of a whole app only: of one that holds this and another.
    holder = typer.Typer(rich_markup_mode="markdown", pretty_exceptions_enable=False)
    holder.callback()(lambda: None)
    if isinstance(target, typer.Typer):
        holder.add_typer(target, name=name, rich_help_panel=panel)
    else:
        holder.command(name, rich_help_panel=panel)(target)
    group: Any = typer.main.get_command(holder)
    return group.commands[name]


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


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGTERM, _terminate)
    app()


def _terminate(*_: object) -> NoReturn:
    raise Terminated
