"""The variant under `/api/v1/agents` that three agent programs of the same project speak: they choose their own ids.

Source: dialects.md §3.5.
"""

from typing import Any
from urllib.parse import urlsplit

from registry.api.agents import LEVELS, born, removed
from registry.api.call import Call
from registry.api.dialects.optiinfra.agents import beaten, instance_of, metadata_of, registered, split_address
from registry.api.dialects.optiinfra.routes import endpoint
from registry.api.dialects.optiinfra.wire import reported_status
from registry.api.lenient import Fields
from registry.api.reply import Reply
from registry.api.rest import json_reply
from registry.errors import InvalidRequest, NotFound

_PORTS = {"http": 80, "https": 443}


@endpoint("POST", "/api/v1/agents/register", source="dialects.md §3.5")
async def register(call: Call) -> Reply:
    """An agent under the id it brings; a repeat writes it anew. 200, not 201."""
    fields = Fields.of(await call.body())
    agent_id, kind = fields.text("agent_id"), fields.text("agent_type")
    for field, value in (("agent_id", agent_id), ("agent_type", kind)):
        if not value:
            raise InvalidRequest("missing", field=field)
    host, port = _address(fields)
    status, noted = reported_status(fields.text("status"))
    metadata: dict[str, Any] = {**metadata_of(call, fields, "metadata"), **noted}
    if fields.text("health_check_endpoint"):
        metadata["health_check_endpoint"] = fields.text("health_check_endpoint")
    instance = instance_of(
        call, service_id=agent_id, kind=kind, name=fields.text("agent_name") or agent_id, host=host, port=port,
        capabilities=fields.texts("capabilities"), version=fields.text("version"), metadata=metadata,
    )  # fmt: skip
    record = await born(call, instance, status=LEVELS.get(status, ""))
    return json_reply(registered(call, record))


def _address(fields: Fields) -> tuple[str, int]:
    """Host and port as they are sent, and what of them is not, of the `endpoint`."""
    host, port, url = fields.text("host"), fields.whole("port"), fields.text("endpoint")
    if host and not port:
        host, port = split_address(host)
    if url and not (host and port):
        there = _endpoint(url)
        host, port = host or there[0], port or there[1]
    return host, port


def _endpoint(text: str) -> tuple[str, int]:
    """Host and port of a URL or of `host:port`; its scheme's port where it names none.

    Raises:
        InvalidRequest: `field`.
    """
    try:
        parts = urlsplit(text if "://" in text else f"//{text.lstrip('/')}")
        if not parts.hostname:
            raise ValueError("it names no host")
        return parts.hostname, parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise InvalidRequest("field", field="endpoint", problem=str(error)) from None


@endpoint("POST", "/api/v1/agents/{id}/heartbeat", source="dialects.md §3.5")
async def heartbeat(call: Call) -> Reply:
    """A sign of life, with a status."""
    fields = Fields.of(await call.body())
    return await beaten(call, call.argument, fields.text("status"), metadata_of(call, fields, "metadata"))


@endpoint("POST", "/api/v1/agents/heartbeat", source="dialects.md §3.5")
async def named_heartbeat(call: Call) -> Reply:
    """The same with the id in the body, and figures that are merged into the metadata."""
    fields = Fields.of(await call.body())
    if not fields.text("agent_id"):
        raise InvalidRequest("missing", field="agent_id")
    return await beaten(call, fields.text("agent_id"), fields.text("status"), metadata_of(call, fields, "metrics"))


@endpoint("DELETE", "/api/v1/agents/{id}", source="dialects.md §3.5 and §4.1")
async def remove(call: Call) -> Reply:
    """Remove an agent of any system for good."""
    if not await removed(call, call.argument):
        raise NotFound("agent", id=call.argument)
    return json_reply({"message": "Agent unregistered successfully"})
