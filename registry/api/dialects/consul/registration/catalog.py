"""From the bodies of the catalog's writes to commands: rules that need no state, and defaults.

Owns the order of the rules. Whether checks fit the node, whose name it is, and the limits of metadata are
judged by the state, in this order after what is here.
Source: catalog.md §1.2, §1.3, §2.
"""

from string import hexdigits

from registry.api.dialects.consul.go.text import code_point, listed
from registry.api.dialects.consul.registration.bodies_catalog import (
    DefinitionBody,
    DeregisterBody,
    HealthCheckBody,
    NodeServiceBody,
    RegisterBody,
)
from registry.api.dialects.consul.registration.checks import check_type, header
from registry.api.dialects.consul.registration.mesh import proxy
from registry.api.dialects.consul.registration.services import locality, stored_weights, tagged_addresses
from registry.api.dialects.consul.registration.validation import UNUSABLE_ADDRESSES
from registry.api.dialects.consul.registration.validation_mesh import mesh_problems
from registry.commands import Deregister, Register
from registry.errors import InvalidRequest
from registry.model.check import CRITICAL, Check, CheckDefinition
from registry.model.node import Node
from registry.model.service import Instance

_UUID_BYTES = 36
_DASHES = (8, 13, 18, 23)
_HEX = hexdigits.encode()
_NO_DEFINITION = CheckDefinition()


def catalog_registration(body: RegisterBody, datacenter: str) -> Register:
    """The command that a registration asks for, in our datacenter.

    Raises:
        InvalidRequest: `catalog-peer`, `datacenter`, `catalog-node`, `catalog-node-id`, `catalog-address`,
            `catalog-service-invalid`, `catalog-service-name`, `catalog-service-name-with-id`,
            `catalog-service-address`.
    """
    checks = list(body.checks) if body.checks else []
    if body.check is not None:
        checks.append(body.check)
    if body.peer_name or (body.service is not None and body.service.peer_name) or any(one.peer_name for one in checks):
        raise InvalidRequest("catalog-peer")
    _refuse_elsewhere(body.datacenter, body.node, datacenter)
    if body.id and (problem := node_id_problem(body.id)):
        raise InvalidRequest("catalog-node-id", problem=problem)
    if not body.address and not body.skip_node_update:
        raise InvalidRequest("catalog-address")
    service = None
    if body.service is not None:
        _refuse_invalid(body.service)
        service = _instance(body.service, body.node)
    node = Node(
        name=body.node,
        id=body.id,
        address=body.address,
        datacenter=datacenter,
        tagged_addresses=body.tagged_addresses,
        meta=body.node_meta,
        locality=locality(body.locality),
    )
    return Register(
        node=node,
        service=service,
        checks=tuple([_check(one, body.node) for one in checks]),
        skip_node_update=body.skip_node_update,
    )


def catalog_deregistration(body: DeregisterBody, datacenter: str) -> Deregister | None:
    """The command that a removal asks for; None for what belongs to a peer, of which we hold nothing.

    Raises:
        InvalidRequest: `datacenter`, `catalog-node`.
    """
    _refuse_elsewhere(body.datacenter, body.node, datacenter)
    if body.peer_name:
        return None
    return Deregister(body.node, body.service_id, body.check_id)


def _refuse_elsewhere(asked: str, node: str, datacenter: str) -> None:
    if asked and asked != datacenter:  # case counts here, unlike in names
        raise InvalidRequest("datacenter")
    if not node:
        raise InvalidRequest("catalog-node")


def node_id_problem(text: str) -> str | None:
    """What is wrong with the id of a node, in Go's words; None for nothing."""
    raw = text.encode("utf-8", "replace")
    if len(raw) != _UUID_BYTES:
        return "uuid string is wrong length"
    if any(raw[position] != ord("-") for position in _DASHES):
        return "uuid is improperly formatted"
    for position, byte in enumerate(raw):
        if position not in _DASHES and byte not in _HEX:
            return f"encoding/hex: invalid byte: {code_point(byte)}"
    return None


def _refuse_invalid(service: NodeServiceBody) -> None:
    if problems := mesh_problems(service):
        raise InvalidRequest("catalog-service-invalid", problem=listed(problems))
    if not service.service:
        raise InvalidRequest("catalog-service-name-with-id" if service.id else "catalog-service-name")
    if service.address in UNUSABLE_ADDRESSES:
        raise InvalidRequest("catalog-service-address")


def _instance(body: NodeServiceBody, node: str) -> Instance:
    tags = body.tags
    return Instance(
        node=node,
        id=body.id or body.service,
        name=body.service,
        kind=body.kind,
        tags=tuple(tags) if tags is not None else None,
        address=body.address,
        tagged_addresses=tagged_addresses(body.tagged_addresses),
        meta=body.meta,
        port=body.port,
        socket_path=body.socket_path,
        weights=stored_weights(body.weights),
        enable_tag_override=body.enable_tag_override,
        locality=locality(body.locality),
        proxy=proxy(body.proxy),
        native=body.connect is not None and body.connect.native,
    )


def _check(body: HealthCheckBody, node: str) -> Check:
    definition = _definition(body.definition) if body.definition is not None else _NO_DEFINITION
    tags = body.service_tags
    return Check(
        node=body.node or node,
        id=body.check_id or body.name,
        name=body.name,
        status=body.status or CRITICAL,
        notes=body.notes,
        output=body.output,
        service_id=body.service_id,
        service_name=body.service_name,
        service_tags=tuple(tags) if tags is not None else None,
        type=body.type or check_type(definition),
        interval=body.interval,
        timeout=body.timeout,
        exposed_port=body.exposed_port,
        definition=definition if definition != _NO_DEFINITION else None,
    )


def _definition(body: DefinitionBody) -> CheckDefinition:
    return CheckDefinition(
        interval_ns=body.interval,
        timeout_ns=body.timeout,
        ttl_ns=body.ttl,
        deregister_critical_service_after_ns=body.deregister_critical_service_after,
        output_max_size=body.output_max_size,
        http=body.http,
        header=header(body.header),
        method=body.method,
        body=body.body,
        disable_redirects=body.disable_redirects,
        tls_server_name=body.tls_server_name,
        tls_skip_verify=body.tls_skip_verify,
        tcp=body.tcp,
        tcp_use_tls=body.tcp_use_tls,
        udp=body.udp,
        h2ping=body.h2ping,
        h2ping_use_tls=body.h2ping_use_tls,
        os_service=body.os_service,
        script_args=tuple(body.script_args) if body.script_args else None,
        docker_container_id=body.docker_container_id,
        shell=body.shell,
        grpc=body.grpc,
        grpc_use_tls=body.grpc_use_tls,
        alias_node=body.alias_node,
        alias_service=body.alias_service,
        session_name=body.session_name,
    )
