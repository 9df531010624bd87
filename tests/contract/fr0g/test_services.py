"""The fr0g shape on a listener of its own (dialects.md §6.3): registration, look-ups, health, removal."""

import re
from typing import Any

import pytest

from registry import testing
from tests.contract.fr0g.conftest import Shapes, on
from tests.contract.rest import RestClient

REGISTER = "/v1/agent/service/register"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
WEB = {"id": "web-1", "name": "web", "address": "10.0.0.5", "port": 8080, "tags": ["api"], "meta": {"team": "x"}}


def shown(**more: Any) -> dict[str, Any]:
    return {**WEB, "health": "passing", "last_seen": "T", **more}


def timeless(text: str) -> str:
    return TIME.sub("T", text)


async def index(shapes: Shapes) -> str:
    return (await shapes.consul.get("/v1/catalog/service/web")).headers["X-Consul-Index"]


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_a_registration_is_answered_with_the_service(shapes: Shapes, method: str) -> None:
    answer = await shapes.fr0g.ask(method, REGISTER, WEB)
    assert (answer.status, timeless(answer.text)) == (
        200,
        '{"message":"Service registered successfully","service":{"address":"10.0.0.5","health":"passing","id":"web-1",'
        '"last_seen":"T","meta":{"team":"x"},"name":"web","port":8080,"tags":["api"]},"status":"success"}',
    )


async def test_only_a_name_is_needed_and_keys_may_be_in_consuls_case(shapes: Shapes) -> None:
    answer = await shapes.fr0g.post(REGISTER, {"Name": "web", "unknown": 1})
    service = answer.value["service"]
    assert (service["id"], service["address"], service["port"]) == ("web", "127.0.0.1", 0)
    assert not service.keys() & {"tags", "meta"}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"id": "web-1"}, "name is required"),
        ({**WEB, "port": 70000}, "port: 70000 is not within 0 to 65535"),
        ({**WEB, "meta": {"a": 1}}, "meta: its values must be strings"),
        ({**WEB, "meta": {"a b": "c"}}, "meta: Couldn't load metadata pair ('a b', 'c'): Key contains invalid "
         "characters"),
        ({**WEB, "name": "consul"}, "name: consul is the registry's own service"),
        ({**WEB, "check": {"http": "http://a", "interval": "x"}}, "check.interval: x is no duration such as 30s"),
        (b"", "EOF"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_refused_and_nothing_is_stored(shapes: Shapes, body: Any, problem: str) -> None:
    answer = await shapes.fr0g.put(REGISTER, body)
    assert (answer.status, answer.value) == (400, {"error": problem})
    assert (await shapes.fr0g.get("/v1/catalog/services")).text == "{}"


async def test_the_catalog_is_by_ids_and_by_names_where_consul_is_spoken(shapes: Shapes) -> None:
    assert (await shapes.fr0g.get("/v1/catalog/services")).text == "{}"
    await shapes.fr0g.put(REGISTER, WEB)
    catalog = timeless((await shapes.fr0g.get("/v1/catalog/services")).text)
    assert catalog == (
        '{"web-1":{"Status":"passing","address":"10.0.0.5","health":"passing","id":"web-1","last_seen":"T",'
        '"meta":{"team":"x"},"name":"web","port":8080,"tags":["api"]}}'
    )
    assert (await shapes.consul.get("/v1/catalog/services")).value == {"consul": [], "web": ["api"]}


async def test_an_endpoint_look_up_is_an_array(shapes: Shapes) -> None:
    await shapes.fr0g.put(REGISTER, WEB)
    [found] = (await shapes.fr0g.get("/v1/catalog/service/web")).value
    assert (found["address"], found["port"]) == ("10.0.0.5", 8080)
    assert (await shapes.fr0g.get("/v1/catalog/service/none")).text == "[]"


async def test_health_by_id_by_name_and_of_nobody(shapes: Shapes) -> None:
    await shapes.fr0g.put(REGISTER, WEB)
    by_id = (await shapes.fr0g.get("/v1/health/service/web-1")).value
    by_id["service"]["last_seen"] = "T"
    assert by_id["service"] == shown()
    assert {check["status"] for check in by_id["checks"]} == {"passing"}
    by_name = (await shapes.fr0g.get("/v1/health/service/web")).value
    assert (list(by_name), by_name["web-1"]["Status"]) == (["web-1"], "passing")
    nobody = await shapes.fr0g.get("/v1/health/service/none")
    assert (nobody.status, nobody.text) == (404, "Service not found\n")
    assert nobody.headers["Content-Type"].startswith("text/plain")


async def test_the_healthy_list_is_in_consuls_frame_and_leaves_out_who_is_not(shapes: Shapes) -> None:
    await shapes.fr0g.put(REGISTER, WEB)
    await shapes.fr0g.put(REGISTER, {**WEB, "id": "web-2"})
    await shapes.consul.put("/v1/agent/check/fail/service:web-2")
    [entry] = (await shapes.fr0g.get("/v1/health/service/web?passing=true")).value
    entry["Service"]["last_seen"] = "T"
    assert entry["Service"] == shown(Service="web")
    assert {check["Status"] for check in entry["Checks"]} == {"passing"}
    catalog = (await shapes.fr0g.get("/v1/catalog/services")).value
    assert catalog["web-2"]["health"] == catalog["web-2"]["Status"] == "critical"
    await shapes.consul.put("/v1/agent/check/warn/service:web-2")
    assert (await shapes.fr0g.get("/v1/catalog/services")).value["web-2"]["health"] == "warning"


async def test_silence_is_critical_after_two_minutes_and_registering_again_is_a_sign_of_life(shapes: Shapes) -> None:
    async def health() -> str:
        return str((await shapes.fr0g.get("/v1/health/service/web-1")).value["service"]["health"])

    await shapes.fr0g.put(REGISTER, WEB)
    await shapes.server.advance(119)
    assert await health() == "passing"
    await shapes.fr0g.put(REGISTER, WEB)
    await shapes.server.advance(119)
    assert await health() == "passing"
    await shapes.server.advance(2)
    assert await health() == "critical"
    await shapes.server.advance(300)
    assert await health() == "critical"  # never removed
    assert (await shapes.fr0g.put(REGISTER, WEB)).status == 200
    assert await health() == "passing"


async def test_registering_again_leaves_the_catalog_alone_and_moves_the_last_sign_of_life(shapes: Shapes) -> None:
    body = {**WEB, "check": {"http": f"{shapes.server.url}/health", "interval": "10s"}}
    first = (await shapes.fr0g.put(REGISTER, body)).value["service"]["last_seen"]
    before = await index(shapes)
    await shapes.server.advance(30)
    again = (await shapes.fr0g.put(REGISTER, body)).value["service"]["last_seen"]
    assert again > first
    assert await index(shapes) == before
    assert (await shapes.fr0g.get("/v1/catalog/services")).value["web-1"]["last_seen"] == again


async def test_a_sign_of_life_shows_in_the_catalog_at_once(shapes: Shapes) -> None:
    """A client that looks, registers again and looks sees that it was heard."""
    await shapes.fr0g.put(REGISTER, WEB)
    await shapes.server.advance(30)
    before = (await shapes.fr0g.get("/v1/catalog/services")).value["web-1"]["last_seen"]
    await shapes.server.advance(0.01)
    await shapes.fr0g.put(REGISTER, WEB)
    assert (await shapes.fr0g.get("/v1/catalog/services")).value["web-1"]["last_seen"] > before


async def test_what_has_changed_replaces(shapes: Shapes) -> None:
    await shapes.fr0g.put(REGISTER, WEB)
    await shapes.fr0g.put(REGISTER, {"id": "web-1", "name": "site", "port": 9, "meta": {"a": "b"}})
    catalog = (await shapes.fr0g.get("/v1/catalog/services")).value
    assert list(catalog) == ["web-1"]
    one = catalog["web-1"]
    assert (one["name"], one["port"], one["meta"], "tags" in one) == ("site", 9, {"a": "b"}, False)
    assert (await shapes.fr0g.get("/v1/catalog/service/web")).text == "[]"


CHECK = {"http": "http://127.0.0.1:1/health", "interval": "10s", "timeout": "1s"}


async def test_a_check_that_comes_along_is_consuls_and_born_passing(shapes: Shapes) -> None:
    await shapes.fr0g.put(REGISTER, {**WEB, "Check": {"HTTP": CHECK["http"], "Interval": "10s", "Timeout": "1s"}})
    checks = (await shapes.consul.get("/v1/agent/checks")).value
    assert {key: (one["Type"], one["Status"]) for key, one in checks.items()} == {
        "service:web-1": ("ttl", "passing"), "service:web-1:1": ("http", "passing"),
    }  # fmt: skip
    definition = checks["service:web-1:1"]
    assert (definition["Interval"], definition["Timeout"]) == ("10s", "1s")


async def test_its_failure_makes_the_service_critical(shapes: Shapes) -> None:
    await shapes.fr0g.put(REGISTER, {**WEB, "check": CHECK})
    await shapes.server.advance(11)
    while (health := (await shapes.fr0g.get("/v1/health/service/web-1")).value)["service"]["health"] == "passing":
        continue  # the target refuses in real time
    assert health["service"]["health"] == "critical"
    await shapes.fr0g.put(REGISTER, {**WEB, "check": CHECK})
    assert (await shapes.fr0g.get("/v1/health/service/web-1")).value["service"]["health"] == "critical"


async def test_a_removed_service_is_gone_and_an_unknown_one_is_an_error(shapes: Shapes) -> None:
    await shapes.fr0g.put(REGISTER, WEB)
    assert (await shapes.fr0g.put("/v1/agent/service/deregister/web-1")).status == 200
    assert (await shapes.fr0g.get("/v1/catalog/services")).text == "{}"
    unknown = await shapes.fr0g.put("/v1/agent/service/deregister/web-1")
    assert (unknown.status, unknown.text) == (500, "service not found: web-1\n")


async def test_another_method_is_refused_and_consuls_shape_takes_no_post(shapes: Shapes) -> None:
    assert (await shapes.fr0g.ask("DELETE", REGISTER)).status == 405
    assert (await shapes.fr0g.post("/v1/catalog/services")).status == 405
    assert (await shapes.consul.post(REGISTER, WEB)).status == 405


async def test_a_service_of_consul_is_shown_with_the_address_of_its_node(shapes: Shapes) -> None:
    await shapes.consul.put(REGISTER, {"ID": "db-1", "Name": "db", "Port": 5432, "Meta": {"version": "2"}})
    [found] = (await shapes.fr0g.get("/v1/catalog/service/db")).value
    assert (found["address"], found["port"], found["meta"]) == ("127.0.0.1", 5432, {"version": "2"})


async def test_registering_here_what_consul_made_keeps_its_checks_and_where_it_came_from(shapes: Shapes) -> None:
    await shapes.consul.put(REGISTER, {"ID": "web-1", "Name": "web", "Check": {"TTL": "10s"}})
    await shapes.fr0g.put(REGISTER, WEB)
    assert (await shapes.fr0g.get("/v1/health/service/web-1")).value["service"]["health"] == "passing"
    assert list((await shapes.consul.get("/v1/agent/checks")).value) == ["service:web-1"]
    assert (await shapes.consul.get("/v1/agent/service/web-1")).value["Meta"] == {"team": "x"}
    await shapes.server.advance(11)  # its own TTL, not ours
    assert (await shapes.fr0g.get("/v1/health/service/web-1")).value["service"]["health"] == "critical"


@pytest.mark.parametrize("port", [80, 81], ids=["unchanged", "changed"])
async def test_registering_here_what_consul_made_undoes_what_was_reported_before(shapes: Shapes, port: int) -> None:
    """A registration is a sign of life whether it changes the catalog or not (dialects.md §8.5)."""
    await shapes.consul.put(REGISTER, {"ID": "web-1", "Name": "web", "Port": 80})
    await shapes.consul.post("/agents/web-1/heartbeat", {"status": "degraded"})
    assert (await shapes.fr0g.get("/v1/health/service/web-1")).value["service"]["health"] == "warning"
    answer = await shapes.fr0g.put(REGISTER, {"id": "web-1", "name": "web", "port": port})
    assert answer.value["service"]["health"] == "passing"
    assert (await shapes.consul.get("/v1/agent/checks")).value == {}


async def test_reading_and_writing_back_through_consul_changes_nothing(shapes: Shapes) -> None:
    """Without meta too (dialects.md §8.4)."""
    await shapes.fr0g.put(REGISTER, {"name": "web"})
    before = await index(shapes)
    found = (await shapes.consul.get("/v1/agent/service/web")).value
    body = {"Name": "web", **{key: found[key] for key in ("ID", "Tags", "Meta", "Port", "Address", "Weights")}}
    assert (await shapes.consul.put(REGISTER, body)).status == 200
    assert await index(shapes) == before


async def test_an_agent_of_another_system_registered_here_keeps_its_native_metadata(shapes: Shapes) -> None:
    body = {"name": "a", "type": "cost", "host": "h", "port": 1, "metadata": {"cpu": 45.5}}
    agent_id = (await shapes.fr0g.post("/agents/register", body)).value["agent_id"]
    one = (await shapes.fr0g.get("/v1/catalog/services")).value[agent_id]
    assert one["meta"] == {"name": "a", "agent_source": "optiinfra", "cpu": "45.5"}
    again = {"id": agent_id, "name": "cost", "address": "h2", "port": 1, "meta": one["meta"]}
    assert (await shapes.fr0g.put(REGISTER, again)).status == 200
    agent = (await shapes.consul.get(f"/agents/{agent_id}")).value
    assert (agent["host"], agent["metadata"]) == ("h2", {"cpu": 45.5})


async def test_everything_else_is_served_as_on_the_main_listener(shapes: Shapes) -> None:
    assert (await shapes.fr0g.get("/v1/status/leader")).status == 200
    assert (await shapes.fr0g.get("/api/v1/agents")).text == "[]"
    for page in ("/health", "/metrics", "/agents"):
        assert (await shapes.fr0g.get(page)).status == 200


async def test_the_main_port_can_have_this_shape() -> None:
    async with testing.server(shape="fr0g") as server:
        client = RestClient(server)
        await client.know_agents()
        assert (await client.get("/v1/catalog/services")).text == "{}"
        await client.close()


async def test_further_ports_have_the_shape_of_the_main_one() -> None:
    async with testing.server(extra_http_ports=(0,), metrics_port=0, fr0g_port=0) as server:
        catalogs = []
        for _, port in server.app.addresses:
            client = on(server, port)
            catalogs.append((await client.get("/v1/catalog/services")).value)
            assert (await client.get("/health")).value["services"] == 0
            await client.close()
    assert catalogs == [{"consul": []}] * 3 + [{}]


async def test_health_has_the_keys_of_all_and_no_word_that_a_search_for_healthy_would_find_by_mistake(
    shapes: Shapes,
) -> None:
    await shapes.fr0g.put(REGISTER, WEB)
    answer = await shapes.fr0g.get("/health")
    body = answer.value
    assert (body["status"], body["redis"], body["services"], body["registered_services"]) == ("healthy", True, 1, 1)
    assert {"service", "timestamp", "version", "components"} <= body.keys()
    assert "unhealthy" not in answer.text
