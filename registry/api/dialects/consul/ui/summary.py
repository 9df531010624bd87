"""Instances summed up into services, and things counted by status: what the interface's pages show.

Owns the sums only; their JSON is `wire.py`. Source: status_operator_snapshot_ui.md D.2 and D.5.
"""

from collections import Counter
from collections.abc import Iterable

from registry.model.check import CRITICAL, PASSING, WARNING, Check
from registry.model.service import CONNECT_PROXY
from registry.model.views import Entry

EXTERNAL_SOURCE = "external-source"  # the key of a service's meta that says who registered it
_TRANSPARENT = "transparent"


class Summary:
    """One service name over all its instances. `proxies` counts those that stand for it, by their mode."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.kind = ""
        self.datacenter = ""
        self.tags: set[str] = set()
        self.nodes: set[str] = set()
        self.external_sources: dict[str, None] = {}
        self.instances = 0
        self.native = False
        self.proxies: Counter[str] = Counter()
        self._checks: dict[tuple[str, str], Check] = {}

    def add(self, entry: Entry) -> None:
        """Take in an instance of this service."""
        node, instance, checks = entry
        self.kind = instance.kind
        self.datacenter = node.datacenter
        self.instances += 1
        self.nodes.add(node.name)
        self.tags.update(instance.tags or ())
        self.native = self.native or instance.native
        source = (instance.meta or {}).get(EXTERNAL_SOURCE)
        if source:
            self.external_sources[source] = None
        self._add_checks(checks)

    def add_proxy(self, entry: Entry) -> None:
        """Take in a proxy that stands for this service: its checks speak for the service too."""
        proxy = entry.instance.proxy
        self.proxies[proxy.mode if proxy is not None else ""] += 1
        self._add_checks(entry.checks)

    def _add_checks(self, checks: Iterable[Check]) -> None:
        for check in checks:
            self._checks[check.node, check.id] = check

    @property
    def transparent(self) -> bool:
        """Whether there are proxies and all of them take all traffic of their host."""
        return set(self.proxies) == {_TRANSPARENT}

    @property
    def some_transparent(self) -> bool:
        """Whether any of its proxies takes all traffic of its host."""
        return self.proxies[_TRANSPARENT] > 0

    @property
    def count(self) -> "Count":
        """The distinct checks by status."""
        count = Count()
        for check in self._checks.values():
            count.add(check.status)
        return count


class Count:
    """How many of something are in which status; a word that is no status counts in the total only."""

    __slots__ = ("critical", "passing", "total", "warning")

    def __init__(self) -> None:
        self.total = self.passing = self.warning = self.critical = 0

    def add(self, status: str) -> None:
        """Count one more."""
        self.total += 1
        if status == PASSING:
            self.passing += 1
        elif status == WARNING:
            self.warning += 1
        elif status == CRITICAL:
            self.critical += 1


def worst_of(checks: Iterable[Check]) -> str:
    """The status that the checks come to together; passing where there are none."""
    worst = PASSING
    for check in checks:
        if check.status == CRITICAL:
            return CRITICAL
        if check.status == WARNING:
            worst = WARNING
    return worst


def summaries(entries: Iterable[Entry]) -> list[Summary]:
    """All services of the instances, and those that only have a proxy, sorted by name."""
    found: dict[str, Summary] = {}
    for entry in entries:
        instance = entry.instance
        _named(found, instance.name).add(entry)
        if instance.kind == CONNECT_PROXY:
            destination = instance.proxy.destination_service_name if instance.proxy is not None else ""
            _named(found, destination).add_proxy(entry)
    return sorted(found.values(), key=lambda one: one.name)


def _named(found: dict[str, Summary], name: str) -> Summary:
    summary = found.get(name)
    if summary is None:
        summary = found[name] = Summary(name)
    return summary
