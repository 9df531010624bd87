"""What the write endpoints ask of the engine, and in which order they refuse (agent.md §3.8, §6, §7; catalog.md)."""

from types import SimpleNamespace

import pytest

from registry.api.call import Call
from registry.api.dialects.consul.agent import checks as agent_checks
from registry.api.dialects.consul.agent import services as agent_services
from registry.api.dialects.consul.agent.checks import shortened
from registry.api.dialects.consul.catalog import writes as catalog_writes
from registry.api.dialects.consul.errors import reply_for
from registry.api.metrics import Metrics
from registry.api.query import Query
from registry.commands import (
    Deregister,
    DeregisterLocal,
    DeregisterLocalCheck,
    Register,
    RegisterLocal,
    RegisterLocalCheck,
    SetMaintenance,
)
from registry.errors import RequestError
from registry.model.check import Check, CheckDefinition
from registry.settings import Settings

ENTERPRISE = 'Invalid query parameter: "ns" - Namespaces are a Consul Enterprise feature'


class AskedEngine:
    """Stands in for the engine: notes what it is asked for."""

    def __init__(self, checks=()):
        self.asked = []
        self.state = SimpleNamespace(
            server=SimpleNamespace(datacenter="dc1"), local_check={check.id: check for check in checks}.get,
            record=lambda record_id: None,
        )  # fmt: skip

    async def propose(self, command):
        self.asked.append(command)

    async def beat(self, check_id, status, output):
        self.asked.append((check_id, status, output))


async def put(handler, argument="", query="", body=b"", *, engine=None, headers=None, **settings):
    """The status, the text, and what the engine was asked for."""
    engine = engine or AskedEngine()

    async def read(limit):
        return body if isinstance(body, bytes) else body.encode()

    call = Call(
        method="PUT", route="", path="", argument=argument, query=Query(query), headers=headers or {}, remote="",
        request_id="", read_body=read,
        server=SimpleNamespace(engine=engine, settings=Settings(**settings), metrics=Metrics()),
    )  # fmt: skip
    try:
        reply = await handler(call)
    except RequestError as error:
        reply = reply_for(error)
    return reply.status, reply.body.decode(), engine.asked


async def test_registering_a_service_answers_nothing():
    status, text, (command,) = await put(agent_services.register_service, body='{"Name":"web"}')
    assert (status, text) == (200, "")
    assert isinstance(command, RegisterLocal)
    assert command.service.service.name == "web"


@pytest.mark.parametrize(
    ("query", "replaces"),
    [("", False), ("replace-existing-checks", True), ("replace-existing-checks=true", True),
     ("replace-existing-checks=false", False), ("replace-existing-checks=TRUE", False),
     ("replace-existing-checks=1", False)],
)  # fmt: skip
async def test_checks_are_replaced_only_when_asked_in_these_words(query, replaces):
    _, _, (command,) = await put(agent_services.register_service, query=query, body='{"Name":"web"}')
    assert command.replace_checks is replaces


async def test_the_range_of_sidecar_ports_is_a_setting():
    _, _, (command,) = await put(
        agent_services.register_service, body='{"Name":"web"}', sidecar_min_port=3, sidecar_max_port=5
    )
    assert command.sidecar_ports == (3, 5)
    _, _, (command,) = await put(
        agent_services.register_service, body='{"Name":"web"}', sidecar_min_port=0, sidecar_max_port=0
    )
    assert command.sidecar_ports == (0, 0)


async def test_script_checks_are_a_setting():
    body = '{"Name":"c","Args":["x"],"Interval":"1s"}'
    assert (await put(agent_checks.register_check, body=body))[0] == 500
    assert (await put(agent_checks.register_check, body=body, enable_local_script_checks=True))[0] == 500
    assert (await put(agent_checks.register_check, body=body, enable_script_checks=True))[0] == 200


async def test_registering_a_check():
    status, text, (command,) = await put(agent_checks.register_check, body='{"Name":"c","TTL":"1s"}')
    assert (status, text) == (200, "")
    assert isinstance(command, RegisterLocalCheck)
    assert command.check.id == "c"


async def test_removals_name_what_the_path_names():
    assert (await put(agent_services.deregister_service, "a/b")) == (200, "", [DeregisterLocal("a/b")])
    assert (await put(agent_services.deregister_service, "")) == (200, "", [DeregisterLocal("")])
    assert (await put(agent_checks.deregister_check, "c", body="{bad")) == (200, "", [DeregisterLocalCheck("c")])


@pytest.mark.parametrize(
    ("handler", "status"),
    [(agent_checks.pass_check, "passing"), (agent_checks.warn_check, "warning"), (agent_checks.fail_check, "critical")],
)
async def test_signs_of_life_carry_their_note(handler, status):
    assert await put(handler, "c", "note=all+fine") == (200, "", [("c", status, "all fine")])
    assert await put(handler, "c") == (200, "", [("c", status, "")])


async def test_an_update_takes_status_and_output_from_its_body():
    body = '{"status":"warning","output":"hot"}'
    assert await put(agent_checks.update_check, "c", body=body) == (200, "", [("c", "warning", "hot")])


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("", "Request decode failed: EOF"),
        ('{"Status":"passing","Extra":1}', 'Request decode failed: json: unknown field "Extra"'),
        ("{}", "Invalid check status: ''"),
        ('{"Status":"Passing"}', "Invalid check status: 'Passing'"),
    ],
)
async def test_an_update_is_refused_before_its_check_and_its_selectors_are_looked_at(body, text):
    assert await put(agent_checks.update_check, "no-such", "ns=default", body) == (400, text, [])


@pytest.mark.parametrize(
    "handler",
    [
        agent_services.register_service, agent_services.deregister_service, agent_checks.register_check,
        agent_checks.deregister_check, agent_checks.pass_check, agent_checks.warn_check, agent_checks.fail_check,
        catalog_writes.register, catalog_writes.deregister,
    ],
)  # fmt: skip
async def test_enterprise_selectors_are_refused_before_anything_else(handler):
    assert await put(handler, "x", "ns=default", "{bad") == (400, ENTERPRISE, [])


async def test_an_update_with_a_good_body_refuses_enterprise_selectors():
    assert await put(agent_checks.update_check, "c", "ns=x", '{"Status":"passing"}') == (400, ENTERPRISE, [])


@pytest.mark.parametrize(
    ("argument", "query", "text"),
    [
        ("", "", "Missing service ID"),
        ("s", "", "Missing value for enable"),
        ("s", "enable=", 'Invalid value for enable: ""'),
        ("s", "enable=maybe&ns=x", 'Invalid value for enable: "maybe"'),
        ("s", "enable=true&ns=default", ENTERPRISE),
    ],
)
async def test_maintenance_of_a_service_is_refused_in_order(argument, query, text):
    assert await put(agent_services.set_service_maintenance, argument, query) == (400, text, [])


async def test_maintenance():
    service, node = agent_services.set_service_maintenance, agent_services.set_node_maintenance
    assert await put(service, "s", "enable=true&reason=a+b") == (200, "", [SetMaintenance(True, "s", "a b")])
    assert await put(service, "s", "enable=F") == (200, "", [SetMaintenance(False, "s", "")])
    assert await put(node, "", "enable=1&ns=ignored") == (200, "", [SetMaintenance(True, None, "")])
    assert await put(node) == (400, "Missing value for enable", [])
    assert await put(node, "", "enable=nope") == (400, 'Invalid value for enable: "nope"', [])


async def test_catalog_writes_answer_true():
    status, text, (command,) = await put(catalog_writes.register, body='{"Node":"n","Address":"a"}', query="dc=ignored")
    assert (status, text, command.node.datacenter) == (200, "true", "dc1")
    assert isinstance(command, Register)
    assert await put(catalog_writes.deregister, body='{"Node":"n"}') == (200, "true", [Deregister("n")])
    assert await put(catalog_writes.deregister, body='{"Node":"n","PeerName":"p"}') == (200, "true", [])


# The length of an output


def test_an_output_within_its_limit_stays():
    assert shortened("", 10) == ""
    assert shortened("a" * 10, 10) == "a" * 10
    assert shortened("é" * 5, 10) == "é" * 5


def test_a_long_output_keeps_its_beginning_in_bytes():
    assert shortened("a" * 11, 10) == "a" * 10 + " ... (captured 10 of 11 bytes)"
    assert shortened("é" * 6, 9) == "é" * 4 + "\ufffd ... (captured 9 of 12 bytes)"
    assert shortened("😀" * 3, 7) == "😀" + "\ufffd" * 3 + " ... (captured 7 of 12 bytes)"


def ttl_check(**fields):
    return Check(node="n", id="c", runs=CheckDefinition(ttl_ns=1, **fields))


@pytest.mark.parametrize(
    ("engine", "limit"),
    [
        (AskedEngine(), 30),
        (AskedEngine([ttl_check()]), 30),
        (AskedEngine([ttl_check(output_max_size=20)]), 20),
        (AskedEngine([ttl_check(output_max_size=50)]), 30),
    ],
    ids=["unknown", "no limit of its own", "lower", "higher"],
)
async def test_the_limit_is_the_setting_or_less_where_the_check_says_so(engine, limit):
    _, _, asked = await put(agent_checks.pass_check, "c", "note=" + "a" * 60, engine=engine, check_output_max_bytes=30)
    assert asked[-1] == ("c", "passing", "a" * limit + f" ... (captured {limit} of 60 bytes)")
