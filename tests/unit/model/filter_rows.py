"""Rows and tables of selectors that the tests of the filter share: a health entry as the catalog would make it."""

from typing import NamedTuple

import pytest

from registry.errors import InvalidRequest
from registry.model.check import Check
from registry.model.filter import (
    Selectors,
    boolean,
    compiled,
    integer,
    mapping,
    objects,
    record,
    text,
    texts,
    unsigned,
)
from registry.model.node import Node
from registry.model.service import Instance, Proxy, ServiceAddress, Upstream


class Entry(NamedTuple):
    node: Node
    instance: Instance
    checks: tuple[Check, ...]


ADDRESS: Selectors = {"Address": text("address"), "Port": integer("port")}
UPSTREAM: Selectors = {
    "DestinationName": text("destination_name"),
    "LocalBindPort": integer("local_bind_port"),
    "MeshGateway": record("mesh_gateway", {"Mode": text("mode")}),
}
NODE: Selectors = {"Node": text("name"), "Meta": mapping("meta")}
SERVICE: Selectors = {
    "Service": text("name"),
    "Tags": texts("tags"),
    "Meta": mapping(lambda instance: instance.meta),
    "Port": integer("port"),
    "Weights": record("weights", {"Passing": integer("passing")}),
    "TaggedAddresses": mapping("tagged_addresses", ADDRESS),
    "EnableTagOverride": boolean("enable_tag_override"),
    "Proxy": record("proxy", {"Mode": text("mode"), "Upstreams": objects("upstreams", UPSTREAM)}),
}
CHECK: Selectors = {"CheckID": text("id"), "Status": text("status"), "ServiceTags": texts("service_tags")}
ENTRY: Selectors = {
    "Node": record("node", NODE),
    "Service": record(lambda entry: entry.instance, SERVICE),
    "Checks": objects(lambda entry: entry.checks, CHECK),
    "Version": unsigned(lambda _: 2, bits=8),
}

PLAIN = Entry(Node(name="n1"), Instance(node="n1", id="db", name="db"), ())
WEB = Entry(
    Node(name="Nœud-2", meta={"rack": "r1", "k 1": "v", "none": "", "dotted": "a.b"}),
    Instance(
        node="Nœud-2",
        id="web",
        name="web",
        tags=("v1", "V2", "blue green"),
        meta={"version": "true"},
        port=80,
        tagged_addresses={"lan": ServiceAddress("10.0.0.1", 8080)},
        enable_tag_override=True,
        proxy=Proxy(
            mode="direct",
            upstreams=(
                Upstream(destination_name="db", local_bind_port=1),
                Upstream(destination_name="cache", local_bind_port=2),
            ),
        ),
    ),
    (
        Check(node="Nœud-2", id="c1", status="passing", service_tags=("v1",)),
        Check(node="Nœud-2", id="c2", status="critical"),
    ),
)


def holds(expression: str, row: Entry = WEB) -> bool:
    """What the filter says of the row."""
    return compiled(expression, ENTRY)(row)


def refusal(expression: str) -> tuple[str, object]:
    """The reason and the problem with which the expression is refused."""
    with pytest.raises(InvalidRequest) as refused:
        compiled(expression, ENTRY)
    return refused.value.reason, refused.value.values["problem"]
