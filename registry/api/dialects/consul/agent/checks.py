"""Writes about checks through the agent: registration, removal, and signs of life of TTL checks.

Owns the order of a write and the length of a posted output. Bodies, rules and
defaults are those of `registration/`; reads are in `reads.py`.
Source: agent.md §7, §8.5.
"""

import re

from registry.api.call import Call
from registry.api.dialects.consul.go.bodies import Decoder
from registry.api.dialects.consul.params import refuse_enterprise
from registry.api.dialects.consul.registration.bodies import CheckRegistration, CheckUpdate
from registry.api.dialects.consul.registration.checks import check_registration
from registry.api.dialects.consul.registration.validation import UNRUNNABLE
from registry.api.dialects.consul.routes import endpoint
from registry.api.reply import Reply
from registry.commands import DeregisterLocalCheck, RegisterLocalCheck
from registry.errors import InvalidRequest, NotFound
from registry.model.check import CRITICAL, PASSING, STATUSES, WARNING, Check

_decoded_registration = Decoder(CheckRegistration)
_decoded_update = Decoder(CheckUpdate)
_CUT_CHARACTER = re.compile("[\udc80-\udcff]")  # each byte of it, as Go shows them


@endpoint("PUT", "/v1/agent/check/register", source="api-docs/agent/check#register-check")
async def register_check(call: Call) -> Reply:
    """Write a check of our node or, with ServiceID, of a service on it; 200 without a body.

    One that is there already keeps its status and output.
    Errors: `decode`, those of `check_registration`, NotFound `check-service`.
    """
    refuse_enterprise(call)
    body = _decoded_registration(await call.body())
    await call.engine.propose(RegisterLocalCheck(await _checked(call, body)))
    return Reply()


async def _checked(call: Call, body: CheckRegistration) -> Check:
    """The check; that its service is not there is said before that such checks are not run here."""
    try:
        return check_registration(body, scripts=call.server.settings.enable_script_checks)
    except InvalidRequest as error:
        if error.reason in UNRUNNABLE and body.service_id and not await _there(call, body.service_id):
            raise NotFound("check-service", id=body.service_id) from None
        raise


async def _there(call: Call, service_id: str) -> bool:
    """Whether the node has the service; another replica may know it before we do."""
    if call.engine.state.local_service(service_id) is None and call.engine.shared:
        await call.engine.confirm()
    return call.engine.state.local_service(service_id) is not None


@endpoint("PUT", "/v1/agent/check/deregister/{check_id}", source="api-docs/agent/check#deregister-check")
async def deregister_check(call: Call) -> Reply:
    """Remove a check of our node by its exact id; 200 without a body. Errors: NotFound `check`."""
    refuse_enterprise(call)
    await call.engine.propose(DeregisterLocalCheck(call.argument))
    return Reply()


@endpoint("PUT", "/v1/agent/check/pass/{check_id}", source="api-docs/agent/check#ttl-check-pass")
async def pass_check(call: Call) -> Reply:
    """Say that a TTL check passes; starts its time anew. Query: note (the output).

    Errors: NotFound `check`, `not-ttl`.
    """
    return await _noted(call, PASSING)


@endpoint("PUT", "/v1/agent/check/warn/{check_id}", source="api-docs/agent/check#ttl-check-warn")
async def warn_check(call: Call) -> Reply:
    """Say that a TTL check warns; as for pass."""
    return await _noted(call, WARNING)


@endpoint("PUT", "/v1/agent/check/fail/{check_id}", source="api-docs/agent/check#ttl-check-fail")
async def fail_check(call: Call) -> Reply:
    """Say that a TTL check fails; as for pass."""
    return await _noted(call, CRITICAL)


async def _noted(call: Call, status: str) -> Reply:
    refuse_enterprise(call)
    await _beat(call, status, call.query.value("note"))
    return Reply()


@endpoint("PUT", "/v1/agent/check/update/{check_id}", source="api-docs/agent/check#ttl-check-update")
async def update_check(call: Call) -> Reply:
    """Give a TTL check a status and an output from the body; starts its time anew.

    Errors, in order: `decode`, `check-update-status`, enterprise selectors, NotFound `check`, `not-ttl`.
    """
    body = _decoded_update(await call.body())
    if body.status not in STATUSES:
        raise InvalidRequest("check-update-status", status=body.status)
    refuse_enterprise(call)
    await _beat(call, body.status, body.output)
    return Reply()


async def _beat(call: Call, status: str, output: str) -> None:
    if output:
        output = shortened(output, _limit_bytes(call))
    await call.engine.beat(call.argument, status, output)


def _limit_bytes(call: Call) -> int:
    """How much of an output is kept: the setting, or less where the check says so."""
    limit: int = call.server.settings.check_output_max_bytes
    check = call.engine.state.local_check(call.argument)
    own = check.runs.output_max_size if check is not None and check.runs is not None else 0
    return min(limit, own) if own > 0 else limit


def shortened(output: str, limit_bytes: int) -> str:
    """The output, or its first `limit_bytes` and a word about the rest."""
    if len(output) <= limit_bytes // 4:  # no character is longer than four bytes
        return output
    whole = output.encode("utf-8", "replace")
    if len(whole) <= limit_bytes:
        return output
    kept = _CUT_CHARACTER.sub("\ufffd", whole[:limit_bytes].decode("utf-8", "surrogateescape"))
    return f"{kept} ... (captured {limit_bytes} of {len(whole)} bytes)"
