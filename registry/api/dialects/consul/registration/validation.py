"""What Consul refuses in services and checks registered through the agent, in Consul's order and words.

Owns the rules that need no state. Those of the mesh are `validation_mesh.py`, of decoding `go/bodies.py`; ports
that run out, ids that exist or not are judged by the state.
Source: agent.md §6 (order of validation), §7.1, §8.2, §8.4.
"""

from collections.abc import Sequence

from registry.api.dialects.consul.go.text import listed
from registry.api.dialects.consul.registration.bodies import (
    AddressBody,
    CheckBody,
    CheckFields,
    CheckRegistration,
    ServiceBody,
    WeightsBody,
)
from registry.api.dialects.consul.registration.validation_mesh import mesh_problems
from registry.errors import InvalidRequest
from registry.model.addresses import ip_version
from registry.model.check import STATUSES
from registry.model.meta import meta_problem

UNUSABLE_ADDRESSES = frozenset({"0.0.0.0", "::", "[::]"})
UNRUNNABLE = frozenset({"scripts-disabled", "os-service"})  # the reasons of `refuse_unrunnable`
HIGHEST_WEIGHT = 65535  # what an SRV record can say

_ADDRESS_VERSIONS = (("lan_ipv4", 4), ("wan_ipv4", 4), ("lan_ipv6", 6))  # Consul does not look at wan_ipv6
_NO_CHECK = CheckBody()
# An id that is ignored says nothing, nor does an empty list of arguments; an empty map of headers does.
_SAYING = tuple(name for name in CheckBody.__struct_fields__ if name not in ("service_id", "script_args"))


def refuse_invalid_service(body: ServiceBody) -> None:
    """The rules about a service itself, then about its checks, then about its sidecar's checks.

    Raises:
        InvalidRequest: `service-name`, `service-address`, `service-weights`, `service-meta`, `service-invalid`,
            `check-invalid`, `sidecar-check-invalid`, `service-check-status`.
    """
    if not body.name:
        raise InvalidRequest("service-name")
    if body.address in UNUSABLE_ADDRESSES:
        raise InvalidRequest("service-address")
    if body.weights is not None and (problem := weights_problem(body.weights)):
        raise InvalidRequest("service-weights", problem=problem)
    if body.meta and (problem := meta_problem(body.meta, body.kind)):
        raise InvalidRequest("service-meta", problem=problem)
    if problems := mesh_problems(body):
        raise InvalidRequest("service-invalid", problem=listed(problems))
    _refuse_invalid_checks(sent_checks(body), "check-invalid")
    if body.connect is not None and body.connect.sidecar_service is not None:
        _refuse_invalid_checks(sent_checks(body.connect.sidecar_service), "sidecar-check-invalid")


def refuse_invalid_sidecar(sidecar: ServiceBody) -> None:
    """The rules about a sidecar that has taken over what it did not say itself.

    Raises:
        InvalidRequest: `sidecar-meta`, `sidecar-invalid`.
    """
    if sidecar.meta and (problem := meta_problem(sidecar.meta, sidecar.kind)):
        raise InvalidRequest("sidecar-meta", problem=problem)
    if problems := mesh_problems(sidecar, port_follows=True):
        raise InvalidRequest("sidecar-invalid", problem=listed(problems))


def sent_checks(body: ServiceBody) -> list[CheckBody]:
    """The checks of a service in the order that numbers them: `Check`, if it says anything, then `Checks`."""
    check, checks = body.check, body.checks
    if check is None or not _says_anything(check):
        return checks or []
    return [check, *checks] if checks else [check]


def _says_anything(check: CheckBody) -> bool:
    if check.ttl or check.interval or check.script_args:
        return True
    fields = (getattr(check, name) for name in _SAYING)
    empty = (getattr(_NO_CHECK, name) for name in _SAYING)
    return any(ours != none and ours is not False for ours, none in zip(fields, empty, strict=True))


def _refuse_invalid_checks(checks: Sequence[CheckBody], reason: str) -> None:
    for check in checks:
        if problem := check_problem(check):
            raise InvalidRequest(reason, problem=problem)
    for check in checks:
        if check.status and check.status not in STATUSES:
            raise InvalidRequest("service-check-status")


def refuse_invalid_check(body: CheckRegistration) -> None:
    """The rules about a check that is registered on its own.

    Raises:
        InvalidRequest: `check-name`, `check-status`, `check-invalid`.
    """
    if not body.name:
        raise InvalidRequest("check-name")
    if body.status and body.status not in STATUSES:
        raise InvalidRequest("check-status")
    if problem := check_problem(body):
        raise InvalidRequest("check-invalid", problem=problem)


def check_problem(check: CheckFields) -> str | None:
    """The first rule that the definition of a check breaks."""
    active = bool(
        check.http or check.tcp or check.grpc or check.script_args or check.udp or check.h2ping or check.os_service
    )
    alias = bool(check.alias_node or check.alias_service)
    interval, ttl = check.interval, check.ttl
    if interval > 0 and ttl > 0:
        return "Interval and TTL cannot both be specified"
    if active and interval <= 0:
        return "Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks"
    if active and alias:
        return "Interval cannot be set for Alias checks"
    if alias and ttl > 0:
        return "TTL must be not be set for Alias checks"
    if not active and not alias and ttl <= 0:
        return "TTL must be > 0 for TTL checks"
    if check.output_max_size < 0:
        return "MaxOutputMaxSize must be positive"
    if check.failures_before_warning > check.failures_before_critical:
        return "FailuresBeforeWarning can't be higher than FailuresBeforeCritical"
    return None


def weights_problem(weights: WeightsBody) -> str | None:
    """What is wrong with the weights of a service."""
    if weights.passing < 1:
        return "Passing must be greater than 0"
    if weights.warning < 0:
        return "Warning must be greater or equal than 0"
    if weights.passing > HIGHEST_WEIGHT or weights.warning > HIGHEST_WEIGHT:
        return f"DNS Weight must be between 0 and {HIGHEST_WEIGHT}"
    return None


def refuse_wrong_addresses(tagged: dict[str, AddressBody] | None) -> None:
    """The rule about tagged addresses whose name promises a kind of address.

    Raises:
        InvalidRequest: `tagged-address`.
    """
    for tag, version in _ADDRESS_VERSIONS if tagged else ():
        address = tagged.get(tag) if tagged else None
        if address is not None and ip_version(address.address) != version:
            raise InvalidRequest("tagged-address", tag=tag, family=f"ipv{version}")


def refuse_unrunnable(check: CheckFields, *, scripts: bool) -> None:
    """The rules about checks that this agent does not run.

    Raises:
        InvalidRequest: `scripts-disabled`, unless `scripts`; `os-service`, which only Windows has.
    """
    if check.script_args and not scripts:
        raise InvalidRequest("scripts-disabled")
    if check.os_service and not (check.ttl > 0 or check.http or check.tcp or check.udp or check.grpc or _docker(check)):
        raise InvalidRequest("os-service")


def _docker(check: CheckFields) -> bool:
    return bool(check.docker_container_id and check.script_args)
