"""Reads of records: instances as the agents' dialects see them, in the order of their registration.

Proxies, gateways and the server's own service are not records. Source: dialects.md §1.10, §8.6 and M-1.
"""

from collections.abc import Iterable

from registry.model.agent import Task
from registry.model.names import fold
from registry.model.record import Record, record_of
from registry.model.server import CONSUL_SERVICE
from registry.model.service import Instance
from registry.state.graves import buried
from registry.state.queries import Queries
from registry.state.tables import Key
from registry.state.tasks import under_way


class Records(Queries):
    """What the agents' dialects ask the state. Lists are ordered by the time of registration, then by id."""

    def record(self, record_id: str) -> Record | None:
        """The record of this id: a local one, else `<node>~<service id>` of another node."""
        instance = self.local_service(record_id)
        if instance is None:
            node, mark, service_id = record_id.partition("~")
            instance = self.instances.get(fold(node), {}).get(fold(service_id)) if mark else None
            if instance is None or instance.local is not None or instance.id != service_id:
                return None
        return self._record(instance) if self.is_record(instance) else None

    def is_agent(self, service_id: str) -> bool:
        """Whether there is a local record of this id."""
        instance = self.local_service(service_id)
        return instance is not None and self.is_record(instance)

    def record_at(self, key: Key) -> Record | None:
        """The record of the instance with this key."""
        instance = self.instances.get(key[0], {}).get(key[1])
        return self._record(instance) if instance is not None and self.is_record(instance) else None

    def records(self) -> list[Record]:
        """Every record."""
        return self._ordered(one for rows in self.instances.values() for one in rows.values())

    def records_of_type(self, name: str) -> list[Record]:
        """The records of exactly this type."""
        rows = self.by_service.get(fold(name), {})
        return self._ordered(one for one in rows.values() if one.name == name)

    def is_buried(self, record_id: str) -> bool:
        """Whether a beat could bring back an agent with this id, at the time of the newest entry."""
        return buried(self, self.time, record_id) is not None

    def tasks_under_way(self, record_id: str) -> list[Task]:
        """The tasks that a local agent works on."""
        instance = self.local_service(record_id)
        return under_way(self, instance) if instance is not None else []

    def queues(self) -> list[tuple[Instance, list[Task]]]:
        """Every local agent that has tasks, with those that are under way."""
        node = fold(self.server.node)
        found = ((self.instances.get(node, {}).get(key), key) for key in sorted(self.tasks))
        return [(one, under_way(self, one)) for one, _ in found if one is not None]

    def _ordered(self, instances: Iterable[Instance]) -> list[Record]:
        found = [self._record(one) for one in instances if self.is_record(one)]
        found.sort(key=lambda record: (record.instance.registered_at, record.id))
        return found

    def is_record(self, instance: Instance) -> bool:
        """Whether the agents' dialects show it: all but the registry itself, proxies, gateways (dialects.md §8.6)."""
        own = fold(instance.id) == CONSUL_SERVICE and instance.local is None
        return not instance.kind and not (own and fold(instance.node) == fold(self.server.node))

    def _record(self, instance: Instance) -> Record:
        node = fold(instance.node)
        checks = self._checks_of(node, "") + self._checks_of(node, fold(instance.id))
        return record_of(instance, self.node_rows[node].address, checks)
