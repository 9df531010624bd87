"""Lines on their way to a file: rotated away, cut by a full disk, and written by others at the same time."""

import errno
import io
import os
import threading
from pathlib import Path

import pytest

from registry.events.file import AppendedFile
from registry.events.output import Output


class Disk(io.StringIO):
    """A stream on a disk that is full for as long as the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.full = False
        self.refused = threading.Event()

    def write(self, text: str) -> int:
        if self.full:
            self.refused.set()
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


def test_lines_before_a_rotation_are_in_the_old_file_and_lines_after_it_in_the_new(tmp_path: Path) -> None:
    path, moved = tmp_path / "access.log", tmp_path / "access.log.1"
    file = AppendedFile(str(path))
    output = Output(file)
    output.write("before\n")
    output.between(lambda: path.rename(moved))
    output.write("moved away, not told yet\n")
    output.between(file.reopen)
    output.write("after\n")
    output.close()
    file.close()

    assert moved.read_text() == "before\nmoved away, not told yet\n"
    assert path.read_text() == "after\n"


def test_a_file_that_cannot_be_opened_again_is_written_on(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    file = AppendedFile(str(folder / "a.log"))
    moved = folder.rename(tmp_path / "gone")
    with pytest.raises(FileNotFoundError):
        file.reopen()
    file.write("still there\n")
    file.close()

    assert (moved / "a.log").read_text() == "still there\n"


def test_what_is_in_the_file_stays_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("of yesterday\n")
    one, other = AppendedFile(str(path)), AppendedFile(str(path))
    one.write("first\n")
    other.write("second\n")
    one.write("third\n")
    one.close()
    other.close()
    made = AppendedFile(str(tmp_path / "new.log"))
    made.close()

    assert path.read_text() == "of yesterday\nfirst\nsecond\nthird\n"
    assert (tmp_path / "new.log").stat().st_mode & 0o007 == 0


def test_a_line_of_which_a_full_disk_took_a_part_does_not_spoil_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, write = AppendedFile(str(tmp_path / "a.log")), os.write
    taken = iter([5])

    def nearly_full(descriptor: int, data: bytes) -> int:
        if (size := next(taken, None)) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:size])

    monkeypatch.setattr("os.write", nearly_full)
    with pytest.raises(OSError, match="No space"):
        file.write("first line\n")
    monkeypatch.undo()
    file.write("second line\n")
    file.close()

    assert (tmp_path / "a.log").read_text() == "first\nsecond line\n"


def test_a_full_disk_costs_lines_until_it_is_emptied() -> None:
    disk = Disk()
    output = Output(disk)
    disk.full = True
    output.write("lost\n")
    assert disk.refused.wait(5)
    disk.full = False
    output.write("kept\n")
    output.close()

    assert disk.getvalue() == "kept\n(1 log lines were lost: they could not be written)\n"


def test_who_is_told_of_lost_lines_words_it() -> None:
    disk, lost = Disk(), list[int]()

    def tell(count: int) -> str:
        lost.append(count)
        return ""

    output = Output(disk, lost=tell)
    disk.full = True
    output.write("lost\n")
    assert disk.refused.wait(5)
    disk.full = False
    output.write("kept\n")
    output.close()

    assert (disk.getvalue(), lost) == ("kept\n", [1])
