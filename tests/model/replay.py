"""A process that replays recorded histories and prints the digest of each: what another hash seed makes of them.

Run with the path of a file that `recorded` filled.
"""

import sys
from pathlib import Path

import msgspec

from registry.commands.codec import decoded, encoded
from registry.state.snapshot import digest
from tests.model.histories import History, lived


def recorded(histories: list[History]) -> bytes:
    """Histories as one file: lists of encoded commands."""
    return msgspec.msgpack.encode([[encoded(command) for command in history] for history in histories])


def main(path: Path) -> None:
    for history in msgspec.msgpack.decode(path.read_bytes(), type=list[list[bytes]]):
        print(digest(lived(decoded(payload) for payload in history)[0]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
