"""From the body of a transaction to its operations, with what is wrong with each before anything is tried.

Owns what is carried over, defaults, and the rules that need no state. Which texts these have is `errors.py`.
Source: txn.md §1, §4, §5.
"""

from typing import get_args

from msgspec import Struct

from registry.api.dialects.consul.go.text import listed
from registry.api.dialects.consul.registration.bodies import ConnectBody, LocalityBody
from registry.api.dialects.consul.registration.bodies_mesh import ProxyBody
from registry.api.dialects.consul.registration.catalog import node_id_problem
from registry.api.dialects.consul.registration.checks import header
from registry.api.dialects.consul.registration.mesh import proxy
from registry.api.dialects.consul.registration.services import stored_weights, tagged_addresses
from registry.api.dialects.consul.registration.validation import UNUSABLE_ADDRESSES
from registry.api.dialects.consul.registration.validation_mesh import mesh_problems
from registry.api.dialects.consul.txn.bodies import (
    CheckBody,
    CheckDefinitionBody,
    CheckOpBody,
    KeyOpBody,
    NodeOpBody,
    OpBody,
    ServiceOpBody,
)
from registry.commands import CheckOp, KeyOp, NodeOp, ServiceOp
from registry.commands.keys import WRITE_VERBS, ReadVerb
from registry.commands.transaction import Op, RowVerb
from registry.errors import InvalidRequest, RequestError
from registry.model.check import CRITICAL, Check, CheckDefinition
from registry.model.node import Node
from registry.model.service import Instance

_KEY_VERBS = WRITE_VERBS | frozenset(get_args(ReadVerb))
_ROW_VERBS = frozenset(get_args(RowVerb))
_NO_DEFINITION = CheckDefinition()

OpPart = KeyOpBody | NodeOpBody | ServiceOpBody | CheckOpBody


class Prepared(Struct):
    """The operations of a transaction that are in order, and what is wrong with the others, each with its position."""

    ops: tuple[tuple[int, Op], ...]
    errors: tuple[tuple[int, RequestError], ...]
    writes: bool

    @property
    def all(self) -> tuple[Op, ...]:
        """The operations, where nothing is wrong with any."""
        return tuple(op for _, op in self.ops)


def parts(bodies: list[OpBody]) -> list[OpPart]:
    """What each operation is about; those that are about nothing are passed over."""
    found = (next((one for one in (op.kv, op.node, op.service, op.check) if one is not None), None) for op in bodies)
    return [one for one in found if one is not None]


def prepared(some: list[OpPart], datacenter: str) -> Prepared:
    """The operations, judged one by one; `datacenter` is that of nodes that name none."""
    ops: list[tuple[int, Op]] = []
    errors: list[tuple[int, RequestError]] = []
    for position, part in enumerate(some):
        try:
            ops.append((position, _op(part, datacenter)))
        except RequestError as error:
            errors.append((position, error))
    return Prepared(tuple(ops), tuple(errors), any(map(_writes, some)))


def _writes(part: OpPart) -> bool:
    return part.verb in WRITE_VERBS if isinstance(part, KeyOpBody) else part.verb != "get"


def _op(part: OpPart, datacenter: str) -> Op:
    match part:
        case KeyOpBody():
            return _key_op(part)
        case NodeOpBody():
            return _node_op(part, datacenter)
        case ServiceOpBody():
            return _service_op(part)
        case CheckOpBody():
            return _check_op(part)


def _known(verb: str, verbs: frozenset[str], kind: str) -> None:
    if verb not in verbs:
        raise InvalidRequest("txn-verb", kind=kind, verb=verb)


def _key_op(body: KeyOpBody) -> KeyOp:
    if not body.key and body.verb != "delete-tree":
        raise InvalidRequest("txn-key")
    _known(body.verb, _KEY_VERBS, "KV")
    key = body.key.encode("utf-8", "replace")
    return KeyOp(body.verb, key, body.octets, body.flags, body.index, body.session)  # type: ignore[arg-type]


def _node_op(body: NodeOpBody, datacenter: str) -> NodeOp:
    sent = body.node
    if body.verb != "get":
        if not sent.node:
            raise InvalidRequest("catalog-node")
        if sent.id and (problem := node_id_problem(sent.id)):
            raise InvalidRequest("catalog-node-id", problem=problem)
    _known(body.verb, _ROW_VERBS, "node")
    node = Node(
        name=sent.node,
        id=sent.id,
        address=sent.address,
        datacenter=sent.datacenter or datacenter,
        tagged_addresses=sent.tagged_addresses,
        meta=sent.meta,
    )
    return NodeOp(body.verb, node, sent.modify_index)  # type: ignore[arg-type]


def _service_op(body: ServiceOpBody) -> ServiceOp:
    sent = body.service
    service_id = sent.id
    if body.verb != "get":
        _refuse_invalid(body)
        service_id = sent.id or sent.service
    _known(body.verb, _ROW_VERBS, "service")
    tags = sent.tags
    service = Instance(
        node=body.node,
        id=service_id,
        name=sent.service,
        kind=sent.kind,
        tags=tuple(tags) if tags is not None else None,
        address=sent.address,
        tagged_addresses=tagged_addresses(sent.tagged_addresses),
        meta=sent.meta,
        port=sent.port,
        weights=stored_weights(sent.weights),
        enable_tag_override=sent.enable_tag_override,
        proxy=proxy(_kept(sent.proxy)),
    )
    return ServiceOp(body.verb, service, sent.modify_index)  # type: ignore[arg-type]


def _refuse_invalid(body: ServiceOpBody) -> None:
    sent = body.service
    if sent.kind and (problems := mesh_problems(_MeshPart(sent.kind, sent.port, _kept(sent.proxy)))):
        raise InvalidRequest("catalog-service-invalid", problem=listed(problems))
    if not sent.service:
        raise InvalidRequest("catalog-service-name-with-id" if sent.id else "catalog-service-name")
    if sent.address in UNUSABLE_ADDRESSES:
        raise InvalidRequest("catalog-service-address")


class _MeshPart(Struct):
    """What the rules of the mesh see of a service; nothing else of it is carried over."""

    kind: str
    port: int
    proxy: ProxyBody | None
    socket_path: str = ""
    locality: LocalityBody | None = None
    connect: ConnectBody | None = None


def _kept(sent: ProxyBody | None) -> ProxyBody | None:
    """The part of a proxy's configuration that is carried over."""
    if sent is None:
        return None
    return ProxyBody(
        destination_service_name=sent.destination_service_name,
        destination_service_id=sent.destination_service_id,
        local_service_address=sent.local_service_address,
        local_service_port=sent.local_service_port,
        local_service_socket_path=sent.local_service_socket_path,
        mesh_gateway=sent.mesh_gateway,
        transparent_proxy=sent.transparent_proxy,
    )


def _check_op(body: CheckOpBody) -> CheckOp:
    _known(body.verb, _ROW_VERBS, "check")
    sent = body.check
    check_id = sent.check_id if body.verb == "get" else sent.check_id or sent.name
    return CheckOp(body.verb, _check(sent, check_id), sent.modify_index)  # type: ignore[arg-type]


def _check(sent: CheckBody, check_id: str) -> Check:
    definition, tags = _definition(sent.definition), sent.service_tags
    return Check(
        node=sent.node,
        id=check_id,
        name=sent.name,
        status=sent.status or CRITICAL,
        notes=sent.notes,
        output=sent.output,
        service_id=sent.service_id,
        service_name=sent.service_name,
        service_tags=tuple(tags) if tags is not None else None,
        exposed_port=sent.exposed_port,
        definition=definition if definition != _NO_DEFINITION else None,
    )


def _definition(sent: CheckDefinitionBody) -> CheckDefinition:
    return CheckDefinition(
        interval_ns=sent.interval or 0,
        timeout_ns=sent.timeout or 0,
        deregister_critical_service_after_ns=sent.deregister_critical_service_after or 0,
        http=sent.http,
        header=header(sent.header),
        method=sent.method,
        body=sent.body,
        tls_server_name=sent.tls_server_name,
        tls_skip_verify=sent.tls_skip_verify,
        tcp=sent.tcp,
        tcp_use_tls=sent.tcp_use_tls,
        os_service=sent.os_service,
        grpc=sent.grpc,
        grpc_use_tls=sent.grpc_use_tls,
    )
