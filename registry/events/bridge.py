"""Events on their way between the processes of one server.

Owns which level somebody elsewhere listens from and the bytes of an event. How they travel is not its business.
"""

from collections.abc import Callable

import msgspec

from registry.events.record import ERROR, Event

NOBODY = ERROR + 1  # the level from which on nothing is heard


class Bridge:
    """The other processes, as one server's `Events` see them: they hear, and what they listen from changes."""

    def __init__(self, send: Callable[[bytes], None], wanted: Callable[[int], None]) -> None:
        """Args:
        send: takes the bytes of an event; called on any thread, must not block.
        wanted: told the least level that listeners of this process want, whenever it changes.
        """
        self.level = NOBODY
        self._send = send
        self._wanted = wanted
        self._told = NOBODY

    def offer(self, event: Event) -> None:
        """Take an event of this process to the others."""
        self._send(encoded(event))

    def note(self, level: int) -> None:
        """Listeners of this process want events from `level` on."""
        if level != self._told:
            self._told = level
            self._wanted(level)


def encoded(event: Event) -> bytes:
    """The bytes of an event; values that msgpack does not know become their text."""
    return _encoder.encode(event)


def decoded(data: bytes) -> Event:
    """The event of these bytes.

    Raises:
        ValueError: they are none.
    """
    return _decoder.decode(data)


_encoder = msgspec.msgpack.Encoder(enc_hook=str)
_decoder = msgspec.msgpack.Decoder(Event)
