"""User events: firing one, and the list of those that concern this server.

Owns the limit of size and the filters, which are judged here against our own services when an event is fired. On a
shared log every replica lists it: together they are one server. The order of events is the log's.
Source: event_query_coordinate.md §A; api-docs/event.
"""

import uuid
from collections.abc import Sequence

from msgspec import msgpack

from registry.api.call import Call
from registry.api.dialects.consul.go.encode import encoded
from registry.api.dialects.consul.params import blocking, refuse_foreign_datacenter
from registry.api.dialects.consul.routes import endpoint
from registry.api.dialects.consul.wire.fields import Shape
from registry.api.reply import Reply
from registry.commands import FireEvent
from registry.core.reading import State
from registry.errors import InvalidRequest
from registry.model.duration import nanoseconds
from registry.model.event import UserEvent
from registry.model.filter.regexps import searcher
from registry.model.topic import EVENTS

LIMIT_BYTES = 512  # of the whole message
MAX_WAIT_SECONDS = 600.0  # Consul's, and what it waits when nothing is said
_VERSION = 1  # of the form of events
_UNLISTED = "_rexec"  # Consul's own, for `consul exec`
_GOSSIPED = "consul:event:"  # what Consul puts before the name
_TYPE_BYTES = 1  # before a gossip message, for its kind
_ONE_BYTE_LENGTHS = range(32, 256)  # of texts whose length takes one byte; in the old form of MessagePack two


class EventShape(Shape):
    """One event."""

    id: str
    name: str
    payload: bytes | None
    node_filter: str
    service_filter: str
    tag_filter: str
    version: int
    l_time: int


@endpoint("PUT", "/v1/event/fire/{name}", source="api-docs/event#fire-event")
async def fire(call: Call) -> Reply:
    """Fire an event with the body as its payload; 200 and the event, whose place in the order is not known yet.

    Query: node, service, tag (regular expressions that say whom it concerns), dc. Errors: `event-name`,
    `event-tag-filter`, `event-filter`, `event-size`, `event-size-encoded`.
    """
    if not call.argument:
        raise InvalidRequest("event-name")
    query, length = call.query, call.headers.get("Content-Length", "")
    event = UserEvent(
        id=str(uuid.uuid4()),
        name=call.argument,
        payload=await call.body() if length.isdecimal() and int(length) > 0 else b"",
        node_filter=query.value("node"),
        service_filter=query.value("service"),
        tag_filter=query.value("tag"),
    )
    _refuse_filters(event)
    refuse_foreign_datacenter(call)
    state = call.engine.state
    _refuse_large(event, state.event_time + 1)
    listed = event.name != _UNLISTED and _concerns_us(event, state)
    await call.engine.propose(FireEvent(event, listed))
    return Reply(body=encoded(_shape(event)))


@endpoint("GET", "/v1/event/list", source="api-docs/event#list-events")
async def list_all(call: Call) -> Reply:
    """The newest events that concern this server, the oldest first; 200 and a JSON array, maybe empty.

    Query: name (exact), index and wait. The index is a digest of the newest event listed, not one of the log: a wait
    lasts while it stays the same, and ends with an event that this list shows.
    """
    _, index = blocking(call)
    name = call.query.value("name")

    def shown(state: State) -> list[UserEvent]:
        return [one for one in state.events if not name or one.name == name]

    waited = bool(index) and _index(shown(call.engine.state)) == index
    if waited:
        await call.engine.park(EVENTS, lambda state: _index(shown(state)) != index, _wait_seconds(call))
    found = shown(call.engine.state)
    headers = b"X-Consul-Index: %d\r\n" % _index(found)
    return Reply(body=encoded([_shape(one) for one in found]), headers=headers, waited=waited)


def _wait_seconds(call: Call) -> float:
    """How long to wait, which nothing is added to."""
    text = call.query.value("wait")
    seconds = nanoseconds(text) / 1e9 if text else 0.0
    return min(seconds, MAX_WAIT_SECONDS) if seconds > 0 else MAX_WAIT_SECONDS


def _index(events: Sequence[UserEvent]) -> int:
    """Both halves of the newest event's id laid over each other; 1 where there is none."""
    if not events:
        return 1
    number = uuid.UUID(events[-1].id).int
    return (number >> 64) ^ (number & (1 << 64) - 1)


def _refuse_filters(event: UserEvent) -> None:
    if event.tag_filter and not event.service_filter:
        raise InvalidRequest("event-tag-filter")
    filters = (("node", event.node_filter), ("service", event.service_filter), ("tag", event.tag_filter))
    for kind, expression in filters:
        try:
            searcher(expression)
        except ValueError as error:
            raise InvalidRequest("event-filter", kind=kind, problem=str(error)) from None


def _refuse_large(event: UserEvent, place: int) -> None:
    """Refuse what Consul could not send to its members in one message: it is packed as Consul does, and measured.

    The event is packed in MessagePack as of today, the message around it in its old form.
    """
    fields = {
        "ID": event.id, "n": event.name, "p": event.payload, "nf": event.node_filter, "sf": event.service_filter,
        "tf": event.tag_filter, "v": _VERSION,
    }  # fmt: skip
    inside = msgpack.encode({key: value for key, value in fields.items() if value})
    name = _GOSSIPED + event.name
    lengths = len(name.encode()), len(inside)
    if sum(lengths) > LIMIT_BYTES:
        raise InvalidRequest("event-size")
    message = msgpack.encode({"LTime": place, "Name": name, "Payload": inside, "CC": True})
    longer = sum(length in _ONE_BYTE_LENGTHS for length in lengths)
    if _TYPE_BYTES + len(message) + longer > LIMIT_BYTES:
        raise InvalidRequest("event-size-encoded")


def _concerns_us(event: UserEvent, state: State) -> bool:
    """Whether the event's filters let it through to our own node and the services registered here."""
    if event.node_filter and not searcher(event.node_filter)(state.server.node):
        return False
    if not event.service_filter:
        return True
    of_service, of_tag = searcher(event.service_filter), searcher(event.tag_filter)
    for service in state.local_services():
        if of_service(service.id) and (not event.tag_filter or any(map(of_tag, service.tags or ()))):
            return True
    return False


def _shape(event: UserEvent) -> EventShape:
    return EventShape(
        event.id, event.name, event.payload or None, event.node_filter, event.service_filter, event.tag_filter,
        _VERSION, event.ltime,
    )  # fmt: skip
