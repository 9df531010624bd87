"""A server process that is killed and started again on the same data directory.

Owns where its store is. The process itself is `tests/processes.py`; which moment is the right one to kill it is
`blows.py`.
"""

from pathlib import Path

from tests.processes import ServerProcess


class Process(ServerProcess):
    """`registry serve` with a durable store in `folder`."""

    def __init__(self, folder: Path, *flags: str) -> None:
        super().__init__("--data-dir", str(folder), *flags)
        self.folder = folder

    @property
    def holds_store(self) -> bool:
        """Whether the process has got as far as taking its store: it has written its id into the lock."""
        lock = self.folder / "lock"
        return self.pid != 0 and lock.exists() and lock.read_text().strip() == str(self.pid)

    @property
    def database(self) -> Path:
        """The file that everything is in."""
        return self.folder / "registry.db"
