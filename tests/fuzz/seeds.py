"""Right requests for every route that is built, as a table: route → a maker of such requests.

Owns the table. Bodies are `bodies.py`, what becomes of a request `spoilers.py`.
Source: agent.md, catalog.md, health.md, common.md §12, status_operator_snapshot_ui.md.
"""

import random
from collections.abc import Callable
from typing import Any

from tests.fuzz import bodies, seeds_coordination, words
from tests.fuzz.drafts import Draft
from tests.fuzz.trees import tree_of

Maker = Callable[[random.Random, str, str], Draft]  # chance, method, path of the route


def requests_for(method: str, path: str, chance: random.Random) -> Draft:
    """A right request for a route; `path` ends in a slash where an argument follows."""
    return MAKERS[path](chance, method, path)


# Reads


def _read(*arguments: str, selects: bool = True) -> Maker:
    """A read of one of these arguments, or of none where the route takes none."""

    def make(chance: random.Random, method: str, path: str) -> Draft:
        draft = Draft(method, path, argument=chance.choice(arguments) if arguments else "")
        while selects and chance.random() < 0.4:
            draft.query.append(chance.choice(_SELECTIONS)(chance))
        return draft

    return make


_SELECTIONS: tuple[Callable[[random.Random], tuple[str, str]], ...] = (
    *[lambda chance: ("filter", words.filter_text(chance))] * 5,
    lambda chance: ("index", chance.choice(("0", "1", "5", "99999999"))),
    lambda chance: ("wait", chance.choice(("10s", "1ms", "10m"))),
    lambda chance: ("near", chance.choice(("_agent", "n1"))),
    lambda chance: ("node-meta", "v:1"),
    lambda chance: ("tag", chance.choice(("a", "A", ""))),
    lambda chance: ("passing", chance.choice(("", "1", "false"))),
    lambda chance: (chance.choice(("stale", "consistent", "cached", "pretty", "merge-central-config")), ""),
    lambda chance: ("dc", chance.choice(("dc1", "dc2"))),
    lambda chance: (chance.choice(("peer", "sg", "sameness-group", "wan", "segment", "loglevel")), "x"),
    lambda chance: ("hash", chance.choice(("", "3e352f348d44f7eb"))),
    lambda chance: ("format", "text"),
)


# Writes through the agent


def _service(chance: random.Random, method: str, path: str) -> Draft:
    draft = Draft(method, path, body=tree_of(bodies.service_body(chance)))
    if chance.random() < 0.2:
        draft.query.append(("replace-existing-checks", chance.choice(("", "true"))))
    return draft


def _check(chance: random.Random, method: str, path: str) -> Draft:
    body = {"Name": chance.choice(bodies.CHECKS), **bodies.check_body(chance)}
    if chance.random() < 0.4:
        body["ServiceID"] = chance.choice(bodies.IDS)
    if chance.random() < 0.4:
        body["ID"] = chance.choice(bodies.CHECKS)
    return Draft(method, path, body=tree_of(body))


def _beat(chance: random.Random, method: str, path: str) -> Draft:
    draft = Draft(method, path, argument=chance.choice(bodies.CHECKS))
    if chance.random() < 0.7:
        draft.query.append(("note", words.text(chance)))
    return draft


def _update(chance: random.Random, method: str, path: str) -> Draft:
    return Draft(method, path, argument=chance.choice(bodies.CHECKS),
                 body=tree_of({"Status": chance.choice(bodies.STATUSES), "Output": words.text(chance)}))  # fmt: skip


def _maintenance(chance: random.Random, method: str, path: str) -> Draft:
    argument = chance.choice(bodies.IDS) if path.endswith("/") else ""
    return Draft(method, path, argument=argument, enable=chance.choice(("true", "false")), reason="r")


def _token(chance: random.Random, method: str, path: str) -> Draft:
    return Draft(method, path, argument=chance.choice(("default", "agent")), body=tree_of({"Token": "t"}))


def _join(chance: random.Random, method: str, path: str) -> Draft:
    """Addresses of this machine only: the server tries them."""
    draft = Draft(
        method, path, argument=chance.choice(("127.0.0.1:8301", "127.0.0.1:1", "", "[::1]:1", "127.0.0.1:99999"))
    )
    draft.fixed_path = True
    return draft


def _empty_write(*arguments: str) -> Maker:
    return lambda chance, method, path: Draft(method, path, argument=chance.choice(arguments) if arguments else "")


# Writes of the catalog


def _register(chance: random.Random, method: str, path: str) -> Draft:
    node = chance.choice(bodies.NODES)
    parts: dict[str, Callable[[], Any]] = {
        "ID": lambda: chance.choice(bodies.NODE_IDS),
        "Datacenter": lambda: "dc1",
        "TaggedAddresses": lambda: {"lan": "10.0.0.1"},
        "NodeMeta": lambda: {"v": "1"},
        "SkipNodeUpdate": lambda: True,
        "Service": lambda: bodies.catalog_service(chance),
        "Check": lambda: bodies.catalog_check(chance),
        "Checks": lambda: [bodies.catalog_check(chance), {**bodies.catalog_check(chance), "Node": node}],
        "Locality": lambda: {"Region": "r"},
        "PeerName": lambda: bodies.mostly("", chance, "p"),
        "CreateIndex": lambda: 7,
    }
    return Draft(
        method, path, body=tree_of({"Node": node, "Address": "10.0.0.1", **bodies.some(parts, chance, often=0.45)})
    )


def _deregister(chance: random.Random, method: str, path: str) -> Draft:
    parts: dict[str, Callable[[], Any]] = {
        "ServiceID": lambda: chance.choice(bodies.IDS),
        "CheckID": lambda: chance.choice(bodies.CHECKS),
    }
    return Draft(
        method, path, body=tree_of({"Node": chance.choice(bodies.NODES), **bodies.some(parts, chance, often=0.5)})
    )


MAKERS: dict[str, Maker] = {
    "/health": _read(),
    "/health/ready": _read(),
    "/metrics": _read(selects=False),
    "/v1/agent/check/deregister/": _empty_write(*bodies.CHECKS),
    "/v1/agent/check/fail/": _beat,
    "/v1/agent/check/pass/": _beat,
    "/v1/agent/check/register": _check,
    "/v1/agent/check/update/": _update,
    "/v1/agent/check/warn/": _beat,
    "/v1/agent/checks": _read(),
    "/v1/agent/force-leave/": _empty_write("test-node", "n1"),
    "/v1/agent/health/service/id/": _read(*bodies.IDS),
    "/v1/agent/health/service/name/": _read(*bodies.NAMES),
    "/v1/agent/host": _read(),
    "/v1/agent/join/": _join,
    "/v1/agent/leave": _empty_write(),
    "/v1/agent/maintenance": _maintenance,
    "/v1/agent/members": _read(),
    "/v1/agent/metrics": _read(),
    "/v1/agent/metrics/stream": _read(),
    "/v1/agent/monitor": _read(),
    "/v1/agent/reload": _empty_write(),
    "/v1/agent/self": _read(),
    "/v1/agent/service/": _read(*bodies.IDS),
    "/v1/agent/service/deregister/": _empty_write(*bodies.IDS),
    "/v1/agent/service/maintenance/": _maintenance,
    "/v1/agent/service/register": _service,
    "/v1/agent/services": _read(),
    "/v1/agent/token/": _token,
    "/v1/agent/version": _read(),
    "/v1/catalog/connect/": _read(*bodies.NAMES),
    "/v1/catalog/datacenters": _read(),
    "/v1/catalog/deregister": _deregister,
    "/v1/catalog/gateway-services/": _read(*bodies.NAMES),
    "/v1/catalog/node-services/": _read(*bodies.NODES, *bodies.NODE_IDS, "8f"),
    "/v1/catalog/node/": _read(*bodies.NODES, *bodies.NODE_IDS, "8"),
    "/v1/catalog/nodes": _read(),
    "/v1/catalog/register": _register,
    "/v1/catalog/service/": _read(*bodies.NAMES),
    "/v1/catalog/services": _read(),
    "/v1/coordinate/datacenters": _read(),
    "/v1/health/checks/": _read(*bodies.NAMES),
    "/v1/health/connect/": _read(*bodies.NAMES),
    "/v1/health/ingress/": _read(*bodies.NAMES),
    "/v1/health/node/": _read(*bodies.NODES),
    "/v1/health/service/": _read(*bodies.NAMES),
    "/v1/health/state/": _read("any", *bodies.STATUSES[:4]),
    "/v1/internal/ui/catalog-overview": _read(),
    "/v1/internal/ui/node/": _read(*bodies.NODES),
    "/v1/internal/ui/nodes": _read(),
    "/v1/internal/ui/services": _read(),
    "/v1/status/leader": _read(),
    "/v1/status/peers": _read(),
    "/v1/operator/raft/configuration": _read(),
    **seeds_coordination.makers(_read, _empty_write),
}

OFTEN = {
    "/v1/agent/service/register": 30,
    "/v1/catalog/register": 30,
    "/v1/agent/check/register": 20,
    "/v1/agent/check/update/": 6,
    "/v1/agent/check/pass/": 6,
    "/v1/catalog/deregister": 6,
    "/v1/health/service/": 8,
    "/v1/health/state/": 3,
    "/v1/catalog/service/": 4,
    "/v1/catalog/nodes": 3,
    "/v1/agent/services": 3,
    "/v1/agent/checks": 3,
    "/v1/agent/host": 0.3,  # these look at the machine, on a thread
    "/v1/agent/self": 0.5,
    "/metrics": 0.3,
    "/v1/agent/monitor": 0.5,  # these cost a connection each
    "/v1/agent/metrics/stream": 0.5,
}
