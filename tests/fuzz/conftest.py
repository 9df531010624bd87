"""What the fuzz tests share."""

from collections.abc import Callable

import pytest

Show = Callable[[str], None]


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Show:
    """Prints a line past pytest's capture: the figures of a run."""

    def show_line(text: str) -> None:
        with capsys.disabled():
            print(f"\n  {text}")

    return show_line
