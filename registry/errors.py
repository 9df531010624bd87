"""The error tree of the registry.

Owns the classes and their default HTTP statuses. It does not own sentences: an error carries a reason
code and its values, and each dialect words them in its own table (`api/dialects/<name>/errors.py`).
"""


class RegistryError(Exception):
    """Everything the registry raises on purpose."""


class RequestError(RegistryError):
    """The caller's fault. `reason` names the rule, `values` what the dialect needs to word it."""

    status = 400

    def __init__(self, reason: str, **values: object) -> None:
        super().__init__(reason, values)
        self.reason = reason
        self.values = values

    def __str__(self) -> str:
        return f"{self.reason} {self.values}" if self.values else self.reason


class InvalidRequest(RequestError):
    """A field, parameter or body that cannot be accepted."""

    status = 400


class PermissionDenied(RequestError):
    """The caller may not do this."""

    status = 403


class NotFound(RequestError):
    """What the request names does not exist."""

    status = 404


class Conflict(RequestError):
    """A check-and-set was lost, or a name belongs to somebody else."""

    status = 409


class TooLarge(RequestError):
    """A name, body or value over its limit; `limit` is among the values, in the unit that `reason` implies."""

    status = 413


class TooManyRequests(RequestError):
    """A limit of concurrency or rate; the values name the setting that raises it."""

    status = 429


class LogError(RegistryError):
    """The log could not do its work: ours or the disk's fault, never the caller's."""


class LogUnavailable(LogError):
    """The write was not stored, or (`unknown`) whether it was stored cannot be told.

    Raised to the caller as 503. With `unknown` false nothing was changed and the write can be
    repeated; with `unknown` true it may still have happened.
    """

    status = 503

    def __init__(self, reason: str, *, unknown: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.unknown = unknown


class LogCorrupt(LogError):
    """What is stored cannot be read back; the process must not go on.

    The message names the record and the command that repairs it.
    """


class LogTooNew(LogCorrupt):
    """It was written for a newer program; nothing is to be repaired."""


class ArchiveDamaged(RegistryError):
    """A backup that cannot be read: cut off, changed, or not ours. Nothing was done with it."""


class LogLocked(LogError):
    """Another process holds the store."""


class SettingsError(RegistryError):
    """A setting that cannot be used: start-up only, one line, exit code 2."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(f"{setting}: {problem}")
        self.setting = setting
        self.problem = problem
