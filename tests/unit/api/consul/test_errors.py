"""One table words every error (STYLE: reason → status and text), and no reason is missing from it."""

import ast
from pathlib import Path

import pytest

from registry.api.dialects.consul.errors import TABLE, reply_for
from registry.api.dialects.consul.txn.errors import TEXTS
from registry.api.reply import TEXT
from registry.errors import Conflict, InvalidRequest, LogUnavailable, NotFound, RequestError, TooLarge, TooManyRequests

REGISTRY = Path(__file__).parents[4] / "registry"
RAISERS = {"InvalidRequest", "NotFound", "Conflict", "TooLarge", "TooManyRequests", "PermissionDenied"}
NOT_FOR_CLIENTS = {"server-identity", "transaction"}  # before anybody listens; told operation by operation
OF_AGENTS = {"agents.py", "tasks.py"}  # reached through the dialects of agents alone, which have tables of their own


def raised():
    """Every reason that code of ours names, with the file that does."""
    for folder in ("api/dialects/consul", "api/query.py", "api/server", "state", "core", "model"):
        place = REGISTRY / folder
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISERS):
                    continue
                if node.args and isinstance(node.args[0], ast.Constant):
                    yield node.args[0].value, path.name


def test_every_reason_has_its_row():
    reasons = set(raised())
    assert {"decode", "service"} <= {reason for reason, _ in reasons}
    ours = {(reason, file) for reason, file in reasons if reason not in NOT_FOR_CLIENTS and file not in OF_AGENTS}
    missing = {(reason, file) for reason, file in ours if reason not in TABLE and reason not in TEXTS}
    assert not missing


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (
            NotFound("service", id='a"b'),
            404,
            'Unknown service ID "a\\"b". Ensure that the service ID is passed, not the service name.',
        ),
        (
            NotFound("check", id=""),
            404,
            'Unknown check ID "". Ensure that the check ID is passed, not the check name.',
        ),
        (NotFound("check-service", id="x"), 404, 'ServiceID "x" does not exist'),
        (InvalidRequest("not-ttl", id="x"), 500, 'CheckID "x" does not have associated TTL'),
        (
            InvalidRequest("sidecar-ports", low=21000, high=21255),
            500,
            "no port provided for sidecar_service and none left in the configured range [21000, 21255]",
        ),
        (
            InvalidRequest("sidecar-ports-disabled"),
            500,
            "no port provided for sidecar_service and auto-assignment disabled in config",
        ),
        (
            Conflict(
                "node-reserved", id="i2", name="N1", own_address="10.0.0.2", owner="i1", owner_name="n1",
                address="127.0.0.1",
            ),
            500,
            'failed inserting node: Error while renaming Node ID: "i2": '
            "Node name N1 is reserved by node i1 with name n1 (127.0.0.1)",
        ),
        (
            Conflict(
                "node-reserved-rename", id="i2", name="N1", own_address="10.0.0.2", owner="i1", owner_name="n1",
                address="127.0.0.1",
            ),
            500,
            'failed inserting node: Error while renaming Node ID: "i2" (10.0.0.2): '
            "Node name N1 is reserved by node i1 with name n1 (127.0.0.1)",
        ),
        (
            InvalidRequest("check-node", node="y", check="c", request_node="x"),
            500,
            "Node 'y' for check 'c' doesn't match register request node 'x'",
        ),
        (
            InvalidRequest("check-service-unknown", service="zz", check="c"),
            500,
            "Unknown service ID 'zz' for check ID 'c'",
        ),
        (
            InvalidRequest("stored-meta", node="x", service="a", problem="P"),
            500,
            "failed inserting service: Invalid Service Meta for node x and serviceID a: P",
        ),
        (
            InvalidRequest("check-without-id", node="half"),
            500,
            'failed inserting check on node "half": failed health check lookup: '
            "index error: object is missing a value for this index",
        ),
        (InvalidRequest("index"), 400, "Invalid index"),
        (InvalidRequest("wait"), 400, "Invalid wait time"),
        (InvalidRequest("max-stale", value="zz"), 400, 'Invalid max_stale value "zz"'),
        (InvalidRequest("cache-control"), 400, "Invalid Cache-Control header."),
        (InvalidRequest("datacenter"), 500, "No path to datacenter"),
        (InvalidRequest("query-escape"), 500, ""),
        (
            InvalidRequest("enterprise", where="query parameter", name="ns", what="Namespaces are"),
            400,
            'Invalid query parameter: "ns" - Namespaces are a Consul Enterprise feature',
        ),
        (
            InvalidRequest("enterprise", where="header", name="X-Consul-Partition", what="Partitions are"),
            400,
            'Invalid header: "X-Consul-Partition" - Partitions are a Consul Enterprise feature',
        ),
        (
            InvalidRequest("filter-selector", problem='Selector "Foo" is not valid'),
            500,
            'Failed to create boolean expression evaluator: Selector "Foo" is not valid',
        ),
        (TooManyRequests("pending-writes", limit=1, have=1), 429, "Rate limit reached, try again later"),
        (TooLarge("body", size=9, limit=5), 413, "Request body(9 bytes) too large, max size: 5 bytes."),
    ],
)  # fmt: skip
def test_words_are_consul_s(error, status, text):
    reply = reply_for(error)
    assert (reply.status, reply.body.decode(), reply.content_type) == (status, text, TEXT)


def test_a_value_with_braces_is_only_a_value():
    assert reply_for(InvalidRequest("decode", problem="{id!q} {0}")).body == b"Request decode failed: {id!q} {0}"


def test_an_error_can_bring_headers():
    assert reply_for(InvalidRequest("index", headers=b"X-A: 1\r\n")).headers == b"X-A: 1\r\n"


def test_a_reason_without_a_row_still_answers():
    reply = reply_for(RequestError("nobody-worded-this"))
    assert (reply.status, reply.body) == (400, b"nobody-worded-this")


def test_a_store_that_is_away_is_503_and_says_whether_to_try_again():
    refused = reply_for(LogUnavailable("disk full"))
    assert (refused.status, refused.body.decode()) == (
        503, "The registry's store cannot take writes: disk full. Nothing was changed; try again.",
    )  # fmt: skip
    unknown = reply_for(LogUnavailable("no answer", unknown=True))
    assert unknown.status == 503
    assert "may have been done" in unknown.body.decode()
