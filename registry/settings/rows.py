"""What a setting is: a row of the table, and what else configuration files and the environment may hold.

A row gives name, default, kind, help line, further environment variables and Consul's keys; its flag, environment
variable, file key and documentation follow from that. The rows themselves are `settings/table.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from registry.settings import kinds

T = TypeVar("T")

LISTENING = "Listening"
IDENTITY = "Identity"
STORE = "Store"
READS = "Reads"
CHECKS = "Checks"
HTTP = "HTTP"
LIMITS = "Limits"
AGENTS = "Agents"
OPERATION = "Operation"
FILES = "Files"


@dataclass(frozen=True)
class Row:
    """What is known of one setting besides its type.

    `more_variables` are names of ours in addition to `REGISTRY_<NAME>`; `aliases` are names that other programs
    use. `consul` are the keys of Consul's agent configuration with this meaning; the first one that is set counts.
    """

    name: str
    group: str
    kind: kinds.Kind[Any]
    help: str
    default: Any
    more_variables: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    consul: tuple[str, ...] = ()
    reloadable: bool = False
    in_files: bool = True
    secret: bool = False  # its value may hold a password: it is shown masked only

    @property
    def flag(self) -> str:
        """The flag of `registry serve`."""
        return "--" + self.name.replace("_", "-")

    @property
    def variables(self) -> tuple[str, ...]:
        """Our environment variables for it; the first one that is set counts."""
        return (f"REGISTRY_{self.name.upper()}", *self.more_variables)


@dataclass(frozen=True)
class Definition:
    """A service or check as it is written in a configuration file.

    Its keys are Consul's, in either of their spellings; the Consul dialect decodes them.
    """

    file: str
    kind: Literal["service", "check"]
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Notice:
    """Something to tell the operator as soon as there is a log to write to."""

    level: Literal["info", "warning"]
    event: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Sources:
    """Where settings were read from, so that they can be read again."""

    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


def row(group: str, default: T, kind: kinds.Kind[T], text: str, **more: Any) -> T:
    """One setting: a field of `Settings` that carries its `Row`."""
    known = {"group": group, "kind": kind, "help": text, "default": default, **more}
    made: T = field(default_factory=lambda: default, metadata=known, repr=not more.get("secret"))
    return made
