"""``replayport settings``."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from replayport.cli.common import JsonOption, console, print_json, settings_with


def show_settings(json: JsonOption = False) -> None:
    """Print every setting with its value, unit, and where the value came from."""
    values = settings_with().values.values()
    shown = [
        {
            "name": v.setting.name,
            "value": ("(set)" if v.value else "") if v.setting.secret else v.value,
            "unit": v.setting.unit,
            "origin": v.origin,
            "env": v.setting.env,
            "help": v.setting.help,
        }
        for v in values
    ]
    if json:
        print_json(shown)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("name", "value", "unit", "from", "what"):
        table.add_column(name, overflow="fold")
    for s in shown:
        table.add_row(
            s["name"], escape(str(s["value"])), s["unit"], escape(s["origin"]), escape(s["help"])
        )
    console.print(table)
