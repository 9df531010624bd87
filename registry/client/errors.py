"""What goes wrong between a program and the registry.

Owns the tree of exceptions of this package. They are plain `Exception`s: the package knows nothing of the server's own.
"""


class ClientError(Exception):
    """Everything that this package raises on purpose."""


class ServerAway(ClientError):
    """No usable answer: no connection, none in time, a 5xx or 429, or what no registry says. Trying again can help."""


class Refused(ClientError):
    """The registry answered that it will not: a 4xx, or a redirect. Trying the same again does not help.

    Attributes:
        status: of HTTP. text: what the server said, shortened.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}" if text else str(status))
        self.status = status
        self.text = text


class NotReady(ClientError):
    """The time given to `wait_ready` is over; the message says what is missing, `last_error` why."""

    def __init__(self, message: str, last_error: ClientError | None = None) -> None:
        super().__init__(f"{message} ({last_error})" if last_error else message)
        self.last_error = last_error


class NoInstances(ClientError):
    """Nobody healthy is known who could be picked.

    Attributes:
        service: the name that was looked for.
    """

    def __init__(self, service: str, message: str) -> None:
        super().__init__(message)
        self.service = service


class NotLocked(ClientError):
    """The lock was somebody else's for as long as there was time to wait."""

    def __init__(self, key: str, seconds: float | None) -> None:
        super().__init__(f"{key} could not be locked within {seconds} s")
        self.key = key


class LockLost(ClientError):
    """A lock that was ours may be somebody else's now."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the lock {key} is lost")
        self.key = key
