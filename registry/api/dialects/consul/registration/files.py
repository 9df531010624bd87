"""Services and checks written in configuration files, in Consul's fields, as one command.

Owns how a definition in a file differs from a body: keys may be written with underscores or without, durations
are texts, a table may stand in a list of one (what HCL becomes as JSON), a check's id is `id`. Rules and
defaults are those of the API (`services.py`). Which files are read is `registry.settings.files`.
Source: Consul's docs/services/configuration/services-configuration-reference and
checks-configuration-reference; agent.md §8.4.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Protocol, TypeVar

import msgspec

from registry.api.dialects.consul.agent.services import sidecar_ports
from registry.api.dialects.consul.errors import worded
from registry.api.dialects.consul.go import kinds
from registry.api.dialects.consul.go.decode import Body, Record, fields_by_key
from registry.api.dialects.consul.go.kinds import Kind
from registry.api.dialects.consul.registration.bodies import CheckBody, CheckRegistration, ServiceBody
from registry.api.dialects.consul.registration.checks import check_registration
from registry.api.dialects.consul.registration.services import registration
from registry.commands import ReplaceFileRows
from registry.errors import InvalidRequest, RequestError, SettingsError

_FURTHER_KEYS: dict[type[Body], dict[str, str]] = {
    CheckBody: {"id": "CheckID"},
    CheckRegistration: {"checkid": "ID"},
}
_PLACE = re.compile(r"(?P<problem>.*) - at `\$\.?(?P<place>.*)`", re.DOTALL)

B = TypeVar("B", bound=Body)


class FileDefinition(Protocol):
    """One definition of a file: `kind` is `service` or `check`."""

    @property
    def file(self) -> str:
        """The file it stands in."""

    @property
    def kind(self) -> str:
        """What it defines."""

    @property
    def body(self) -> Mapping[str, Any]:
        """Its decoded fields."""


class FileSettings(Protocol):
    """The settings that matter here; they have their names in `registry.settings`."""

    @property
    def definitions(self) -> Sequence[FileDefinition]:
        """All definitions, in the order they were read."""

    @property
    def enable_script_checks(self) -> bool:
        """Script checks are allowed everywhere."""

    @property
    def enable_local_script_checks(self) -> bool:
        """Script checks are allowed in files."""


def file_rows(settings: FileSettings) -> ReplaceFileRows:
    """The command that makes the rows of files exactly what the files say.

    Raises:
        SettingsError: a definition is wrong; names the file and the definition, or its key.
    """
    scripts = settings.enable_script_checks or settings.enable_local_script_checks
    services, checks = [], []
    for definition in settings.definitions:
        where = f"{definition.file}: {definition.kind} {_name(definition.body)}".rstrip()
        try:
            if definition.kind == "service":
                service = _decoded(ServiceBody, definition.body, where)
                services.append(registration(service, scripts=scripts, sidecar_ports=sidecar_ports(settings)))
            else:
                check = _decoded(CheckRegistration, definition.body, where)
                checks.append(check_registration(check, scripts=scripts))
        except InvalidRequest as error:
            raise SettingsError(where, _worded(error)) from None
    return ReplaceFileRows(services=tuple(services), checks=tuple(checks))


def refused_rows(settings: FileSettings, error: RequestError) -> SettingsError:
    """What the state has against the rows of files, in Consul's words, with the definition it is about."""
    service = error.values.get("id")
    for definition in settings.definitions:
        sent = {_bare(key): value for key, value in definition.body.items()}
        if definition.kind == "check" and sent.get("serviceid") == service:
            return SettingsError(f"{definition.file}: check {_name(definition.body)}", worded(error)[1])
    return SettingsError("config_file", worded(error)[1])


def _name(body: Mapping[str, Any]) -> str:
    """What the author calls the definition: its id, else its name."""
    known = {key.lower(): value for key, value in body.items()}
    return next((str(known[key]) for key in ("id", "name") if known.get(key)), "")


def _worded(error: InvalidRequest) -> str:
    if error.reason == "scripts-disabled":
        error = InvalidRequest("scripts-disabled-in-files")
    if error.reason == "duration":
        return str(error.values["problem"])
    return worded(error)[1]


def _decoded(body: type[B], raw: Mapping[str, Any], where: str) -> B:
    tree = _spelled(Record(body, pointer=True), raw, where)
    try:
        return msgspec.convert(tree, body)
    except msgspec.ValidationError as error:
        match = _PLACE.fullmatch(str(error))
        place, problem = (match["place"], match["problem"]) if match else ("", str(error))
        raise SettingsError(f"{where}: {place}" if place else where, problem.replace("`", "")) from None


def _spelled(kind: Kind, value: Any, where: str) -> Any:
    """The value with the keys of its objects spelled as in bodies; free-form maps are left alone."""
    if isinstance(kind, Record | kinds.Map) and isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(kind, Record) and isinstance(value, Mapping):
        return _fields(kind.body, value, where)
    if isinstance(kind, kinds.List) and isinstance(value, list):
        return [_spelled(kind.element, one, where) for one in value]
    if isinstance(kind, kinds.Map) and isinstance(value, Mapping):
        return {key: _spelled(kind.element, one, where) for key, one in value.items()}
    return value


def _fields(body: type[Body], value: Mapping[str, Any], where: str) -> dict[str, Any]:
    known = _keys(body)
    fields = {}
    for key, item in value.items():
        found = known.get(_bare(key))
        if found is None:
            raise SettingsError(f"{where}: {key}", "is not a field that can be defined here")
        if item is None:
            continue
        name, kind = found
        if isinstance(kind, kinds.Duration) and not isinstance(item, str):
            raise SettingsError(f"{where}: {key}", 'is not a duration such as "10s"')
        fields[name] = _spelled(kind, item, f"{where}: {key}")
    return fields


@cache
def _keys(body: type[Body]) -> dict[str, tuple[str, Kind]]:
    """The fields of a body, each with the key a body has for it, by every spelling of a file."""
    fields = fields_by_key(body).values()
    own = {name: (name, kind) for name, attribute, kind, is_alias in fields if not is_alias}
    by_attribute = {attribute: name for name, attribute, _, is_alias in fields if not is_alias}
    known = {_bare(alias): own[by_attribute[attribute]] for alias, attribute in body.ALIASES.items()}
    known |= {_bare(name): field for name, field in own.items()}
    return known | {key: own[name] for key, name in _FURTHER_KEYS.get(body, {}).items()}


def _bare(key: str) -> str:
    return key.replace("_", "").lower()
