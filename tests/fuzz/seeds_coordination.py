"""Right requests for keys, sessions, transactions, events, prepared queries, coordinates and the operator's routes.

Owns their table, which `seeds.py` takes in. Source: kv.md, session.md, txn.md, event_query_coordinate.md,
status_operator_snapshot_ui.md.
"""

import base64
import random
from collections.abc import Callable
from typing import Any

from tests.fuzz import bodies, words
from tests.fuzz.drafts import Draft
from tests.fuzz.trees import tree_of

Maker = Callable[[random.Random, str, str], Draft]

KEYS = ("a", "a/b", "a/", "c%2Fd", "e f", "x" * 40)
SESSIONS = ("00000000-0000-4000-8000-000000000000", "nobody")
QUERIES = ("", "q", SESSIONS[0], "q/execute", "q/explain", f"{SESSIONS[0]}/execute")
_READS: tuple[tuple[str, str], ...] = (("recurse", ""), ("keys", ""), ("raw", ""), ("separator", "/"))
_WRITES: tuple[tuple[str, str], ...] = (
    ("flags", "42"), ("cas", "0"), ("cas", "7"), ("acquire", SESSIONS[0]), ("release", SESSIONS[0]),
)  # fmt: skip


def _key(chance: random.Random, method: str, path: str) -> Draft:
    draft = Draft(method, path, argument=chance.choice(KEYS))
    choices = {"GET": _READS, "PUT": _WRITES}.get(method, (("recurse", ""), ("cas", "7")))
    while chance.random() < 0.5:
        draft.query.append(chance.choice(choices))
    if method == "PUT":
        draft.tree = tree_of({"v": words.text(chance)})
    elif method == "GET" and chance.random() < 0.2:
        draft.query += [("index", "1"), ("wait", "10s")]
    return draft


def _session(chance: random.Random, method: str, path: str) -> Draft:
    parts: dict[str, Callable[[], Any]] = {
        "Name": lambda: "s",
        "Node": lambda: chance.choice(bodies.NODES),
        "LockDelay": lambda: chance.choice(("15s", 0, 1_000_000_000)),
        "Behavior": lambda: chance.choice(("release", "delete", "")),
        "TTL": lambda: chance.choice(("24h", "")),
        "NodeChecks": lambda: chance.choice(([], ["serfHealth"], None)),
        "ServiceChecks": lambda: [{"ID": chance.choice(bodies.CHECKS)}],
    }
    return Draft(method, path, body=tree_of(bodies.some(parts, chance, often=0.4)))


def _transaction(chance: random.Random, method: str, path: str) -> Draft:
    return Draft(method, path, body=tree_of([_operation(chance) for _ in range(chance.randrange(4))]))


def _operation(chance: random.Random) -> dict[str, Any]:
    verbs = ("set", "cas", "get", "get-tree", "get-or-empty", "lock", "unlock", "delete", "delete-tree", "check-index")
    rows = ("get", "set", "cas", "delete", "delete-cas")
    node = chance.choice(bodies.NODES)
    kind = chance.choice(("KV", "KV", "KV", "Node", "Service", "Check"))
    if kind == "KV":
        value = base64.b64encode(words.text(chance).encode("utf-8", "replace")).decode()
        key = {"Verb": chance.choice(verbs), "Key": chance.choice(KEYS), "Value": value, "Index": 7}
        return {kind: {**key, "Session": SESSIONS[0]}}
    if kind == "Node":
        return {kind: {"Verb": chance.choice(rows), "Node": {"Node": node, "Address": "10.0.0.1"}}}
    if kind == "Service":
        service = {"Service": chance.choice(bodies.NAMES), "ID": chance.choice(bodies.IDS), "Port": 80}
        return {kind: {"Verb": chance.choice(rows), "Node": node, "Service": service}}
    check = {"Node": node, "CheckID": chance.choice(bodies.CHECKS), "Name": "c", "Status": "passing"}
    return {kind: {"Verb": chance.choice(rows), "Check": check}}


def _event(chance: random.Random, method: str, path: str) -> Draft:
    draft = Draft(method, path, argument=chance.choice(("deploy", "a/b")), body=tree_of({"p": 1}))
    while chance.random() < 0.4:
        draft.query.append(chance.choice((("node", ".*"), ("service", "w.b"), ("tag", "a"))))
    return draft


def _definition(chance: random.Random) -> dict[str, Any]:
    parts: dict[str, Callable[[], Any]] = {
        "Session": lambda: SESSIONS[0],
        "Template": lambda: {"Type": "name_prefix_match", "Regexp": "^(.*)$"},
        "DNS": lambda: {"TTL": "10s"},
        "Token": lambda: "",
    }
    service = {"Service": chance.choice(("web", "${name.full}", "${match(1)}")), "Tags": ["a", "!b"], "Near": "_agent"}
    return {"Name": chance.choice(("q", "r", "")), "Service": service, **bodies.some(parts, chance, often=0.3)}


def _query(chance: random.Random, method: str, path: str) -> Draft:
    draft = Draft(method, path)
    if path.endswith("/"):
        draft.argument = chance.choice(QUERIES)
        draft.method = method if method != "*" else chance.choice(("GET", "PUT", "DELETE"))
    if draft.method in ("POST", "PUT"):
        draft.tree = tree_of(_definition(chance))
    elif chance.random() < 0.4:
        draft.query.append(chance.choice((("near", "_agent"), ("limit", "1"), ("connect", "true"), ("near", "_ip"))))
    return draft


def _coordinate(chance: random.Random, method: str, path: str) -> Draft:
    point = {"Vec": [0.1] * 8, "Error": 1.5, "Adjustment": 0, "Height": 0.00001}
    return Draft(method, path, body=tree_of({"Node": chance.choice(bodies.NODES), "Segment": "", "Coord": point}))


def _autopilot(chance: random.Random, method: str, path: str) -> Draft:
    draft = Draft(method, path)
    if method == "PUT":
        draft.tree = tree_of({"CleanupDeadServers": True, "LastContactThreshold": "200ms", "MaxTrailingLogs": 250})
        if chance.random() < 0.5:
            draft.query.append(("cas", chance.choice(("0", "1"))))
    return draft


def _keyring(chance: random.Random, method: str, path: str) -> Draft:
    draft = Draft(method, path)
    if method != "GET":
        draft.tree = tree_of({"Key": base64.b64encode(b"k" * 16).decode()})
    if chance.random() < 0.4:
        draft.query.append(chance.choice((("relay-factor", "3"), ("local-only", "true"))))
    return draft


def _peer(chance: random.Random, method: str, path: str) -> Draft:
    draft = Draft(method, path)
    draft.query.append(chance.choice((("id", "nobody"), ("address", "1.2.3.4:8300"))))
    return draft


def _archive(chance: random.Random, method: str, path: str) -> Draft:
    """What is restored is none, so that a run goes on with what it has."""
    draft = Draft(method, path)
    if method == "PUT":
        draft.tree = tree_of({"no": "archive"})
    return draft


def makers(read: Callable[..., Maker], empty_write: Callable[..., Maker]) -> dict[str, Maker]:
    """Route → maker."""
    return {
        "/v1/coordinate/node/": read(*bodies.NODES),
        "/v1/coordinate/nodes": read(),
        "/v1/coordinate/update": _coordinate,
        "/v1/event/fire/": _event,
        "/v1/event/list": read(),
        "/v1/exported-services": read(),
        "/v1/internal/ui/exported-services": read(),
        "/v1/internal/ui/gateway-intentions/": read(*bodies.NAMES),
        "/v1/internal/ui/gateway-services-nodes/": read(*bodies.NAMES),
        "/v1/internal/ui/metrics-proxy/": read("api/v1/query"),
        "/v1/internal/ui/service-topology/": read(*bodies.NAMES),
        "/v1/kv/": _key,
        "/v1/operator/autopilot/configuration": _autopilot,
        "/v1/operator/autopilot/health": read(),
        "/v1/operator/autopilot/state": read(),
        "/v1/operator/keyring": _keyring,
        "/v1/operator/raft/peer": _peer,
        "/v1/operator/raft/transfer-leader": empty_write(),
        "/v1/operator/usage": read(),
        "/v1/query": _query,
        "/v1/query/": _query,
        "/v1/session/create": _session,
        "/v1/session/destroy/": empty_write(*SESSIONS),
        "/v1/session/info/": read(*SESSIONS),
        "/v1/session/list": read(),
        "/v1/session/node/": read(*bodies.NODES),
        "/v1/session/renew/": empty_write(*SESSIONS),
        "/v1/snapshot": _archive,
        "/v1/txn": _transaction,
    }
