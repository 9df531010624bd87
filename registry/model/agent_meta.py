"""An agent's metadata as Consul's Meta, and what it means when a Consul client writes that Meta back.

Owns the reserved keys and the rules by which native JSON values fit into string pairs. Nothing is stored in this form:
what an agent does not print is not lost. Source: dialects.md §8.4.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from registry.model.agent import DEFAULT_CLUSTER, DEFAULT_NAMESPACE, LIFECYCLE, Agent
from registry.model.meta import MAX_KEY_BYTES, MAX_PAIRS, MAX_VALUE_BYTES, RESERVED_PREFIX
from registry.model.service import Instance

SOURCE_KEY = "agent_source"
DROPPED_KEY = "agent_meta_dropped"
_FIELDS = ("name", "version", "namespace", "cluster", "state")  # reserved keys that set a field when written back
_DEFAULTS = {"namespace": DEFAULT_NAMESPACE, "cluster": DEFAULT_CLUSTER}

_FORBIDDEN = re.compile(r"[^A-Za-z0-9_-]")
_json = msgspec.json.Encoder(order="sorted")


class Pair(NamedTuple):
    """One pair of Meta, and the metadata entry that it shows, "" for a reserved key."""

    key: str
    value: str
    entry: str = ""


def with_shown_meta(instance: Instance) -> Instance:
    """The instance with the Meta that shows its agent; unchanged if Meta is all the metadata it has."""
    agent = instance.agent
    if agent is None or not agent.keeps_metadata:
        return instance
    return replace(instance, meta=shown_meta(instance.id, agent))


def shown_meta(service_id: str, agent: Agent) -> dict[str, str]:
    """The Meta of an agent that keeps metadata of its own."""
    pairs, dropped = _printed(service_id, agent)
    meta = {pair.key: pair.value for pair in pairs}
    if dropped:
        meta[DROPPED_KEY] = str(dropped)
    return meta


def taken_in(old: Instance, new: Instance) -> Instance:
    """What becomes of an agent when a Consul client registers its id anew.

    What it wrote back as it read it changes nothing; fields of the record that it cannot see stay.
    """
    agent = old.agent
    if agent is None:
        return new
    if not agent.keeps_metadata:
        return replace(new, agent=agent)
    return with_shown_meta(replace(new, agent=_agent_taken_in(old.id, agent, new.meta or {})))


def _agent_taken_in(service_id: str, agent: Agent, meta: Mapping[str, str]) -> Agent:
    pairs, dropped = _printed(service_id, agent)
    printed = {pair.key: pair for pair in pairs}
    fields: dict[str, str] = {}
    metadata = dict(agent.metadata)
    for pair in pairs:
        if pair.key in meta:
            continue
        if pair.entry:
            del metadata[pair.entry]
        elif pair.key in _FIELDS and pair.key != "state":  # a missing pair does not end a lifecycle
            fields[pair.key] = _DEFAULTS.get(pair.key, "")
    for key, value in meta.items():
        known = printed.get(key)
        if (known is not None and known.value == value) or key == SOURCE_KEY or (key == DROPPED_KEY and dropped):
            continue
        if known is not None and known.entry:
            metadata[known.entry] = value
        elif key == "state":
            fields.update({key: value} if value in LIFECYCLE and agent.state else {})
        elif key in _FIELDS:
            fields[key] = value or _DEFAULTS.get(key, "")
        else:
            metadata[key] = value
    return replace(agent, metadata=metadata, **fields)


def _printed(service_id: str, agent: Agent) -> tuple[list[Pair], int]:
    """The pairs in their order, and how many were left out."""
    reserved = [Pair(key, value) for key, value in _reserved(service_id, agent)]
    pairs = [pair for pair in reserved if _fits(pair.value)]
    taken = {pair.key: None for pair in pairs}
    dropped = len(reserved) - len(pairs)
    for entry in sorted(agent.metadata):
        value = shown_value(agent.metadata[entry])
        if len(pairs) >= MAX_PAIRS - 1 or not _fits(value):
            dropped += 1
            continue
        key = _free(_shown_key(entry, taken), taken)
        taken[key] = None
        pairs.append(Pair(key, value, entry))
    return pairs, dropped


def _reserved(service_id: str, agent: Agent) -> Iterator[tuple[str, str]]:
    if agent.name and agent.name != service_id:
        yield "name", agent.name
    if agent.version:
        yield "version", agent.version
    if agent.namespace != DEFAULT_NAMESPACE:
        yield "namespace", agent.namespace
    if agent.cluster != DEFAULT_CLUSTER:
        yield "cluster", agent.cluster
    if agent.state:
        yield "state", agent.state
    yield SOURCE_KEY, agent.source


def _fits(value: str) -> bool:
    return len(value) <= MAX_VALUE_BYTES and len(value.encode("utf-8", "surrogatepass")) <= MAX_VALUE_BYTES


def shown_value(value: Any) -> str:
    """A JSON value as a string for Consul's Meta, of any length."""
    if isinstance(value, str):
        return value
    return "" if value is None else _json.encode(value).decode()


def shown_key(entry: str) -> str:
    """A key of the metadata in a form that Consul accepts; two entries may get the same one."""
    key = _FORBIDDEN.sub("_", entry) or "_"
    if key.startswith(RESERVED_PREFIX):
        key = f"x-{key}"
    return key[:MAX_KEY_BYTES]


def _shown_key(entry: str, taken: Mapping[str, None]) -> str:
    key = shown_key(entry)
    reserved = key in (SOURCE_KEY, DROPPED_KEY) or (key in _FIELDS and key in taken)
    return f"meta_{key}"[:MAX_KEY_BYTES] if reserved else key


def _free(key: str, taken: Mapping[str, None]) -> str:
    """The key; if it is taken, with the first free number appended."""
    found, number = key, 1
    while found in taken:
        number += 1
        end = f"-{number}"
        found = key[: MAX_KEY_BYTES - len(end)] + end
    return found
