"""The interface as the rest of this dialect names it: messages, enumerations and methods.

Source: dialects.md §5.1 to §5.3.
"""

from typing import Any

from google.protobuf import message_factory

from registry.api.dialects.hive.generated import service_registry_pb2

pb: Any = service_registry_pb2

_SERVICE = pb.DESCRIPTOR.services_by_name["ServiceRegistry"]
SERVICE_NAME: str = _SERVICE.full_name
METHODS: dict[str, Any] = {method.name: method for method in _SERVICE.methods}

TYPE_NUMBERS: dict[str, int] = {name: number for name, number in pb.AgentType.items() if number}
TYPE_NAMES: dict[int, str] = {number: name for name, number in TYPE_NUMBERS.items()}
UNTYPED = 0


def request_type(method: Any) -> Any:
    """The class of a method's request."""
    return message_factory.GetMessageClass(method.input_type)


def type_number(kind: str) -> int:
    """The number of a record's type; 0 for one that the Hive has no name for (dialects.md M-4)."""
    return TYPE_NUMBERS.get(kind.upper(), UNTYPED)
