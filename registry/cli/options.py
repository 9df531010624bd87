"""Flags: one for each row of the settings that a command takes.

Owns how a row looks on the command line, and how given flags become settings. Which rows a command takes is up to
that command.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import click

from registry.settings import Row, Settings
from registry.settings.sources import settings_from


def option(row: Row) -> click.Option:
    """The flag of a row."""
    default = row.kind.shown(row.default)
    text = row.help + (f"  [{default}]" if default else "")
    if row.kind.metavar == "BOOLEAN":
        flags = f"{row.flag}/--no-{row.flag.removeprefix('--')}"
        return click.Option([flags], default=None, help=text)
    return click.Option([row.flag], multiple=True, metavar=row.kind.metavar, help=text)


def settings_of(given: Mapping[str, Any]) -> Settings:
    """The settings that follow from the given flags, the environment and the files.

    Raises:
        SettingsError: one of them cannot be used.
    """
    texts: dict[str, Sequence[str]] = {
        name: [str(value)] if isinstance(value, bool) else value for name, value in given.items()
    }
    return settings_from({name: value for name, value in texts.items() if value}, os.environ)
