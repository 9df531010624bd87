"""One instance of a service as it is found, and what has changed between two answers.

Owns the reading of Consul's health entries. Which instance is picked is `picking.py`.

Source: Consul's API pages, "List Service Instances with Health"; consul/health.md §2.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from registry.client.errors import ServerAway

PASSING, WARNING, CRITICAL = "passing", "warning", "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An instance of a service.

    Attributes:
        id: unique on its node. address: the node's where the instance has none of its own.
        status: the worst of its checks and its node's: passing, warning or critical.
        weight: Consul's, for this status; 0 where it is not to be used in it.
        region, zone: where it runs: of its Locality, else its node's, else `region` and `zone` of its metadata or its
            node's; empty where nobody has said.
    """

    service: str
    id: str
    node: str
    address: str
    port: int
    tags: tuple[str, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict, hash=False)
    status: str = PASSING
    weight: int = 1
    region: str = ""
    zone: str = ""
    datacenter: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from all others of its service."""
        return self.node, self.id

    @property
    def host_port(self) -> str:
        """`address:port`; an IPv6 address in brackets."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    def url(self, scheme: str = "http") -> str:
        """Its base url."""
        return f"{scheme}://{self.host_port}"


@dataclass(frozen=True, slots=True)
class Change:
    """The healthy instances there are now, and how they differ from those before."""

    instances: tuple[Instance, ...]
    added: tuple[Instance, ...]
    removed: tuple[Instance, ...]
    changed: tuple[Instance, ...]  # as they are now

    @classmethod
    def between(cls, before: Iterable[Instance], now: tuple[Instance, ...]) -> Self:
        """What has become of those before."""
        old, new = {one.key: one for one in before}, {one.key: one for one in now}
        return cls(
            now,
            added=tuple(one for key, one in new.items() if key not in old),
            removed=tuple(one for key, one in old.items() if key not in new),
            changed=tuple(one for key, one in new.items() if key in old and old[key] != one),
        )


def instances_of(entries: object) -> tuple[Instance, ...]:
    """The instances in the answer to `/v1/health/service/<name>`, by node and id.

    Raises:
        ServerAway: it is no such answer.
    """
    try:
        if not isinstance(entries, list):
            raise TypeError("no list")
        return tuple(sorted(map(_instance, entries), key=lambda one: one.key))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ServerAway(f"not a list of health entries: {error!r}") from None


def _instance(entry: dict[str, Any]) -> Instance:
    node, service = entry["Node"], entry["Service"]
    status = _worst(check["Status"] for check in entry.get("Checks") or ())
    weights = service.get("Weights") or {}
    meta = service.get("Meta") or {}
    place = service.get("Locality") or node.get("Locality") or {}
    said = {**(node.get("Meta") or {}), **meta}
    return Instance(
        service=service["Service"],
        id=service["ID"],
        node=node["Node"],
        address=service.get("Address") or node.get("Address") or "",
        port=int(service.get("Port") or 0),
        tags=tuple(service.get("Tags") or ()),
        meta=meta,
        status=status,
        weight=0 if status == CRITICAL else int(weights.get(status.capitalize(), 1)),
        region=place.get("Region") or said.get("region", ""),
        zone=place.get("Zone") or said.get("zone", ""),
        datacenter=node.get("Datacenter") or "",
    )


def _worst(statuses: Iterable[str]) -> str:
    """Any word that is neither passing nor warning is critical: maintenance, and what nobody knows."""
    words = set(statuses) - {PASSING}
    return CRITICAL if words - {WARNING} else WARNING if words else PASSING
