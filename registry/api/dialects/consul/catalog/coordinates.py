"""Network coordinates: where nodes are, as they say themselves.

Owns the body of an update and what is wrong with one. Nearness in other answers is `nearness.py`.
Source: event_query_coordinate.md §C; api-docs/coordinate.
"""

from collections.abc import Callable, Iterable
from math import isfinite
from typing import ClassVar

from msgspec import Raw

from registry.api.call import Call
from registry.api.dialects.consul.go.bodies import Decoder
from registry.api.dialects.consul.go.decode import Body, Float
from registry.api.dialects.consul.go.encode import encoded, number
from registry.api.dialects.consul.params import read_options, refuse_foreign_datacenter, refuse_partition
from registry.api.dialects.consul.reads import answer, failing_with_index
from registry.api.dialects.consul.routes import endpoint
from registry.api.dialects.consul.wire.fields import Shape
from registry.api.reply import Reply
from registry.commands import PutCoordinate
from registry.core.reading import State
from registry.errors import InvalidRequest, RequestError
from registry.model.coordinate import DIMENSIONS, Coordinate, NodeCoordinate
from registry.model.names import fold
from registry.model.topic import COORDINATE, COORDINATES, Topic


class CoordinateBody(Body):
    """`Coord`."""

    GO_NAME: ClassVar = "Coordinate"
    GO_PACKAGE: ClassVar = "coordinate"

    vec: list[Float] | None = None
    error: Float = 0.0
    adjustment: Float = 0.0
    height: Float = 0.0


class UpdateBody(Body):
    """The body of an update."""

    GO_NAME: ClassVar = "CoordinateUpdateRequest"

    datacenter: str = ""
    node: str = ""
    segment: str = ""
    coord: CoordinateBody | None = None
    token: str = ""


class CoordinateShape(Shape):
    """`Coord`."""

    vec: list[Raw]
    error: Raw
    adjustment: Raw
    height: Raw


class NodeShape(Shape):
    """Where a node is in one segment."""

    node: str
    segment: str
    coord: CoordinateShape


_decoded = Decoder(UpdateBody)


@endpoint("PUT", "/v1/coordinate/update", source="api-docs/coordinate#update-lan-coordinates-for-a-node")
async def update(call: Call) -> Reply:
    """Say where a node is; 200 and nothing, also for a node that is not there.

    Query: dc, which counts before the body's. Errors: `coordinates-disabled`, `enterprise`, `decode`,
    `coordinate-missing`, `datacenter`, `coordinate-invalid`, `coordinate-size`.
    """
    _refuse_disabled(call)
    refuse_partition(call)
    body = _decoded(await call.body())
    sent = body.coord
    if sent is None:
        raise InvalidRequest("coordinate-missing")
    refuse_foreign_datacenter(call, of_body=body.datacenter)
    vec = tuple(map(float, sent.vec or ()))
    coordinate = Coordinate(vec, float(sent.error), float(sent.adjustment), float(sent.height))
    if not all(map(isfinite, (*vec, coordinate.error, coordinate.adjustment, coordinate.height))):
        raise InvalidRequest("coordinate-invalid")
    if len(vec) != DIMENSIONS:
        raise InvalidRequest("coordinate-size")
    await call.engine.propose(PutCoordinate(body.node, coordinate, body.segment))
    return Reply()


@endpoint("GET", "/v1/coordinate/nodes", source="api-docs/coordinate#read-lan-coordinates-for-all-nodes")
async def list_all(call: Call) -> Reply:
    """Where all nodes are, by name; 200 and a JSON array, maybe empty.

    Query: segment, dc, read mode, blocking. Woken by any coordinate.
    """
    wanted = _segment(call)

    def every(state: State) -> list[NodeCoordinate]:
        return [row for row in state.located() if wanted(row)]

    return await _coordinates(call, COORDINATES, every)


@endpoint("GET", "/v1/coordinate/node/{node}", source="api-docs/coordinate#read-lan-coordinates-for-a-node")
async def read(call: Call) -> Reply:
    """Where a node is, given by name; 200 and a JSON array with one object a segment, or 404 and nothing.

    Query: segment, dc, read mode, blocking. Woken by this node's coordinates.
    """
    key, wanted = fold(call.argument), _segment(call)

    def of_node(state: State) -> list[NodeCoordinate]:
        return [
            NodeCoordinate(call.argument, row.segment, row.coordinate)
            for _, row in sorted(state.coordinates_of(key).items())
            if wanted(row)
        ]

    reply = await _coordinates(call, (COORDINATE, key), of_node)
    if reply.body == b"[]":
        return Reply(status=404, content_type=None)
    return reply


@endpoint("GET", "/v1/coordinate/datacenters", source="api-docs/coordinate#read-wan-coordinates-for-all-datacenters")
async def list_wan_coordinates(call: Call) -> Reply:
    """The coordinates of the servers of all datacenters; none, as where there is no WAN pool."""
    _refuse_disabled(call)
    return Reply(body=b"[]")


def _refuse_disabled(call: Call) -> None:
    """Refuse whatever is asked where the settings say that there are no coordinates.

    Raises:
        InvalidRequest: `coordinates-disabled`.
    """
    if call.server.settings.disable_coordinates:
        raise InvalidRequest("coordinates-disabled")


async def _coordinates(call: Call, topic: Topic, query: Callable[[State], list[NodeCoordinate]]) -> Reply:
    _refuse_disabled(call)
    options = read_options(call)
    refuse_partition(call)
    try:
        refuse_foreign_datacenter(call)
    except RequestError as error:
        raise failing_with_index(error) from None
    return await answer(call, topic, query, _encoded, options=options, consistency=False)


def _segment(call: Call) -> Callable[[NodeCoordinate], bool]:
    """Whether a row is of the segment that is asked for; without a parameter all are."""
    if "segment" not in call.query:
        return lambda row: True
    segment = call.query.value("segment")
    return lambda row: row.segment == segment


def _encoded(rows: Iterable[NodeCoordinate]) -> bytes:
    return encoded([NodeShape(row.node, row.segment, _shape(row.coordinate)) for row in rows])


def _shape(row: Coordinate) -> CoordinateShape:
    return CoordinateShape([_raw(one) for one in row.vec], _raw(row.error), _raw(row.adjustment), _raw(row.height))


def _raw(value: float) -> Raw:
    return Raw(number(value).encode())
