"""The parent's end of the line to one worker: it never waits, and keeps a bounded amount for who does not read."""

import socket

from registry.supervisor.messages import LARGEST_BYTES, Frames, Message, Said, framed

_READ_BYTES = 256 << 10
_EVENTS_BYTES = 256 << 10  # waiting for a worker that does not read: from here on it loses events
_WAITING_BYTES = 2 * LARGEST_BYTES  # and from here on everything


class Channel:
    """One end of a socket pair, without blocking."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self.socket = end
        self._frames = Frames()
        self._waiting = bytearray()

    @property
    def waits(self) -> bool:
        """Whether there is something to `flush`."""
        return bool(self._waiting)

    def send(self, message: Message) -> None:
        """Send now, or keep it until the worker reads on."""
        limit = _EVENTS_BYTES if isinstance(message, Said) else _WAITING_BYTES
        if len(self._waiting) < limit:
            self._waiting += framed(message)
            self.flush()

    def flush(self) -> None:
        """Send what the socket takes of what waits."""
        try:
            while self._waiting:
                del self._waiting[: self.socket.send(self._waiting)]
        except BlockingIOError:
            return
        except OSError:  # the worker is gone, as its exit code will say
            self._waiting.clear()

    def received(self) -> list[Message] | None:
        """The messages that have come since; None at the end of the line.

        Raises:
            ValueError: the worker talks nonsense.
        """
        try:
            data = self.socket.recv(_READ_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            return None
        return self._frames.feed(data) if data else None

    def close(self) -> None:
        """Let go of the socket."""
        self.socket.close()
