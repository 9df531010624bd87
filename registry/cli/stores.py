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

# The rows that say which store is meant. All other settings come from the environment or a file.
_WHICH = ("store", "store_password_file", "data_dir", "config_file", "config_dir")
_STREAM = "-"

BACKUP = """Write everything that a store holds to FILE (- is standard output).

The server may keep running: a SQLite store is read as of one moment, Redis as of the start of the command. The file
appears under its name only when it is complete, and only its owner can read it. It holds the identity of the server
and everything that it keeps, from nodes to keys, with their indexes; it is a gzip'd tar with the checksums of its
content.
"""
RESTORE = """Replace everything that a store holds by what is in FILE (- is standard input).

The file is read and checked as a whole before anything is changed. A SQLite store must not be in use: stop the
server first. Redis is restored while its servers run; they take up the new state at once. From then on the server
has the identity in the file: its node and its id. Indexes continue above all that were used before.

The command asks before it replaces anything; where it cannot ask, it requires --yes.
"""
VERIFY = """Read a whole store, check it, and replay it.

Each record and each part of the snapshot is checked; then they are replayed into a state, as a server does when it
starts. Nothing is changed, and servers may keep running. Prints what there is; the exit code is 0 if all is well and
1 if not. Two stores with the same digest hold the same state.
"""
REPAIR = """Make every server pass over one entry of the log.

Meant for an entry that stops every server that reads it ("entry N of the log cannot be applied", "record N of the
log"). What it would have changed is lost, so make a copy of the store first. A SQLite store must not be in use; the
servers of a Redis store may run. An entry that the newest snapshot already includes cannot be passed over.
"""


def commands() -> list[click.Command]:
    """The four commands that work on a store."""
    file = click.Argument(["file"], metavar="FILE")
    yes = click.Option(["--yes", "-y"], is_flag=True, help="Replace what is stored without asking.")
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

    # SIGTERM ends the command as Ctrl-C does, so that what it has begun to write is removed
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = settings_of(given)
    if settings.store_url == "memory:":
        raise SettingsError("store", "memory: holds nothing outside of the server's process; name a store that lasts")
    return Store(settings.store_url, settings.shown_store_url)


def _talk(file: str = "") -> "Talk":
    """Print results to stdout, or to stderr if the backup goes to stdout."""
    from registry.archive.talk import Talk

    return Talk(sys.stderr if file == _STREAM else sys.stdout, sys.stderr, time.monotonic)
