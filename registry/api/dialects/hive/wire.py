"""Records as AgentInfo, telemetry in and out, and the status that a success rate means.

Source: dialects.md §5.3, §5.4, §8.1 and §8.2.
"""

from typing import Any

from registry.api.dialects.hive.schema import UNTYPED, pb, type_number
from registry.errors import InvalidRequest
from registry.model.agent import CONSUL, DEGRADED, FR0G, HEALTHY, HIVE, UNHEALTHY, UNREACHABLE, Telemetry
from registry.model.agent_meta import shown_value
from registry.model.record import Record

SCHEMA_VERSION = 1
DEFAULT_VERSION = "1.0.0"
UNHEALTHY_BELOW, DEGRADED_BELOW = 0.3, 0.5  # success rates

STATUS_NUMBERS = {
    HEALTHY: pb.HEALTHY, DEGRADED: pb.DEGRADED, UNHEALTHY: pb.UNHEALTHY, UNREACHABLE: pb.UNHEALTHY,
}  # fmt: skip
_UNTOLD = Telemetry()


def agent_info(record: Record, last_seen: float) -> Any:
    """A record as this dialect shows it.

    Args:
        last_seen: when it gave its last sign of life, in Unix seconds.
    """
    return pb.AgentInfo(
        agent_id=_text(record.id),
        agent_type=type_number(record.type),
        capabilities=[_text(one) for one in record.capabilities],
        metadata=shown_metadata(record),
        telemetry=_telemetry(record.agent.telemetry or _UNTOLD),
        status=STATUS_NUMBERS[record.status],
        registered_at=int(record.instance.registered_at),
        last_seen=int(last_seen),
        namespace=_text(record.namespace),
        cluster=_text(record.cluster),
        version=_text(shown_version(record)),
        schema_version=SCHEMA_VERSION,
    )


def shown_version(record: Record) -> str:
    """The version, or that of agents which name none (dialects.md M-20)."""
    return record.version or DEFAULT_VERSION


def shown_metadata(record: Record) -> dict[str, str]:
    """The metadata as strings, with what has no field here; what the record says itself goes before that.

    That of the Hive's own agents is as they sent it (M-21).
    """
    shown: dict[str, str] = {}
    if type_number(record.type) == UNTYPED:
        shown["agent_type"] = record.type
    if record.state:
        shown["state"] = record.state
    if record.source != HIVE:
        if record.name != record.id:
            shown["name"] = record.name
        if record.host and record.port:
            shown["endpoint"] = f"{_bracketed(record.host)}:{record.port}"
        if record.source not in (CONSUL, FR0G):
            shown["agent_source"] = record.source
    shown.update((key, shown_value(value)) for key, value in record.metadata.items())
    return {_text(key): _text(value) for key, value in shown.items()}


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _telemetry(telemetry: Telemetry) -> Any:
    return pb.AgentTelemetry(**{name: getattr(telemetry, name) for name in telemetry.__struct_fields__})


def _text(value: str) -> str:
    """The text as protobuf takes it: JSON can hold halves of characters, which have no UTF-8."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def telemetry_of(message: Any) -> Telemetry | None:
    """The telemetry of a request; None when it has none.

    Raises:
        InvalidRequest: `telemetry`, a figure is out of its range.
    """
    if not message.HasField("telemetry"):
        return None
    sent = message.telemetry
    if not 0.0 <= sent.success_rate <= 1.0:
        raise InvalidRequest("telemetry", field="success_rate", value=sent.success_rate, wanted="0 to 1")
    for field in ("avg_duration_ms", "total_executions", "failed_executions"):
        if getattr(sent, field) < 0:
            raise InvalidRequest("telemetry", field=field, value=getattr(sent, field), wanted="0 or more")
    return Telemetry(
        success_rate=sent.success_rate, avg_duration_ms=sent.avg_duration_ms, total_executions=sent.total_executions,
        failed_executions=sent.failed_executions, last_execution_at=sent.last_execution_at,
    )  # fmt: skip


def reported_status(telemetry: Telemetry | None) -> str:
    """The status that a success rate means; without evidence an agent is healthy."""
    if telemetry is None or (not telemetry.total_executions and not telemetry.success_rate):
        return HEALTHY
    if telemetry.success_rate < UNHEALTHY_BELOW:
        return UNHEALTHY
    return DEGRADED if telemetry.success_rate < DEGRADED_BELOW else HEALTHY
