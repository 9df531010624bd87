"""Configuration files: our TOML and Consul's agent configuration in JSON, read into values of settings.

Owns which files are read, in which order, and how two files that set the same thing are put together: the
later one wins, tables are merged key by key and lists joined (Consul's rule). What a Consul key means is
`settings/consul.py`, what stands above files is `settings/sources.py`.
"""

import difflib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from registry.errors import SettingsError
from registry.settings.rows import Definition, Row
from registry.settings.table import ROWS

DEFINITIONS: dict[str, Literal["service", "check"]] = {
    "service": "service", "services": "service", "check": "check", "checks": "check",
}  # fmt: skip


class Value(NamedTuple):
    """The value of one setting; of two keys that mean it the one with the lower `rank` counts."""

    value: Any
    rank: int


@dataclass
class Contents:
    """What the files say together. `unhonoured` are the keys nothing here acts on, each with its file."""

    values: dict[str, Value] = field(default_factory=dict)
    definitions: list[Definition] = field(default_factory=list)
    unhonoured: list[str] = field(default_factory=list)

    def set(self, row: Row, raw: Any, where: str, rank: int = 0) -> None:
        """Take a decoded value of a file; an empty text is as if the key were not there.

        Raises:
            SettingsError: the value cannot be used; names `where`, the file and its key.
        """
        if raw == "":
            return
        try:
            value = row.kind.from_file(raw)
        except ValueError as problem:
            raise SettingsError(where, str(problem)) from None
        known = self.values.get(row.name)
        if known is not None and known.rank < rank:
            return
        if known is not None and known.rank == rank and row.kind.repeatable:
            value = {**known.value, **value} if isinstance(value, Mapping) else known.value + value
        self.values[row.name] = Value(value, rank)

    def define(self, key: str, raw: Any, file: str) -> None:
        """Take the services or checks that stand under one of the keys of `DEFINITIONS`."""
        bodies = raw if isinstance(raw, list) else [raw]
        for body in bodies:
            if not isinstance(body, dict):
                raise SettingsError(f"{file}: {key}", "is not a definition (a table of its fields)")
            self.definitions.append(Definition(file, DEFINITIONS[key], body))


def take_ours(keys: Mapping[str, Any], path: str, found: Contents) -> None:
    """Add what one file with our keys says to `found`.

    Raises:
        SettingsError: a key that is no setting, or a value that cannot be used.
    """
    for key, raw in keys.items():
        if key in DEFINITIONS:
            found.define(key, raw, path)
        elif key in ROWS and ROWS[key].in_files:
            found.set(ROWS[key], raw, f"{path}: {key}")
        else:
            near = difflib.get_close_matches(key, ROWS, 1)
            raise SettingsError(f"{path}: {key}", "is not a setting" + (f"; did you mean {near[0]}?" if near else ""))


def paths(files: Sequence[str], directories: Sequence[str]) -> Iterator[str]:
    """The files to read, in order: those named, then those of each directory by name.

    Raises:
        SettingsError: a directory cannot be read.
    """
    yield from files
    for directory in directories:
        try:
            names = sorted(os.listdir(directory))
        except OSError as problem:
            raise SettingsError(directory, f"cannot be read: {problem.strerror}") from None
        for name in names:
            path = os.path.join(directory, name)
            if name.endswith((".toml", ".json", ".hcl")) and not os.path.isdir(path):
                yield path


def document(path: str) -> dict[str, Any]:
    """The decoded top level of one file; an empty file is an empty document.

    Raises:
        SettingsError: it cannot be read or decoded, or is of another kind than .toml and .json.
    """
    if path.endswith(".hcl"):
        raise SettingsError(path, "HCL is not read; write it as JSON with the same keys, or as TOML with ours")
    if not path.endswith((".toml", ".json")):
        raise SettingsError(path, "is neither .toml nor .json")
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
        if not text.strip():
            return {}
        decoded = json.loads(text) if path.endswith(".json") else tomllib.loads(text)
    except OSError as problem:
        raise SettingsError(path, f"cannot be read: {problem.strerror}") from None
    except (ValueError, RecursionError) as problem:
        raise SettingsError(path, f"cannot be decoded: {problem}") from None
    if not isinstance(decoded, dict):
        raise SettingsError(path, "does not hold an object")
    return decoded
