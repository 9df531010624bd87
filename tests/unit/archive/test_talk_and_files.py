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


def test_what_a_link_leads_to_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "newest.tgz").symlink_to("there/monday.tgz")
    for content in (b"first", b"second"):
        with files.created(str(tmp_path / "newest.tgz")) as file:
            file.write(content)
        assert (tmp_path / "newest.tgz").is_symlink()
        assert (tmp_path / "there" / "monday.tgz").read_bytes() == content
    assert os.listdir(tmp_path / "there") == ["monday.tgz"]


def test_a_pipe_takes_what_is_written_and_stays_one(tmp_path: Path) -> None:
    """So does a device: /dev/null must never become a file."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with files.created(str(path)) as file:
        file.write(b"through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


def test_where_others_may_write_nothing_of_theirs_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that could be foreseen could be made first, as a link to a file of somebody's."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"theirs")
    names = iter(["foreseen", "other"])
    monkeypatch.setattr(files.tempfile, "_get_candidate_names", lambda: names)
    (tmp_path / ".backup.tgz.foreseen.partial").symlink_to(victim)
    with files.created(str(tmp_path / "backup.tgz")) as file:
        file.write(b"ours")
    assert victim.read_bytes() == b"theirs"
    assert (tmp_path / "backup.tgz").read_bytes() == b"ours"
    assert not (tmp_path / "backup.tgz").is_symlink()
