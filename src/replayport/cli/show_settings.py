"""``replayport settings``."""

from __future__ import annotations

import re
from typing import Any, Final

from rich.table import Table

from replayport.cli.common import JsonOption, console, print_json, settings_with, shown

_PASSWORD: Final = re.compile(r"(://[^/@\s]*?:)[^/\s]*@|([?&]password=)[^&\s]*")


def show_settings(json: JsonOption = False) -> None:
    """Print every setting with its value, unit, and where the value came from."""
    values = settings_with().values.values()
    rows = [
        {
            "name": v.setting.name,
            "value": ("(set)" if v.value else "")
            if v.setting.secret
            else _without_password(v.value),
            "unit": v.setting.unit,
            "origin": v.origin,
            "env": v.setting.env,
            "help": v.setting.help,
        }
        for v in values
    ]
    if json:
        print_json(rows)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("name", "value", "unit", "from", "what"):
        table.add_column(name, overflow="fold")
    for s in rows:
        table.add_row(s["name"], shown(s["value"]), s["unit"], shown(s["origin"]), shown(s["help"]))
    console.print(table)


def _without_password(value: Any) -> Any:
    """Hide the password in a URL."""
    if not isinstance(value, str):
        return value
    return _PASSWORD.sub(lambda m: f"{m[1]}***@" if m[1] else f"{m[2]}***", value)
