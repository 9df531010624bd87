"""How to take back what a command has done so far, for commands of several steps.

Owns the list of steps back. While none is open, tables write nothing down.
"""

from collections.abc import Callable


class Journal:
    """Steps back in the order of the steps they undo; `open` while a command wants to be able to go back."""

    __slots__ = ("_back", "open")

    def __init__(self) -> None:
        self.open = False
        self._back: list[Callable[[], object]] = []

    def begin(self) -> None:
        """From now on every step is written down."""
        self.open = True
        self._back.clear()

    def note(self, back: Callable[[], object]) -> None:
        """The way back from a step that is about to be taken, or has just been."""
        if self.open:
            self._back.append(back)

    def keep(self) -> None:
        """What was done stays."""
        self.open = False
        self._back.clear()

    def undo(self) -> None:
        """Go back, last step first."""
        self.open = False
        while self._back:
            self._back.pop()()
