"""Templates of prepared queries: one stored definition that answers to every name with its prefix.

Owns which texts of a definition are filled in, and with what. How an expression is read is `expressions.py`.
Source: event_query_coordinate.md §B.3; api-docs/query#prepared-query-templates.
"""

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from registry.api.dialects.consul.prepared.expressions import Expression, Failed, Malformed, Part, parsed
from registry.api.dialects.consul.wire.fields import wire_name
from registry.errors import InvalidRequest
from registry.model.filter.regexps import matcher
from registry.model.prepared import NAME_PREFIX_MATCH, PreparedQuery

# All of a template is read again for each question, and each expression may stand for a long name.
MAX_TEMPLATE_CHARACTERS = 1 << 16  # of all its texts
MAX_CHARACTERS = 1 << 20  # that all its expressions may stand for

_PLACE = "Service"
_SPELLED = {"ignore_check_ids": "IgnoreCheckIDs"}

Fill = Callable[[str, str], str]  # what becomes of a text, given where it stands


def template_problem(query: PreparedQuery) -> str:
    """What is wrong with the template of a query, in Consul's words; "" for nothing, or where it is none."""
    template = query.template
    if not template.type:
        return ""
    if template.type != NAME_PREFIX_MATCH:
        return f"Bad Template.Type '{template.type}'"
    try:
        matcher(template.regexp)
    except ValueError as error:
        return f"Bad Regexp: {error}"
    try:
        _filled(query.service, _PLACE, _Checking().check)
        rendered(query, query.name)
    except InvalidRequest as error:
        return str(error.values["problem"])
    return ""


def rendered(query: PreparedQuery, name: str) -> PreparedQuery:
    """The query as it answers to a name.

    Raises:
        InvalidRequest: `query-render`; `problem` is Consul's text.
    """
    service = _filled(query.service, _PLACE, _Rendering(query, name).fill)
    if query.template.remove_empty_tags:
        service = replace(service, tags=tuple(tag for tag in service.tags or () if tag))
    return replace(query, service=service)


class _Checking:
    """The texts of a definition, looked through before it is stored."""

    def __init__(self) -> None:
        self._left = MAX_TEMPLATE_CHARACTERS

    def check(self, text: str, place: str) -> str:
        """As `Fill`: the text as it is, if it can be read."""
        self._left -= len(text)
        if self._left < 0:
            problem = f"the texts of a template may have {MAX_TEMPLATE_CHARACTERS} characters together"
            raise InvalidRequest("query-render", problem=problem)
        _parts(text, place)
        return text


class _Rendering:
    """One name on its way into a template: what the names in its texts stand for, and how long they may become."""

    def __init__(self, query: PreparedQuery, name: str) -> None:
        self._groups = matcher(query.template.regexp)(name) if query.template.regexp else ()
        self._variables = {
            "name.full": name,
            "name.prefix": query.name,
            "name.suffix": name.removeprefix(query.name),
            "agent.segment": "",
        }
        self._left = MAX_CHARACTERS

    def fill(self, text: str, place: str) -> str:
        """As `Fill`."""
        try:
            return self._value(_parts(text, place))
        except Failed as failure:
            raise InvalidRequest("query-render", problem=f"Bad evaluation for '{text}' in {place}: {failure}") from None

    def _value(self, parts: list[Part]) -> str:
        return "".join([part if isinstance(part, str) else self._counted(self._evaluated(part)) for part in parts])

    def _counted(self, value: str) -> str:
        self._left -= len(value)
        if self._left < 0:
            raise Failed(f"expressions stand for more than {MAX_CHARACTERS} characters")
        return value

    def _evaluated(self, one: Expression) -> str:
        if one.literal is not None:
            return self._value(one.literal)
        if one.arguments is None:
            if one.name not in self._variables:
                raise Failed(f"{one.position}: unknown variable accessed: {one.name}")
            return self._variables[one.name]
        if one.name != "match":
            raise Failed(f"{one.position}: unknown function called: {one.name}")
        if len(one.arguments) != 1:
            raise Failed(f"{one.position}: match: expected 1 arguments, got {len(one.arguments)}")
        text = self._evaluated(one.arguments[0])
        try:
            number = int(text)
        except ValueError:
            raise Failed(f'__builtin_StringToInt: strconv.ParseInt: parsing "{text}": invalid syntax') from None
        return self._groups[number] if 0 <= number < len(self._groups) else ""


def _parts(text: str, place: str) -> list[Part]:
    try:
        return parsed(text)
    except Malformed as problem:
        raise InvalidRequest("query-render", problem=f"Bad format '{text}' in {place}: {problem}") from None


def _filled(value: Any, place: str, fill: Fill) -> Any:
    """The value with every text in it filled in; of maps the values only."""
    if isinstance(value, str):
        return fill(value, place)
    if isinstance(value, tuple):
        return tuple(_filled(item, f"{place}[{at}]", fill) for at, item in enumerate(value))
    if isinstance(value, dict):
        return {key: _filled(value[key], f"{place}[{key}]", fill) for key in sorted(value)}
    if isinstance(value, Struct):
        fields = ((name, _SPELLED.get(name) or wire_name(name)) for name in value.__struct_fields__)
        return replace(
            value, **{name: _filled(getattr(value, name), f"{place}.{spelled}", fill) for name, spelled in fields}
        )
    return value
