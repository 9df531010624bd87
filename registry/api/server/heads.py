"""Heads of requests that were parsed before, so that the same bytes need not be parsed again.

Clients of a registry repeat themselves: a sign of life is the same request every few seconds, and so is the head of a
write whose body alone changes. Equal bytes have an equal meaning. What a request is answered with is
`api/repeats.py`.
"""

from typing import Generic, TypeVar

Message = TypeVar("Message")  # what the parser makes of a head; nobody changes it

END = b"\r\n\r\n"
_LONGEST_BYTES = 1024  # heads of programs are shorter; browsers, whose heads are not, repeat little
_MOST_HEADS = 4096  # each takes 1 to 3 kB with what was made of it


class KnownHeads(Generic[Message]):
    """Heads with the length of the body that they announce. When there are too many, all are forgotten at once."""

    def __init__(self) -> None:
        self._heads = dict[bytes, tuple[Message, int]]()

    def find(self, data: bytes) -> tuple[Message, bytes] | None:
        """Head and body, where these bytes are one whole request and its head is known; else None."""
        end = data.find(END) + len(END)
        known = self._heads.get(data[:end])
        if known is None or len(data) - end != known[1]:
            return None
        return known[0], data[end:]

    def note(self, head: bytes, body_bytes: int, message: Message) -> None:
        """Know a head again, to its blank line, that announces a body of this length and nothing else."""
        if len(head) <= _LONGEST_BYTES:
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            self._heads[head] = message, body_bytes
