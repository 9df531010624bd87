"""What the parent and its workers say to each other: messages, their bytes, and where one ends.

Owns the line's format: four bytes of length, then msgpack. Who says what when is `parent.py` and `link.py`.
"""

from msgspec import Struct
from msgspec.msgpack import Decoder, Encoder

from registry.errors import LogError, RegistryError, SettingsError

LARGEST_BYTES = 8 << 20  # of one message; a report of every endpoint is some 20 KiB
_LENGTH_BYTES = 4
_LONGEST_TEXT = 500  # characters of a failure

REPORT = "report"
RELOAD = "reload"


class Failure(Struct, frozen=True, array_like=True):
    """Why something could not be done, in one line; `setting` names the setting at fault, if one is."""

    text: str
    setting: str = ""

    @staticmethod
    def of(error: Exception) -> "Failure":
        """An error as a message; its length is bounded."""
        if isinstance(error, SettingsError):
            return Failure(error.problem[:_LONGEST_TEXT], error.setting[:_LONGEST_TEXT])
        return Failure(str(error)[:_LONGEST_TEXT])

    @property
    def error(self) -> RegistryError:
        """The error, to be raised again."""
        return SettingsError(self.setting, self.text) if self.setting else LogError(self.text)


class Ready(Struct, frozen=True, array_like=True, tag=True):
    """From a worker: it is listening."""


class Leave(Struct, frozen=True, array_like=True, tag=True):
    """From a worker: a client asks to stop the whole server."""


class Stop(Struct, frozen=True, array_like=True, tag=True):
    """From the parent: drain and end."""


class Ask(Struct, frozen=True, array_like=True, tag=True):
    """A question. From a worker: for all, with its `own` answer if it has one. From the parent: for this worker."""

    id: int
    what: str
    own: bytes = b""


class Answer(Struct, frozen=True, array_like=True, tag=True):
    """From a worker: its answer to a question of the parent."""

    id: int
    data: bytes = b""
    failure: Failure | None = None


class Told(Struct, frozen=True, array_like=True, tag=True):
    """From the parent: the result of a question that this worker has put to all.

    `answers` are those of the others, `past` what was last heard of those that are gone or `silent`.
    """

    id: int
    answers: tuple[bytes, ...] = ()
    past: tuple[bytes, ...] = ()
    silent: int = 0
    restarts: int = 0
    failure: Failure | None = None


class Watch(Struct, frozen=True, array_like=True, tag=True):
    """From a worker: the level its listeners want events from. From the parent: the level that others want from it."""

    level: int


class Said(Struct, frozen=True, array_like=True, tag=True):
    """An event on its way to listeners at other workers."""

    event: bytes


Message = Ready | Leave | Stop | Ask | Answer | Told | Watch | Said

_encoder = Encoder()
_decoder: Decoder[Message] = Decoder(Message)


def framed(message: Message) -> bytes:
    """The bytes of a message on the line."""
    body = _encoder.encode(message)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


class Frames:
    """The messages in a stream of bytes."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that end in these bytes.

        Raises:
            ValueError: this is not the line's format; nothing after it can be understood.
        """
        rest, found = self._rest, []
        rest += data
        while len(rest) >= _LENGTH_BYTES:
            size = int.from_bytes(rest[:_LENGTH_BYTES], "big")
            if size > LARGEST_BYTES:
                raise ValueError(f"a message of {size} bytes")
            if len(rest) < _LENGTH_BYTES + size:
                break
            found.append(_decoder.decode(rest[_LENGTH_BYTES : _LENGTH_BYTES + size]))
            del rest[: _LENGTH_BYTES + size]
        return found
