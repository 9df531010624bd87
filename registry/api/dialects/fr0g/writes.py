"""Registration and removal in the fr0g shape. Registering again what is there is a sign of life.

Source: dialects.md §6.1, §6.3 and M-16.
"""

from registry.api.agents import born, newborn, refuse_reserved, removed
from registry.api.call import Call
from registry.api.dialects.fr0g.routes import endpoint
from registry.api.dialects.fr0g.wire import service_info
from registry.api.lenient import Fields
from registry.api.reply import Reply
from registry.api.rest import json_reply
from registry.errors import InvalidRequest, NotFound
from registry.model import duration
from registry.model.agent import FR0G, liveness_id
from registry.model.check import PASSING, Check, CheckDefinition
from registry.model.meta import meta_problem
from registry.model.record import Record
from registry.model.service import Instance

_LARGEST_PORT = 65_535
_TIMEOUT_SECONDS = 10.0  # of a check that names none: Consul's
_REGISTER = "/v1/agent/service/register"


@endpoint("PUT", _REGISTER, source="dialects.md §6.3")
@endpoint("POST", _REGISTER, source="dialects.md §6.3")
async def register(call: Call) -> Reply:
    """Write a service under the id it brings, or its name; alive from birth.

    Again with nothing new it is a sign of life, and the catalog stays as it is.
    """
    fields = Fields.of(await call.body())
    instance = _instance(call, fields)
    record = await _written(call, instance, _checks(call, fields, instance))
    (seen,) = await call.engine.agents.last_seen([record])
    service = service_info(record, seen)
    return json_reply({"message": "Service registered successfully", "service": service, "status": "success"})


def _instance(call: Call, fields: Fields) -> Instance:
    """The instance of a registration.

    Raises:
        InvalidRequest: `missing`, `field`, `port`, `meta`, `type-reserved`.
    """
    name, port = fields.text("name"), fields.whole("port")
    if not name:
        raise InvalidRequest("missing", field="name")
    refuse_reserved("name", name)
    if not 0 <= port <= _LARGEST_PORT:
        raise InvalidRequest("port", port=port)
    return Instance(
        node="", id=fields.text("id") or name, name=name, address=fields.text("address"), port=port,
        tags=fields.texts("tags"), meta=_meta(fields), agent=newborn(call.server.settings, FR0G),
    )  # fmt: skip


def _meta(fields: Fields) -> dict[str, str]:
    meta = fields.map("meta")
    if not all(isinstance(value, str) for value in meta.values()):
        raise InvalidRequest("meta", problem="its values must be strings")
    problem = meta_problem(meta, kind="")
    if problem:
        raise InvalidRequest("meta", problem=problem)
    return meta


def _checks(call: Call, fields: Fields, instance: Instance) -> tuple[Check, ...]:
    """The check that comes with it: over HTTP, or to a TCP port. A check that does neither is ignored."""
    check = fields.part("check")
    http, tcp = check.text("http"), check.text("tcp")
    if not (http or tcp):
        return ()
    interval = _nanoseconds(check, "interval", call.server.settings.fr0g_check_interval_seconds)
    timeout = _nanoseconds(check, "timeout", _TIMEOUT_SECONDS)
    runs = CheckDefinition(interval_ns=interval, timeout_ns=timeout, http=http, tcp="" if http else tcp)
    made = Check(
        node="", id=f"{liveness_id(instance.id)}:1", name=f"Service '{instance.name}' check", status=PASSING,
        service_id=instance.id, type="http" if http else "tcp", interval=duration.text(interval),
        timeout=duration.text(timeout), runs=runs,
    )  # fmt: skip
    return (made,)


def _nanoseconds(check: Fields, field: str, default_seconds: float) -> int:
    """A positive duration; the default where there is none.

    Raises:
        InvalidRequest: `check-duration`.
    """
    text = check.text(field)
    if not text:
        return round(default_seconds * 1e9)
    try:
        found = duration.nanoseconds(text)
    except InvalidRequest:
        found = 0
    if found <= 0:
        raise InvalidRequest("check-duration", field=field, value=text)
    return found


async def _written(call: Call, instance: Instance, checks: tuple[Check, ...]) -> Record:
    agents = call.engine.agents
    known = call.engine.state.record(instance.id)
    if known is not None and known.local and _says(known, instance, checks):
        try:
            await agents.beat(instance.id, PASSING)
            record = agents.known(instance.id)
            call.server.metrics.arrivals.registered(record.type)
            return record
        except NotFound:  # it has just been removed
            pass
    return await born(call, instance, status=PASSING, checks=checks)


def _says(known: Record, new: Instance, checks: tuple[Check, ...]) -> bool:
    """Whether the catalog has all that a registration says."""
    old = known.instance
    if (old.name, old.address, old.port, old.tags or ()) != (new.name, new.address, new.port, new.tags or ()):
        return False
    runs = {check.id: check.runs for check in known.checks}
    return (old.meta or {}) == (new.meta or {}) and all(runs.get(one.id) == one.runs for one in checks)


@endpoint("PUT", "/v1/agent/service/deregister/{id}", source="dialects.md §6.1")
async def deregister(call: Call) -> Reply:
    """Remove a service for good.

    Errors: NotFound `agent`, as a text of status 500.
    """
    if not await removed(call, call.argument):
        raise NotFound("agent", id=call.argument)
    return json_reply({"message": "Service deregistered successfully", "status": "success"})
