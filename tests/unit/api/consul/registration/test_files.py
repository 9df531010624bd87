"""Services and checks in configuration files: Consul's keys in either spelling, and errors that name their place."""

import pytest

from registry.api.dialects.consul.registration.files import file_rows
from registry.errors import SettingsError
from registry.model.check import CheckDefinition
from registry.model.service import ServiceAddress, Weights
from registry.settings import Definition, Settings

SECOND = 10**9


def rows(*definitions, **settings):
    return file_rows(Settings(definitions=tuple(definitions), **settings))


def service(body, **settings):
    (command,) = rows(Definition("web.json", "service", body), **settings).services
    return command


def check(body, **settings):
    (row,) = rows(Definition("web.json", "check", body), **settings).checks
    return row


def refusal(kind, body):
    with pytest.raises(SettingsError) as caught:
        rows(Definition("web.json", kind, body))
    return str(caught.value)


def test_no_definitions_are_no_rows():
    command = rows()
    assert (command.services, command.checks) == ((), ())


@pytest.mark.parametrize(
    "body",
    [
        {"id": "w1", "name": "web", "enable_tag_override": True,
         "tagged_addresses": {"lan": {"address": "a", "port": 1}},
         "check": {"id": "alive", "ttl": "10s", "deregister_critical_service_after": "90m"},
         "weights": {"passing": 2, "warning": 1}},
        {"ID": "w1", "Name": "web", "EnableTagOverride": True, "TaggedAddresses": {"lan": {"Address": "a", "Port": 1}},
         "Check": {"CheckID": "alive", "TTL": "10s", "DeregisterCriticalServiceAfter": "90m"},
         "Weights": {"Passing": 2, "Warning": 1}},
        {"id": "w1", "name": "web", "enabletagoverride": True,
         "taggedaddresses": [{"lan": [{"address": "a", "port": 1}]}],
         "checks": [{"check_id": "alive", "ttl": "10s", "deregistercriticalserviceafter": "90m"}],
         "weights": [{"passing": 2, "warning": 1}], "proxy": None},
    ],
    ids=["underscores", "camel case", "as HCL becomes"],
)  # fmt: skip
def test_keys_may_be_spelled_either_way(body):
    command = service(body)
    row = command.service.service
    assert (row.id, row.name, row.enable_tag_override, row.weights) == ("w1", "web", True, Weights(2, 1))
    assert row.tagged_addresses == {"lan": ServiceAddress("a", 1)}
    (alive,) = command.service.checks
    after = 90 * 60 * SECOND
    assert alive.id == "alive"
    assert alive.runs == CheckDefinition(ttl_ns=10 * SECOND, deregister_critical_service_after_ns=after)


def test_free_form_keys_are_left_alone():
    proxy = {"destination_service_name": "d", "config": {"a_b": {"C_d": 1}},
             "upstreams": [{"destination_name": "u", "local_bind_port": 1, "config": {"x_y": 2}}]}  # fmt: skip
    row = service(
        {"name": "p", "kind": "connect-proxy", "port": 1, "meta": {"a_b": "c"}, "proxy": proxy}
    ).service.service
    assert row.meta == {"a_b": "c"}
    assert row.proxy is not None
    assert row.proxy.config == {"a_b": {"C_d": 1}}
    assert row.proxy.upstreams is not None
    assert row.proxy.upstreams[0].config == {"x_y": 2}


def test_a_sidecar_comes_with_its_service_and_the_range_of_its_port():
    command = service(
        {"name": "web", "port": 80, "connect": {"sidecar_service": {}}}, sidecar_min_port=3, sidecar_max_port=4
    )
    assert command.sidecar is not None
    assert command.sidecar.service.id == "web-sidecar-proxy"
    assert command.sidecar_ports == (3, 4)


def test_a_check_on_its_own():
    row = check({"id": "c1", "name": "disk", "args": ["df"], "interval": "10s", "service_id": "w1"},
                enable_local_script_checks=True)  # fmt: skip
    assert (row.id, row.name, row.service_id, row.type, row.interval) == ("c1", "disk", "w1", "script", "10s")
    assert check({"check_id": "c2", "Name": "disk", "TTL": "1s"}).id == "c2"


def test_several_definitions_keep_their_order():
    one, two = (Definition("a.json", "service", {"name": name}) for name in ("one", "two"))
    assert [command.service.service.name for command in rows(one, two).services] == ["one", "two"]


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("service", {}, "web.json: service: Missing service name"),
        ("service", {"name": "x", "prot": 80}, "web.json: service x: prot: is not a field that can be defined here"),
        (
            "service",
            {"Name": "web", "checks": [{"ttl": "1s"}, {"httpp": "x"}]},
            "web.json: service web: checks: httpp: is not a field that can be defined here",
        ),
        ("service", {"id": "w1", "name": "web", "port": "80"}, "web.json: service w1: Port: Expected int, got str"),
        (
            "service",
            {"name": "web", "checks": [{"http": 1}]},
            "web.json: service web: Checks[0].HTTP: Expected str, got int",
        ),
        ("service", {"name": "web", "meta": {"bad key": "v"}},
         "web.json: service web: Invalid Service Meta: Couldn't load metadata pair ('bad key', 'v'): "
         "Key contains invalid characters"),
        ("service", {"name": "web", "check": {"ttl": "10"}},
         'web.json: service web: time: missing unit in duration "10"'),
        ("service", {"name": "web", "check": {"ttl": 10}},
         'web.json: service web: check: ttl: is not a duration such as "10s"'),
        ("check", {"ttl": "1s"}, "web.json: check: Missing check name"),
        ("check", {"name": "c"}, "web.json: check c: Invalid check: TTL must be > 0 for TTL checks"),
        ("check", {"name": "c", "args": ["x"], "interval": "1s"},
         "web.json: check c: Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or "
         "'enable_local_script_checks' to true"),
    ],
)  # fmt: skip
def test_a_wrong_definition_names_its_file_and_its_place(kind, body, text):
    assert refusal(kind, body) == text
