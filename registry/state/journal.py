"""How to undo what a command has done so far, for commands of several steps.

Owns the list of undo steps. While it is not open, tables note nothing.
"""

from collections.abc import Callable


class Journal:
    """Undo steps in the order of the changes they undo; `open` while a command may have to be undone."""

    __slots__ = ("_back", "open")

    def __init__(self) -> None:
        self.open = False
        self._back: list[Callable[[], object]] = []

    def begin(self) -> None:
        """Note every step from now on."""
        self.open = True
        self._back.clear()

    def note(self, back: Callable[[], object]) -> None:
        """Note how to undo a step that is about to be taken, or has just been."""
        if self.open:
            self._back.append(back)

    def keep(self) -> None:
        """Keep what was done."""
        self.open = False
        self._back.clear()

    def undo(self) -> None:
        """Undo everything, the last step first."""
        self.open = False
        while self._back:
            self._back.pop()()
