"""The content hash is Consul's, digit for digit: client test suites compare it literally."""

import pytest

from registry.api.dialects.consul.agent.content_hash import content_hash
from registry.model.node import Locality
from registry.model.service import (
    AccessLogs,
    EnvoyExtension,
    Expose,
    ExposePath,
    Instance,
    Local,
    MeshGateway,
    Proxy,
    ServiceAddress,
    TransparentProxy,
    Upstream,
    Weights,
)


def instance(**fields: object) -> Instance:
    fields.setdefault("name", fields["id"])
    return Instance(node="n1", **fields)  # type: ignore[arg-type]


def addresses(**tagged: tuple[str, int]) -> dict[str, ServiceAddress]:
    return {tag: ServiceAddress(*place) for tag, place in tagged.items()}


BOTH_80 = addresses(lan_ipv4=("10.0.0.1", 80), wan_ipv4=("10.0.0.1", 80))
SIDECAR = Proxy(
    destination_service_name="web", destination_service_id="web", local_service_address="127.0.0.1",
    local_service_port=80,
)  # fmt: skip
MESHED = Proxy(
    destination_service_name="front", destination_service_id="front-1", local_service_port=8080, mode="transparent",
    config={"a": 1, "b": "x", "c": {"d": [True, 2]}},
    upstreams=(
        Upstream(destination_type="service", destination_name="u", local_bind_port=9, config={"protocol": "tcp"}),
        Upstream(destination_type="prepared_query", destination_name="q", datacenter="dc2",
                 local_bind_address="127.0.0.9", local_bind_port=10),
    ),
    expose=Expose(True, (ExposePath(21500, "/health", 8080, "http2"),)),
)  # fmt: skip
NUMBERS = Proxy(
    destination_service_name="d", config={"l": [1, "a"], "m": {"k": False}, "n": 1.5, "s": "x"},
    upstreams=(Upstream(destination_type="service", destination_name="u", local_bind_port=9),),
)  # fmt: skip
GATEWAY = "terminating-gateway"


@pytest.mark.parametrize(
    ("expected", "row"),
    [
        ("3e352f348d44f7eb", instance(id="foo", tags=("bar", "baz"), port=8000)),  # the Go client's own test
        ("187c36c3787e9644", instance(id="redis")),
        ("f75300ccca4574bf", instance(id="web1", name="web", tags=("a", "b"), meta={"v": "1"}, port=80,
                                      address="10.0.0.1", tagged_addresses=BOTH_80)),
        ("f122faf586227454", instance(id="web-sidecar-proxy", kind="connect-proxy", port=21000, proxy=SIDECAR)),
        ("f76ee53c563f438c", instance(id="n", port=1, native=True)),
        ("9bdfdf595a84743", instance(id="px", kind="connect-proxy", port=5, proxy=MESHED)),  # no leading zero
        ("7434c720fdfade52", instance(id="ch", kind="connect-proxy", port=5, proxy=NUMBERS)),
        ("3497ab021b678e2c", instance(id="gw", kind=GATEWAY, port=8443, proxy=Proxy(config={"x": "y"}))),
        ("71dd1888a3332046", instance(id="ch", port=-1, locality=Locality("r", "z"))),  # locality is not in it
        ("17f5a63ca9df3c65", instance(id="ch", tags=("b", "a"), meta={"a": "2", "z": "1"}, weights=Weights(3, 2),
                                      enable_tag_override=True)),
        ("171bf887bd998c59", instance(id="ch", port=80, address="10.0.0.1",
                                      tagged_addresses={**BOTH_80, **addresses(wan=("198.18.0.1", 81))})),
        ("1eba863618a2365d", instance(id="sock", socket_path="/tmp/s.sock")),
        ("9743a9444abb0e", instance(id="hb", port=1)),
        ("c02c546a23e6a068", instance(id="esc", meta={"k": "<a>&\u2028\u00e9\u0001\b\f\n\r\t\"\\/"})),
    ],
)  # fmt: skip
def test_hashes_of_a_real_agent(expected: str, row: Instance) -> None:
    assert content_hash(row) == expected


def test_what_is_not_given_and_what_is_empty_hash_alike() -> None:
    empty = instance(id="a", tags=(), meta={}, tagged_addresses={})

    assert content_hash(empty) == content_hash(instance(id="a"))


def test_order_matters_for_tags_and_for_nothing_else() -> None:
    assert content_hash(instance(id="a", tags=("x", "y"))) != content_hash(instance(id="a", tags=("y", "x")))
    assert content_hash(instance(id="a", meta={"x": "1", "y": "2"})) == content_hash(
        instance(id="a", meta={"y": "2", "x": "1"})
    )


@pytest.mark.parametrize(
    "unseen",
    [
        {"create_index": 7, "modify_index": 9},
        {"local": Local("file")},
        {"virtual_address": "240.0.0.1"},
        {"proxy": Proxy(mode="direct")},  # of an instance that is no proxy
    ],
)
def test_what_the_agents_form_does_not_show_is_not_in_the_hash(unseen: dict[str, object]) -> None:
    assert content_hash(instance(id="a", **unseen)) == content_hash(instance(id="a"))


@pytest.mark.parametrize(
    "changed",
    [
        Proxy(transparent_proxy=TransparentProxy(15001)),
        Proxy(transparent_proxy=TransparentProxy(0, True)),
        Proxy(access_logs=AccessLogs(enabled=True)),
        Proxy(access_logs=AccessLogs(path="/dev/stdout")),
        Proxy(mesh_gateway=MeshGateway("local")),
        Proxy(expose=Expose(checks=True)),
        Proxy(local_service_socket_path="/s"),
        Proxy(upstreams=(Upstream(destination_name="u", mesh_gateway=MeshGateway("remote")),)),
        Proxy(upstreams=(Upstream(destination_name="u", centrally_configured=True),)),
        Proxy(config={"x": None}),
    ],
)
def test_each_part_of_a_proxy_changes_the_hash(changed: Proxy) -> None:
    assert content_hash(instance(id="a", kind=GATEWAY, proxy=changed)) != content_hash(
        instance(id="a", kind=GATEWAY, proxy=Proxy())
    )


@pytest.mark.parametrize(
    "same",
    [
        Proxy(transparent_proxy=TransparentProxy()),
        Proxy(access_logs=AccessLogs()),
        Proxy(envoy_extensions=(EnvoyExtension("builtin/lua"),)),
        None,
    ],
)
def test_empty_objects_and_extensions_of_a_proxy_do_not(same: Proxy | None) -> None:
    assert content_hash(instance(id="a", kind=GATEWAY, proxy=same)) == content_hash(
        instance(id="a", kind=GATEWAY, proxy=Proxy())
    )


def test_long_values_hash_as_short_ones_do() -> None:
    """Values over the size that is remembered take another way to the same function."""
    assert content_hash(instance(id="a", meta={"k": "v" * 500})) != content_hash(
        instance(id="a", meta={"k": "v" * 501})
    )
