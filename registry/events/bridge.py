"""Events on their way between the processes of one server.

Owns the level from which other processes listen, and the bytes of an event. How these travel is `supervisor/`.
"""

from collections.abc import Callable

import msgspec

from registry.events.record import ERROR, Event

NOBODY = ERROR + 1  # the level of a listener that hears nothing


class Bridge:
    """The other processes as one server's `Events` sees them: listeners whose level may change."""

    def __init__(self, send: Callable[[bytes], None], wanted: Callable[[int], None]) -> None:
        """Args:
        send: takes the bytes of an event; called on any thread, must not block.
        wanted: called with the least level that listeners of this process want, whenever it changes.
        """
        self.level = NOBODY
        self._send = send
        self._wanted = wanted
        self._told = NOBODY

    def offer(self, event: Event) -> None:
        """Send an event of this process to the others."""
        self._send(encoded(event))

    def note(self, level: int) -> None:
        """Note that listeners of this process want events from `level` on."""
        if level != self._told:
            self._told = level
            self._wanted(level)


def encoded(event: Event) -> bytes:
    """The bytes of an event; values that msgpack does not know become their text."""
    return _encoder.encode(event)


def decoded(data: bytes) -> Event:
    """The event in these bytes.

    Raises:
        ValueError: they are not an event.
    """
    return _decoder.decode(data)


_encoder = msgspec.msgpack.Encoder(enc_hook=str)
_decoder = msgspec.msgpack.Decoder(Event)
