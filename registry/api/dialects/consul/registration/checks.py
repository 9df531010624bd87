"""From the bodies of checks to the model: ids, names, types and what is shown of them.

Owns what Consul fills in for a check inside a service and for one on its own. What is refused is
`validation.py`; the catalog's checks are `catalog.py`.
Source: agent.md §7.1, §8.1, §8.3.
"""

from collections.abc import Mapping, Sequence

from registry.api.dialects.consul.registration.bodies import CheckBody, CheckFields, CheckRegistration
from registry.api.dialects.consul.registration.validation import refuse_invalid_check, refuse_unrunnable
from registry.model import duration
from registry.model.check import CRITICAL, Check, CheckDefinition
from registry.model.names import fold


def service_checks(
    sent: Sequence[CheckBody], service_id: str, service_name: str, *, scripts: bool
) -> tuple[Check, ...]:
    """The checks of a service, whose rules have been looked at, in the order that numbers them.

    Of several with one id the last one counts, its first status included.

    Raises:
        InvalidRequest: `scripts-disabled`, `os-service`.
    """
    if not sent:
        return ()
    default_id = f"service:{service_id}"
    default_name = f"Service '{service_name}' check"
    checks: dict[str, Check] = {}
    for number, body in enumerate(sent, 1):
        refuse_unrunnable(body, scripts=scripts)
        runs = check_definition(body)
        check_id = body.check_id or (default_id if len(sent) == 1 else f"{default_id}:{number}")
        checks[fold(check_id)] = Check(
            node="",
            id=check_id,
            name=body.name or default_name,
            status=body.status or CRITICAL,
            notes=body.notes,
            service_id=service_id,
            type=check_type(runs),
            interval=duration.text(body.interval) if body.interval else "",
            timeout=duration.text(body.timeout) if body.timeout else "",
            runs=runs,
        )
    return tuple(checks.values())


def check_registration(body: CheckRegistration, *, scripts: bool) -> Check:
    """The check that a registration on its own asks for.

    Raises:
        InvalidRequest: a rule of `validation.py` is broken.
    """
    refuse_invalid_check(body)
    refuse_unrunnable(body, scripts=scripts)
    runs = check_definition(body)
    return Check(
        node="",
        id=body.id or body.name,
        name=body.name,
        status=body.status or CRITICAL,
        notes=body.notes,
        service_id=body.service_id,
        type=check_type(runs),
        interval=duration.text(body.interval),
        timeout=duration.text(body.timeout),
        runs=runs,
    )


def check_definition(body: CheckFields) -> CheckDefinition:
    """What the check does."""
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
        h2ping_use_tls=bool(body.h2ping) and body.h2ping_use_tls is not False,
        os_service=body.os_service,
        script_args=tuple(body.script_args) if body.script_args else None,
        docker_container_id=body.docker_container_id,
        shell=body.shell,
        grpc=body.grpc,
        grpc_use_tls=body.grpc_use_tls,
        alias_node=body.alias_node,
        alias_service=body.alias_service,
        success_before_passing=body.success_before_passing,
        failures_before_warning=body.failures_before_warning,
        failures_before_critical=body.failures_before_critical,
    )


def check_type(definition: CheckDefinition) -> str:
    """The word for what a check does; empty when its definition does nothing."""
    every = definition.interval_ns > 0
    if every and definition.grpc:
        return "grpc"
    if every and definition.http:
        return "http"
    if definition.ttl_ns > 0:
        return "ttl"
    if every and definition.tcp:
        return "tcp"
    if every and definition.udp:
        return "udp"
    if definition.alias_node or definition.alias_service:
        return "alias"
    if every and definition.script_args:
        return "docker" if definition.docker_container_id else "script"
    if every and definition.h2ping:
        return "h2ping"
    return "os_service" if every and definition.os_service else ""


def header(sent: Mapping[str, Sequence[str] | None] | None) -> dict[str, tuple[str, ...]] | None:
    """Header lines of a check."""
    return {name: tuple(values or ()) for name, values in sent.items()} if sent else None
