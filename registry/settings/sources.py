"""Settings from where they were set: flags, environment, files, defaults, in this order.

Owns precedence, the rules of `dialects.md` §7.3 for environment variables of other programs, and reading
the files again. The rows are `settings/table.py`, the files `settings/files.py`. Logs nothing: what the
operator should know comes back in `Settings.notices`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from registry.errors import SettingsError
from registry.settings import kinds
from registry.settings.consul import take_consul
from registry.settings.files import Contents, document, paths, take_ours
from registry.settings.redis_names import REDIS_NAMES, redis_store
from registry.settings.rows import Notice, Row, Sources
from registry.settings.secrets import masked, with_password_of
from registry.settings.table import ROWS, Settings

# What Kubernetes and Docker put beside a service that is called registry: not meant for us.
LINK_PREFIXES = ("REGISTRY_SERVICE_", "REGISTRY_PORT_", "REGISTRY_NAME", "REGISTRY_ENV_")
LINK_VALUE = "tcp://"
VARIABLES = frozenset(variable for row in ROWS.values() for variable in (*row.variables, *row.aliases)) | REDIS_NAMES
DATABASE_PREFIX = "CVXC_DATABASE_"  # CodeValdCortex's own database, which nothing here needs


class Reread(NamedTuple):
    """Settings after the files were read again; `not_reloadable` names changed ones that need a new start."""

    settings: Settings
    not_reloadable: tuple[str, ...]


def settings_from(flags: Mapping[str, Sequence[str]], environment: Mapping[str, str]) -> Settings:
    """All settings; `flags` holds the texts of the flags that were given, by the name of the setting.

    Raises:
        SettingsError: names the flag, the variable, or the file and its key.
    """
    concerning_us = {name: text for name, text in environment.items() if name in VARIABLES or _looks_like_ours(name)}
    return _settings(Sources({name: tuple(texts) for name, texts in flags.items()}, concerning_us))


def reread(settings: Settings) -> Reread:
    """Read the files again, with the flags and the environment of the start.

    Rows that are not reloadable keep their value. Definitions and notices are those of the new files.

    Raises:
        SettingsError: the files cannot be used; `settings` stays what it was.
    """
    new = _settings(settings.sources)
    kept = {name: getattr(settings, name) for name, row in ROWS.items() if not row.reloadable}
    changed = tuple(name for name, value in kept.items() if getattr(new, name) != value)
    return Reread(dataclasses.replace(new, **kept), changed)


def _looks_like_ours(variable: str) -> bool:
    if variable.startswith(DATABASE_PREFIX):
        return True
    return variable.startswith("REGISTRY_") and not variable.startswith(LINK_PREFIXES)


def _settings(sources: Sources) -> Settings:
    notices: list[Notice] = []
    given = {name: _given(row, sources, notices) for name, row in ROWS.items()}
    files = _contents(given["config_file"] or (), given["config_dir"] or ())
    values = {name: row.default for name, row in ROWS.items()}
    values |= {name: found.value for name, found in files.values.items()}
    values |= {name: value for name, value in given.items() if value is not None}
    values["extra_http_ports"] += _alias_ports(values, sources, notices)
    if not values["store"]:
        values["store"] = _redis_of_others(sources, notices)
    if values["store_password_file"]:
        values["store"] = with_password_of(values["store_password_file"], values["store"])
    _note_what_nobody_reads(sources, files, notices)
    return Settings(**values, definitions=tuple(files.definitions), notices=tuple(notices), sources=sources)


def _contents(files: Sequence[str], directories: Sequence[str]) -> Contents:
    found = Contents()
    for path in paths(files, directories):
        take = take_consul if path.endswith(".json") else take_ours
        take(document(path), path, found)
    return found


def _given(row: Row, sources: Sources, notices: list[Notice]) -> Any:
    """The value a flag gives, else the environment; None where neither does."""
    if row.name in sources.flags:
        return _parsed(row, sources.flags[row.name], row.flag)
    for variable in (*row.variables, *row.aliases):
        text = _text(row, variable, sources)
        if text:
            foreign = variable in row.aliases
            value = _parsed(row, _split(row, text), f"{variable}, for {row.name}" if foreign else variable)
            if foreign:
                notices.append(_alias_notice(variable, row.name, masked(value) if row.secret else value))
            return value
    return None


def _alias_ports(values: Mapping[str, Any], sources: Sources, notices: list[Notice]) -> tuple[int, ...]:
    """Ports that aliases name while a variable of ours names the main one (`dialects.md` §7.3)."""
    row, extra = ROWS["http_port"], ROWS["extra_http_ports"]
    if row.name in sources.flags or not any(_text(row, variable, sources) for variable in row.variables):
        return ()
    found: list[int] = []
    for variable in row.aliases:
        text = _text(row, variable, sources)
        if not text:
            continue
        port = _parsed(row, [text], f"{variable}, for {extra.name}")
        if port not in (values["http_port"], *values[extra.name], *found):
            found.append(port)
            notices.append(_alias_notice(variable, extra.name, port))
    return tuple(found)


def _redis_of_others(sources: Sources, notices: list[Notice]) -> str:
    """The store that variables of other programs name together; "" where they name none."""
    found = redis_store(sources.environment)
    if found is None:
        return ""
    for variable in found.variables:
        notices.append(_alias_notice(variable, "store", masked(found.url)))
    return found.url


def _text(row: Row, variable: str, sources: Sources) -> str:
    """What a variable says; nothing when it is empty, or is a link to another container."""
    text = sources.environment.get(variable, "")
    is_link = row.kind in (kinds.PORT, kinds.OPTIONAL_PORT) and text.startswith(LINK_VALUE)
    return "" if is_link else text


def _split(row: Row, text: str) -> list[str]:
    if not row.kind.repeatable:
        return [text]
    return [part.strip() for part in text.split(",") if part.strip()]


def _parsed(row: Row, texts: Sequence[str], where: str) -> Any:
    try:
        return row.kind.from_texts(texts)
    except ValueError as problem:
        raise SettingsError(where, str(problem)) from None


def _alias_notice(variable: str, setting: str, value: object) -> Notice:
    return Notice("info", "setting taken from an alias", {"variable": variable, "setting": setting, "value": value})


def _note_what_nobody_reads(sources: Sources, files: Contents, notices: list[Notice]) -> None:
    found = sorted(sources.environment.keys() - VARIABLES)
    unread = [name for name in found if not name.startswith(DATABASE_PREFIX)]
    without_effect = [name for name in found if name.startswith(DATABASE_PREFIX)]
    if without_effect:
        notices.append(Notice("info", "environment variables without effect", {"variables": without_effect}))
    if unread:
        notices.append(Notice("warning", "environment variables that are no setting", {"variables": unread}))
    if files.unhonoured:
        notices.append(Notice("warning", "configuration keys that are not honoured", {"keys": files.unhonoured}))
