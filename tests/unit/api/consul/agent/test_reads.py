"""What the agent tells of its own services and checks: by exact id, with hashes, filters and health."""

import asyncio

import pytest

URL = "/v1/agent/service/web"


async def test_services_and_checks_of_the_agent_only(agent) -> None:
    await agent.service("web", ID="web-1", Port=80)
    await agent.check("disk")
    await agent.node("n2", Service={"Service": "db"}, Check={"Name": "c"})

    assert list((await agent.get("/v1/agent/services")).json) == ["web-1"]
    assert list((await agent.get("/v1/agent/checks")).json) == ["disk"]


async def test_a_filter_on_services(agent) -> None:
    await agent.service("web", Port=80, Meta={"v": "1"})
    await agent.service("db", Tags=["main"])

    assert list((await agent.get("/v1/agent/services?filter=Meta.v==2")).json) == []
    assert list((await agent.get('/v1/agent/services?filter=Meta.v=="1"')).json) == ["web"]
    assert list((await agent.get("/v1/agent/services?filter=main+in+Tags")).json) == ["db"]
    refusal = await agent.get("/v1/agent/services?filter=Nope==1")
    assert (refusal.status, refusal.text) == (
        500, 'Failed to create boolean expression evaluator: Selector "Nope" is not valid',
    )  # fmt: skip


async def test_a_filter_on_checks_is_looked_into_only_when_there_are_checks(agent) -> None:
    assert (await agent.get("/v1/agent/checks?filter=Foo==1")).text == "{}"
    broken = await agent.get("/v1/agent/checks?filter=((")
    assert broken.status == 500
    assert broken.text.startswith("Failed to create boolean expression evaluator: 1:3 (2)")

    await agent.check("disk")
    refusal = await agent.get("/v1/agent/checks?filter=Foo==1")
    assert (refusal.status, refusal.text) == (500, 'Selector "Foo" is not valid')
    assert list((await agent.get("/v1/agent/checks?filter=Name==disk")).json) == ["disk"]
    assert (await agent.get("/v1/agent/checks?filter=Name==cpu")).json == {}


async def test_a_new_note_shows_at_once(agent) -> None:
    await agent.check("disk")
    await agent.put("/v1/agent/check/pass/disk?note=one")
    assert (await agent.get("/v1/agent/checks")).json["disk"]["Output"] == "one"
    await agent.put("/v1/agent/check/pass/disk?note=two")

    assert (await agent.get("/v1/agent/checks")).json["disk"]["Output"] == "two"


async def test_one_service_with_its_hash(agent) -> None:
    await agent.service("foo", Tags=["bar", "baz"], Port=8000)

    answer = await agent.get("/v1/agent/service/foo")

    assert answer.json["ContentHash"] == answer.headers["x-consul-contenthash"] == "3e352f348d44f7eb"
    assert "x-consul-index" not in answer.headers


@pytest.mark.parametrize("target", ["/v1/agent/service/Foo", "/v1/agent/service/", "/v1/agent/service/consul"])
async def test_ids_are_exact(agent, target: str) -> None:
    await agent.service("foo")

    answer = await agent.get(target)

    assert (answer.status, answer.text) == (404, "unknown service ID: " + target.rpartition("/")[2])


async def test_a_known_hash_waits_until_the_definition_changes(agent) -> None:
    await agent.service("web", Port=80)
    known = (await agent.get(URL)).headers["x-consul-contenthash"]
    waiting = asyncio.ensure_future(agent.get(f"{URL}?hash={known}&wait=5m"))
    await agent.server.parked(1)

    await agent.service("web", Port=80, Check={"TTL": "10s"})  # the same definition
    await agent.service("web", Port=80, Locality={"Region": "r"})  # another row, of the same hash
    await agent.service("other")
    await agent.server.clock.settle()
    assert not waiting.done()

    await agent.service("web", Port=81)
    answer = await waiting
    assert answer.json["Port"] == 81
    assert answer.headers["x-consul-contenthash"] != known


async def test_a_wait_ends_with_its_time(agent) -> None:
    await agent.service("web")
    known = (await agent.get(URL)).headers["x-consul-contenthash"]
    waiting = asyncio.ensure_future(agent.get(f"{URL}?hash={known}&wait=10s"))
    await agent.server.parked(1)
    await agent.server.advance(9)
    assert not waiting.done()
    await agent.server.advance(2)

    assert (await waiting).json["ContentHash"] == known


async def test_the_same_question_waits_the_next_time_too(agent) -> None:
    """An answer that came from waiting must not be what the next asker gets at once."""
    await agent.service("web")
    known = (await agent.get(URL)).headers["x-consul-contenthash"]
    for _ in range(2):
        waiting = asyncio.ensure_future(agent.get(f"{URL}?hash={known}&wait=10s"))
        await agent.server.parked(1)
        await agent.server.advance(11)
        await waiting

    assert (await agent.get(f"{URL}?hash=other&wait=10s")).status == 200


async def test_a_service_that_goes_ends_the_wait(agent) -> None:
    await agent.service("web")
    known = (await agent.get(URL)).headers["x-consul-contenthash"]
    waiting = asyncio.ensure_future(agent.get(f"{URL}?hash={known}"))
    await agent.server.parked(1)
    await agent.put("/v1/agent/service/deregister/web")

    assert (await waiting).status == 404


@pytest.mark.parametrize(("query", "text"), [("wait=x", "Invalid wait time"), ("index=-1", "Invalid index")])
async def test_wait_and_index_must_be_readable(agent, query: str, text: str) -> None:
    await agent.service("web")

    answer = await agent.get(f"{URL}?{query}")

    assert (answer.status, answer.text) == (400, text)


@pytest.mark.parametrize("path", ["services", "checks", "service/x", "health/service/id/x", "health/service/name/x"])
async def test_namespaces_are_refused(agent, path: str) -> None:
    assert (await agent.get(f"/v1/agent/{path}?ns=a")).status == 400


@pytest.mark.parametrize(
    ("statuses", "status", "word"),
    [
        ([], 200, "passing"),
        (["passing"], 200, "passing"),
        (["passing", "warning"], 429, "warning"),
        (["warning", "critical", "passing"], 503, "critical"),
    ],
)
async def test_health_of_an_instance_is_its_worst_check(agent, statuses: list[str], status: int, word: str) -> None:
    checks = [{"CheckID": f"c{number}", "TTL": "1m", "Status": one} for number, one in enumerate(statuses)]
    await agent.service("web", ID="web-1", Checks=checks)

    answer = await agent.get("/v1/agent/health/service/id/web-1")

    assert (answer.status, answer.headers["x-consul-reason"], answer.json["AggregatedStatus"]) == (status, word, word)
    assert [one["CheckID"] for one in answer.json["Checks"]] == [one["CheckID"] for one in checks]
    assert answer.json["Service"]["ID"] == "web-1"


async def test_checks_of_the_node_count_for_every_instance_but_gossip_does_not(agent) -> None:
    await agent.service("web")
    await agent.check("disk", Status="warning")

    answer = await agent.get("/v1/agent/health/service/id/web")

    assert answer.status == 429
    assert [one["CheckID"] for one in answer.json["Checks"]] == ["disk"]


@pytest.mark.parametrize(
    "target", ["/v1/agent/maintenance?enable=true", "/v1/agent/service/maintenance/web?enable=true"]
)
async def test_maintenance_is_said_before_anything_else(agent, target: str) -> None:
    await agent.service("web", Check={"TTL": "1m"})
    await agent.put(target)

    answer = await agent.get("/v1/agent/health/service/id/web?format=text")

    assert (answer.status, answer.text, answer.headers["content-type"]) == (503, "maintenance", "text/plain")


async def test_health_by_name_is_that_of_the_worst_instance(agent) -> None:
    await agent.service("web", ID="a", Check={"TTL": "1m", "Status": "passing"})
    await agent.service("web", ID="b", Check={"TTL": "1m", "Status": "warning"})

    answer = await agent.get("/v1/agent/health/service/name/web")

    assert (answer.status, answer.headers["x-consul-reason"]) == (429, "warning")
    assert {one["Service"]["ID"]: one["AggregatedStatus"] for one in answer.json} == {"a": "passing", "b": "warning"}
    assert (await agent.get("/v1/agent/health/service/name/WEB")).status == 404


async def test_health_of_what_is_not_there(agent) -> None:
    by_id, by_name = "/v1/agent/health/service/id/x", "/v1/agent/health/service/name/x"

    answer = await agent.get(by_id)
    assert (answer.status, answer.headers["x-consul-reason"]) == (404, "ServiceId x not found")
    assert answer.text == '{"AggregatedStatus":"critical","Service":null,"Checks":null}'
    assert (await agent.get(by_id + "?format=text")).text == "ServiceId x not found"
    answer = await agent.get(by_name)
    assert (answer.status, answer.text, answer.headers["x-consul-reason"]) == (404, "[]", "ServiceName x Not Found")
    assert (await agent.get(by_name, Accept="text/plain; q=1")).text == "ServiceName x Not Found"
    assert (await agent.get(by_name, Accept="application/json, text/plain")).text == "[]"


async def test_health_of_nothing(agent) -> None:
    assert [(one.status, one.text) for one in (await agent.get("/v1/agent/health/service/id/"),
                                               await agent.get("/v1/agent/health/service/name/"))] == [
        (500, "Missing serviceID"), (500, "Missing service Name"),
    ]  # fmt: skip
