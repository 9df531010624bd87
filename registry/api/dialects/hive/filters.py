"""Which agents a filter keeps. Keys that nobody knows are passed over. Source: dialects.md §5.4, filter keys."""

from collections.abc import Callable, Iterable, Mapping

from registry.api.dialects.hive.schema import TYPE_NUMBERS, UNTYPED, pb, type_number
from registry.api.dialects.hive.wire import STATUS_NUMBERS, shown_version
from registry.model.agent import DEGRADED, HEALTHY
from registry.model.agent_meta import shown_value
from registry.model.record import Record

_DEFAULT_SECURITY = "INTERNAL"

Test = Callable[[Record, str], bool]

_TESTS: dict[str, Test] = {
    "namespace": lambda record, wanted: record.namespace == wanted,
    "cluster": lambda record, wanted: record.cluster == wanted,
    "version": lambda record, wanted: shown_version(record) == wanted,
    "status": lambda record, wanted: _has_status(record, wanted),
    "security_level": lambda record, wanted: (
        shown_value(record.metadata.get("security_level", _DEFAULT_SECURITY)) == wanted
    ),
}


def filtered(records: Iterable[Record], filters: Mapping[str, str]) -> list[Record]:
    """The records that pass every filter which is known for any list."""
    tests = [(_TESTS[key], wanted) for key, wanted in filters.items() if key in _TESTS]
    return [record for record in records if all(test(record, wanted) for test, wanted in tests)]


def of_type(records: Iterable[Record], number: int) -> list[Record]:
    """The records of one of the Hive's types; all for 0."""
    return [record for record in records if number in (UNTYPED, type_number(record.type))]


def of_named_type(records: list[Record], name: str) -> list[Record]:
    """The records of a type by its name in any case; all when nothing of that name is known (M-4)."""
    folded = name.upper()
    found = [record for record in records if record.type.upper() == folded]
    return found if found or folded in TYPE_NUMBERS else records


def usable(record: Record) -> bool:
    """Whether discovery offers it: healthy or degraded."""
    return record.status in (HEALTHY, DEGRADED)


def _has_status(record: Record, wanted: str) -> bool:
    """`HEALTHY` stands for all that can be used; case does not count, since clients write `healthy`."""
    name = wanted.upper()
    shown: str = pb.AgentStatus.Name(STATUS_NUMBERS[record.status])
    return usable(record) if name == "HEALTHY" else shown == name
