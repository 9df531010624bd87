"""Writes about services through the agent: registration, removal, maintenance of a service and of the node.

Owns the order of a write: selectors, body, rules, command. Bodies, rules and defaults are those of `registration/`;
reads are in `reads.py`.
Source: agent.md §3.8, §6.
"""

from typing import Any

from registry.api.call import Call
from registry.api.dialects.consul.go.bodies import Decoder
from registry.api.dialects.consul.params import boolean, refuse_enterprise
from registry.api.dialects.consul.registration.bodies import ServiceBody
from registry.api.dialects.consul.registration.services import registration
from registry.api.dialects.consul.routes import endpoint
from registry.api.reply import Reply
from registry.commands import DeregisterLocal, SetMaintenance
from registry.errors import InvalidRequest

_decoded = Decoder(ServiceBody)


@endpoint("PUT", "/v1/agent/service/register", source="api-docs/agent/service#register-service")
async def register_service(call: Call) -> Reply:
    """Write a service of our node with its checks, and its sidecar; 200 without a body.

    A check that is there already keeps its status and output. Query: replace-existing-checks (empty or
    `true`) removes checks of the service that are not in the request.
    Errors: `decode`, those of `registration`, and the state's about sidecar ports.
    """
    refuse_enterprise(call)
    body = _decoded(await call.body())
    settings, query = call.server.settings, call.query
    command = registration(
        body,
        scripts=settings.enable_script_checks,
        replace_checks="replace-existing-checks" in query and query.value("replace-existing-checks") in ("", "true"),
        sidecar_ports=sidecar_ports(settings),
    )
    await call.engine.propose(command)
    call.server.metrics.arrivals.registered(command.service.service.name)
    return Reply()


def sidecar_ports(settings: Any) -> tuple[int, int]:
    """The range of automatic ports for sidecars; (0, 0) when there is none."""
    low, high = settings.sidecar_min_port, settings.sidecar_max_port
    return (low, high) if low > 0 and high > 0 else (0, 0)


@endpoint("PUT", "/v1/agent/service/deregister/{service_id}", source="api-docs/agent/service#deregister-service")
async def deregister_service(call: Call) -> Reply:
    """Remove a service of our node by its exact id, with its checks and its sidecar; 200 without a body.

    Errors: NotFound `service`. A body is ignored.
    """
    refuse_enterprise(call)
    record = call.engine.state.record(call.argument)
    await call.engine.propose(DeregisterLocal(call.argument))
    if record is not None:
        call.server.metrics.arrivals.deregistered(record.type)
    return Reply()


@endpoint("PUT", "/v1/agent/service/maintenance/{service_id}", source="api-docs/agent/service#enable-maintenance-mode")
async def set_service_maintenance(call: Call) -> Reply:
    """Take a service out of service or put it back; 200 without a body, also when it is so already.

    Query: enable (Go boolean, required), reason (shown in the notes of the check).
    Errors: `service-id`, `enable-missing`, `enable`, NotFound `service`.
    """
    if not call.argument:
        raise InvalidRequest("service-id")
    enable = _enable(call)
    refuse_enterprise(call)
    await call.engine.propose(SetMaintenance(enable, call.argument, call.query.value("reason")))
    return Reply()


@endpoint("PUT", "/v1/agent/maintenance", source="api-docs/agent#enable-maintenance-mode")
async def set_node_maintenance(call: Call) -> Reply:
    """Take the whole node out of service or put it back; as for a service. It has no enterprise selectors."""
    await call.engine.propose(SetMaintenance(_enable(call), None, call.query.value("reason")))
    return Reply()


def _enable(call: Call) -> bool:
    if "enable" not in call.query:
        raise InvalidRequest("enable-missing")
    text = call.query.value("enable")
    enable = boolean(text)
    if enable is None:
        raise InvalidRequest("enable", value=text)
    return enable
