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
        _filled(query.service, _PLACE, _check)
        rendered(query, query.name)
    except InvalidRequest as error:
        return str(error.values["problem"])
    return ""


def rendered(query: PreparedQuery, name: str) -> PreparedQuery:
    """The query as it answers to a name.

    Raises:
        InvalidRequest: `query-render`; `problem` is Consul's text.
    """
    groups = matcher(query.template.regexp)(name) if query.template.regexp else ()
    variables = {
        "name.full": name,
        "name.prefix": query.name,
        "name.suffix": name.removeprefix(query.name),
        "agent.segment": "",
    }

    def match(number: int) -> str:
        return groups[number] if 0 <= number < len(groups) else ""

    def fill(text: str, place: str) -> str:
        try:
            return _value(_parts(text, place), variables, match)
        except Failed as failure:
            raise InvalidRequest("query-render", problem=f"Bad evaluation for '{text}' in {place}: {failure}") from None

    service = _filled(query.service, _PLACE, fill)
    if query.template.remove_empty_tags:
        service = replace(service, tags=tuple(tag for tag in service.tags or () if tag))
    return replace(query, service=service)


def _parts(text: str, place: str) -> list[Part]:
    try:
        return parsed(text)
    except Malformed as problem:
        raise InvalidRequest("query-render", problem=f"Bad format '{text}' in {place}: {problem}") from None


def _check(text: str, place: str) -> str:
    _parts(text, place)
    return text


def _value(parts: list[Part], variables: dict[str, str], match: Callable[[int], str]) -> str:
    return "".join(part if isinstance(part, str) else _evaluated(part, variables, match) for part in parts)


def _evaluated(one: Expression, variables: dict[str, str], match: Callable[[int], str]) -> str:
    if one.literal is not None:
        return _value(one.literal, variables, match)
    if one.arguments is None:
        if one.name not in variables:
            raise Failed(f"{one.position}: unknown variable accessed: {one.name}")
        return variables[one.name]
    if one.name != "match":
        raise Failed(f"{one.position}: unknown function called: {one.name}")
    if len(one.arguments) != 1:
        raise Failed(f"{one.position}: match: expected 1 arguments, got {len(one.arguments)}")
    text = _evaluated(one.arguments[0], variables, match)
    try:
        return match(int(text))
    except ValueError:
        raise Failed(f'__builtin_StringToInt: strconv.ParseInt: parsing "{text}": invalid syntax') from None


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
