"""Autopilot: its configuration, which is kept, and its view of the servers, which is that of who is alive.

A server is healthy as long as it is a member of the log, and any one of them can do without all the others, since
what is stored is in the store and not in them. So the configuration has nothing to steer.
Source: status_operator_snapshot_ui.md part B.2; api-docs/operator/autopilot.
"""

from datetime import UTC, datetime
from typing import ClassVar

from registry.api.call import Call
from registry.api.dialects.consul.go.bodies import Decoder
from registry.api.dialects.consul.go.decode import Body, Duration, Unsigned
from registry.api.dialects.consul.go.encode import encoded, in_order
from registry.api.dialects.consul.go.free import duration_ns
from registry.api.dialects.consul.kv.params import unsigned
from registry.api.dialects.consul.operator.raft import servers_known
from registry.api.dialects.consul.params import refuse_foreign_datacenter
from registry.api.dialects.consul.replicas import TERM, Replica, host_port, replicas
from registry.api.dialects.consul.routes import endpoint
from registry.api.reply import Reply
from registry.commands import SetAutopilot
from registry.errors import InvalidRequest
from registry.model.autopilot import Autopilot
from registry.model.duration import text

_DEFAULTS = Autopilot()
_UNHEALTHY = 429


class AutopilotBody(Body):
    """The body of a change; what it does not hold keeps these values, a duration that is null is none."""

    GO_NAME: ClassVar = "AutopilotConfiguration"
    PREFILLED: ClassVar = True

    cleanup_dead_servers: bool = _DEFAULTS.cleanup_dead_servers
    last_contact_threshold: Duration = text(_DEFAULTS.last_contact_threshold_ns)
    max_trailing_logs: Unsigned = _DEFAULTS.max_trailing_logs
    min_quorum: Unsigned = _DEFAULTS.min_quorum
    server_stabilization_time: Duration = text(_DEFAULTS.server_stabilization_time_ns)
    redundancy_zone_tag: str = ""
    disable_upgrade_migration: bool = False
    upgrade_version_tag: str = ""
    create_index: Unsigned = 0
    modify_index: Unsigned = 0


_body = Decoder(AutopilotBody)


@endpoint("GET", "/v1/operator/autopilot/configuration", source="api-docs/operator/autopilot#read-configuration")
async def show_configuration(call: Call) -> Reply:
    """The configuration; 200 and a JSON object. Query: dc, read mode. Errors: as for the raft configuration."""
    await servers_known(call)
    one = call.engine.state.autopilot
    shown = in_order({
        "CleanupDeadServers": one.cleanup_dead_servers, "LastContactThreshold": text(one.last_contact_threshold_ns),
        "MaxTrailingLogs": one.max_trailing_logs, "MinQuorum": one.min_quorum,
        "ServerStabilizationTime": text(one.server_stabilization_time_ns),
        "RedundancyZoneTag": one.redundancy_zone_tag, "DisableUpgradeMigration": one.disable_upgrade_migration,
        "UpgradeVersionTag": one.upgrade_version_tag, "CreateIndex": one.create_index, "ModifyIndex": one.modify_index,
    })  # fmt: skip
    return Reply(body=encoded(shown))


@endpoint("PUT", "/v1/operator/autopilot/configuration", source="api-docs/operator/autopilot#update-configuration")
async def write_configuration(call: Call) -> Reply:
    """Replace the whole configuration; 200 and whether it was done.

    Query: cas (only over this ModifyIndex), dc. Errors: `autopilot-body`, `autopilot-cas`.
    """
    raw = await call.body()
    try:
        config = _configuration(_body(raw))
    except InvalidRequest as error:
        if error.reason not in ("decode", "duration"):
            raise
        raise InvalidRequest("autopilot-body", problem=error.values["problem"]) from None
    cas = None
    if "cas" in call.query:
        try:
            cas = unsigned(call.query.value("cas"))
        except InvalidRequest as error:
            raise InvalidRequest("autopilot-cas", **error.values) from None
    refuse_foreign_datacenter(call)
    return Reply(body=encoded(await call.engine.propose(SetAutopilot(config, cas))))


def _configuration(body: AutopilotBody) -> Autopilot:
    return Autopilot(
        cleanup_dead_servers=body.cleanup_dead_servers,
        last_contact_threshold_ns=duration_ns(body.last_contact_threshold),
        max_trailing_logs=body.max_trailing_logs,
        min_quorum=body.min_quorum,
        server_stabilization_time_ns=duration_ns(body.server_stabilization_time),
        redundancy_zone_tag=body.redundancy_zone_tag,
        disable_upgrade_migration=body.disable_upgrade_migration,
        upgrade_version_tag=body.upgrade_version_tag,
    )


@endpoint("GET", "/v1/operator/autopilot/health", source="api-docs/operator/autopilot#read-health")
async def show_health(call: Call) -> Reply:
    """The servers as autopilot sees them; 200, or 429 while the store is away, and a JSON object.

    Query: dc, read mode. Errors: as for the raft configuration.
    """
    away = await servers_known(call)
    version, index, found = _version(call), call.engine.state.applied, replicas(call.engine.state)
    servers = [
        in_order({
            "ID": one.id, "Name": one.name, "Address": host_port(one.address, one.port), "SerfStatus": "alive",
            "Version": version, "Leader": one.leads and not away, "LastContact": "0s", "LastTerm": TERM,
            "LastIndex": index, "Healthy": not away, "Voter": True, "StableSince": _stable_since(call, one, "seconds"),
        })
        for one in found
    ]  # fmt: skip
    shown = in_order({"Healthy": not away, "FailureTolerance": _tolerance(found), "Servers": servers})
    return Reply(status=_UNHEALTHY if away else 200, body=encoded(shown))


@endpoint("GET", "/v1/operator/autopilot/state", source="api-docs/operator/autopilot#read-the-autopilot-state")
async def show_state(call: Call) -> Reply:
    """The same in more detail; 200 and a JSON object. Query and errors as for the health."""
    away = await servers_known(call)
    state = call.engine.state
    version, found, tolerance = _version(call), replicas(state), _tolerance(replicas(state))
    servers = {
        one.id: in_order({
            "ID": one.id, "Name": one.name, "Address": host_port(one.address, one.port), "NodeStatus": "alive",
            "Version": version, "LastContact": "0s", "LastTerm": TERM, "LastIndex": state.applied,
            "Healthy": not away, "StableSince": _stable_since(call, one, "microseconds"), "ReadReplica": False,
            "Status": "leader" if one.leads and not away else "voter", "Meta": state.server.meta, "NodeType": "voter",
        })
        for one in found
    }  # fmt: skip
    shown = in_order({
        "Healthy": not away, "FailureTolerance": tolerance, "OptimisticFailureTolerance": tolerance,
        "Servers": servers, "Leader": next((one.id for one in found if one.leads and not away), ""),
        "Voters": [one.id for one in found],
    })  # fmt: skip
    return Reply(body=encoded(shown))


def _tolerance(servers: list[Replica]) -> int:
    """How many may fail: all but one, since each of them is a quorum."""
    return len(servers) - 1


def _version(call: Call) -> str:
    return call.engine.state.server.service_meta.get("version", "")


def _stable_since(call: Call, one: Replica, precision: str) -> str:
    """When the server started; one that did not say so is as old as this one."""
    began = datetime.fromtimestamp(one.since or call.server.started_at, UTC)
    return began.isoformat(timespec=precision).replace("+00:00", "Z")
