"""Manners: what is shown while something goes on, and a file that is there whole or not at all."""

import io
import os
import stat
from pathlib import Path

import pytest

from registry.archive import files
from registry.archive.talk import Talk


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_is_told_at_most_four_times_a_second() -> None:
    shown, now = Terminal(), [100.0]
    talk = Talk(io.StringIO(), shown, lambda: now[0])
    for step in range(1, 101):
        now[0] += 0.01
        talk.progress("writing", step * 1_000_000, 100_000_000, "bytes")
    talk.done("done")
    lines = shown.getvalue().split("\r\x1b[K")[1:]
    assert 3 <= len(lines) - 1 <= 5
    assert lines[0] == "writing: 1 % (1.0 of 100.0 MB)"
    assert lines[-1] == "done\n"


def test_elsewhere_there_is_the_last_line_only() -> None:
    shown, results = io.StringIO(), io.StringIO()
    talk = Talk(results, shown, lambda: 0.0)
    talk.progress("writing", 1, 2)
    talk.done("done")
    talk.results([("index", 7)])
    assert shown.getvalue() == "done\n"
    assert results.getvalue() == "index      7\n"


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "backup.tgz"
    path.write_bytes(b"older")
    with files.created(str(path)) as file:
        file.write(b"newer")
        file.flush()
        assert path.read_bytes() == b"older"
    assert path.read_bytes() == b"newer"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["backup.tgz"]


def test_what_fails_half_way_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "backup.tgz"
    path.write_bytes(b"older")

    def fail() -> None:
        with files.created(str(path)) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == b"older"
    assert os.listdir(tmp_path) == ["backup.tgz"]


def test_nobody_else_reads_it_while_it_is_written(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with files.created(str(tmp_path / "backup.tgz")):
            (partial,) = tmp_path.iterdir()
            assert stat.S_IMODE(partial.stat().st_mode) == 0o600
    finally:
        os.umask(old)
