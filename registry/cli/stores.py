"""The commands that work on a store: backup, restore, verify and repair.

Owns their flags, their help and the question before something is replaced. The work is `registry/archive`'s, which
is imported only to do it.
"""

import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from registry.cli.options import option, settings_of
from registry.errors import SettingsError
from registry.settings import ROWS

if TYPE_CHECKING:
    from registry.archive.run import Store
    from registry.archive.talk import Talk

# What says which store it is; serve has the same flags, and all the others come from the environment or a file.
_WHICH = ("store", "store_password_file", "data_dir", "config_file", "config_dir")
_STREAM = "-"

BACKUP = """Write all that a store holds to FILE (- is standard output).

The server may go on: of a SQLite store one moment is read beside it, of Redis what was stored when the command
began. The file appears under its name only when it is complete, readable for its owner alone. It holds who the
server is, all nodes, services and checks, and their indexes; it is a gzip'd tar with the checksums of its content.
"""
RESTORE = """Replace all that a store holds by what is in FILE (- is standard input).

The file is read and checked as a whole before anything is changed. A SQLite store must not be in use: stop the
server first. Redis is restored under its running servers, which take up the new state at once. The server is from
then on the one that the file was made of: its node, its id. Indexes go on beyond all that were used.

Before something is replaced the command asks; where it cannot ask, it wants --yes.
"""
VERIFY = """Read all of a store, check it, and replay it.

Each record and each part of the snapshot is checked, then a state is made of them as a server does at its start.
Nothing is changed, and servers may go on. Prints what there is: exit code 0 when all is well, 1 when not. Two stores
with the same digest hold the same.
"""
REPAIR = """Let every server pass over one entry of the log.

For an entry that stops each server that reads it ("entry N of the log cannot be applied", "record N of the log"):
what it would have changed is lost. Make a copy of the store first. A SQLite store must not be in use; Redis' servers
may run. An entry that the newest snapshot has taken in cannot be passed over.
"""


def commands() -> list[click.Command]:
    """All four."""
    file = click.Argument(["file"], metavar="FILE")
    yes = click.Option(["--yes", "-y"], is_flag=True, help="Do not ask before what is stored is replaced.")
    skip = click.Option(
        ["--skip"], type=click.IntRange(min=1), required=True, metavar="INDEX", help="The entry to pass over."
    )
    return [
        click.Command("backup", callback=_backup, params=[file, *_which()], help=BACKUP),
        click.Command("restore", callback=_restore, params=[file, yes, *_which()], help=RESTORE),
        click.Command("verify", callback=_verify, params=_which(), help=VERIFY),
        click.Command("repair", callback=_repair, params=[skip, *_which()], help=REPAIR),
    ]


def _which() -> list[click.Parameter]:
    return [option(ROWS[name]) for name in _WHICH]


def _backup(file: str, **given: Any) -> int:
    from registry.archive.run import backup

    if file == _STREAM and sys.stdout.isatty():
        raise click.UsageError("a backup is not written to a terminal: name a file")
    return backup(_store(given), file, _talk(file))


def _restore(file: str, yes: bool, **given: Any) -> int:
    from registry.archive.run import restore

    def agreed(question: str) -> bool:
        if yes:
            return True
        if file == _STREAM or not sys.stdin.isatty():
            raise click.UsageError(f"{question}: say --yes")
        return click.confirm(f"{question}. Go on?", err=True)

    return restore(_store(given), file, _talk(), agreed=agreed)


def _verify(**given: Any) -> int:
    from registry.archive.run import verify

    return verify(_store(given), _talk())


def _repair(skip: int, **given: Any) -> int:
    from registry.archive.run import repair

    return repair(_store(given), skip, _talk())


def _store(given: dict[str, Any]) -> "Store":
    from registry.archive.run import Store

    # told to end it ends as from the keyboard: what it had begun to write is removed
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = settings_of(given)
    if settings.store_url == "memory:":
        raise SettingsError("store", "memory: holds nothing outside of the server's process; name a store that lasts")
    return Store(settings.store_url, settings.shown_store_url)


def _talk(file: str = "") -> "Talk":
    """Results go where the backup does not."""
    from registry.archive.talk import Talk

    return Talk(sys.stderr if file == _STREAM else sys.stdout, sys.stderr, time.monotonic)
