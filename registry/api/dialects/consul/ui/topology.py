"""The interface's page of one service: what it calls, and what calls it, as far as registrations tell.

Everybody may call everybody, since there are no intentions. So beside the upstreams that proxies name, every
service of the mesh is one of a service that can dial anything: through proxies in transparent mode, or by itself.
Source: status_operator_snapshot_ui.md D.4.
"""

from collections.abc import Iterable

from msgspec import Struct

from registry.api.call import Call
from registry.api.dialects.consul.params import read_options, refuse_enterprise, refuse_foreign_datacenter
from registry.api.dialects.consul.reads import answer, failing_with_index
from registry.api.dialects.consul.routes import endpoint
from registry.api.dialects.consul.ui.summary import Summary, summaries
from registry.api.dialects.consul.ui.wire import Neighbour, ui_topology
from registry.api.reply import Reply
from registry.core.reading import State
from registry.errors import InvalidRequest, RequestError
from registry.model import topic as topics
from registry.model.names import fold
from registry.model.server import CONSUL_SERVICE
from registry.model.service import CONNECT_PROXY
from registry.model.views import Entry

_KINDS = ("", "api-gateway", "ingress-gateway")
_SHOWN = frozenset(_KINDS)
_PREPARED_QUERY = "prepared_query"


class Topology(Struct):
    """A service between its neighbours, each list by name."""

    service: Summary | None
    upstreams: list[Neighbour]
    downstreams: list[Neighbour]


@endpoint(
    "GET",
    "/v1/internal/ui/service-topology/{service}",
    source="https://github.com/hashicorp/consul/blob/v1.21.4/agent/ui_endpoint.go",
)
async def show_topology(call: Call) -> Reply:
    """The neighbours of a service, whether there is one of this name or not; 200 and a JSON object.

    Query: kind (must be there: empty, ingress-gateway or api-gateway), dc, blocking. Woken by every change of the
    catalog. Errors: `service-name`, `service-kind`, `service-kind-unknown`.
    """
    refuse_enterprise(call)
    options = read_options(call)
    if not call.argument:
        raise InvalidRequest("service-name")
    if "kind" not in call.query:
        raise InvalidRequest("service-kind")
    if (kind := call.query.value("kind")) not in _KINDS:
        raise InvalidRequest("service-kind-unknown", kind=kind)
    try:
        refuse_foreign_datacenter(call)
    except RequestError as error:
        raise failing_with_index(error) from None
    name = fold(call.argument)

    def encode(found: Topology) -> bytes:
        transparent = found.service is not None and found.service.transparent
        return ui_topology(found.upstreams, found.downstreams, transparent=transparent)

    return await answer(
        call, topics.CATALOG, lambda state: topology(state, name), encode, options=options, consistency=False
    )


def topology(state: State, name: str) -> Topology:
    """The neighbours of a service, given by its folded name."""
    entries = state.all_entries()
    known = {fold(one.name): one for one in summaries(entries)}
    service = known.get(name)
    named = _upstreams_by_service(entries, state.server.datacenter)
    others = {key: one for key, one in known.items() if key not in (name, CONSUL_SERVICE) and one.kind in _SHOWN}
    upstreams, downstreams = [], []
    for key in sorted(others):
        other = others[key]
        if key in named.get(name, ()):
            upstreams.append(Neighbour(other, registered=True))
        elif service is not None and _dials_anything(service) and _in_mesh(other):
            upstreams.append(Neighbour(other, registered=False))
        if name in named.get(key, ()):
            downstreams.append(Neighbour(other, registered=True))
        elif _dials_anything(other):
            downstreams.append(Neighbour(other, registered=False))
    return Topology(service, upstreams, downstreams)


def _upstreams_by_service(entries: Iterable[Entry], datacenter: str) -> dict[str, set[str]]:
    """The services of this datacenter that the proxies of each service name as upstreams, all folded."""
    found: dict[str, set[str]] = {}
    for _, instance, _ in entries:
        proxy = instance.proxy
        if proxy is None or instance.kind != CONNECT_PROXY:
            continue
        named = found.setdefault(fold(proxy.destination_service_name), set())
        for upstream in proxy.upstreams or ():
            if upstream.destination_type != _PREPARED_QUERY and upstream.datacenter in ("", datacenter):
                named.add(fold(upstream.destination_name))
    return found


def _in_mesh(one: Summary) -> bool:
    return one.native or bool(one.proxies)


def _dials_anything(one: Summary) -> bool:
    return one.native or one.some_transparent
