"""What each write moves, and whom it wakes. Source: common.md §8.3, catalog.md §4 to §10, health.md §1 and §2.

An index that moves without waking is Consul's way: the next query with the old index is answered at once.
"""

from typing import Any, NamedTuple

import pytest

from tests.contract.consul.exchange import Client

WEB_1, DB_1 = {"Service": "web", "ID": "web1"}, {"Service": "db", "ID": "db1"}
PROXY = {"Service": "web-proxy", "Kind": "connect-proxy", "Port": 9, "Proxy": {"DestinationServiceName": "web"}}
ALIVE = {"CheckID": "alive", "ServiceID": "web1", "Status": "passing"}
DISK = {"CheckID": "disk", "Status": "warning"}

# Endpoints by a short name. n1 runs web1, which has the check `alive`, and has the check `disk` itself;
# n2 runs another instance of web, db1, and a proxy for web.
READS = {
    "nodes": "/v1/catalog/nodes",
    "services": "/v1/catalog/services",
    "web": "/v1/catalog/service/web",
    "db": "/v1/catalog/service/db",
    "mesh": "/v1/catalog/connect/web",
    "n1": "/v1/catalog/node/n1",
    "n2": "/v1/catalog/node-services/n2",
    "h-n1": "/v1/health/node/n1",
    "h-checks": "/v1/health/checks/web",
    "h-passing": "/v1/health/state/passing",
    "h-any": "/v1/health/state/any",
    "h-web": "/v1/health/service/web",
    "h-db": "/v1/health/service/db",
    "h-mesh": "/v1/health/connect/web",
}
CHECK_TABLE = "h-n1 h-checks h-passing h-any"  # all of them show the index of the table of checks


class Write(NamedTuple):
    """A write, the reads whose index it moves, those of them that it wakes, and those that look again in vain.

    The last have another body and the index they had, so they go on waiting: catalog/connect shows the
    index of the name that was asked for, which need not be that of the proxies it lists.
    """

    name: str
    body: dict[str, Any]
    moves: str = ""
    wakes: str = ""
    looks: str = ""
    path: str = "/v1/catalog/register"

    @property
    def moved(self) -> set[str]:
        return set(self.moves.split())

    @property
    def woken(self) -> set[str]:
        return set(self.wakes.split())


def register(name: str, node: str, moves: str = "", wakes: str = "", looks: str = "", **more: Any) -> Write:
    body = {"Node": node, "Address": "10.0.0.1", "SkipNodeUpdate": "Address" not in more, **more}
    return Write(name, body, moves, wakes, looks)


def deregister(name: str, node: str, moves: str = "", wakes: str = "", **more: Any) -> Write:
    return Write(name, {"Node": node, **more}, moves, wakes, path="/v1/catalog/deregister")


WRITES = [
    register("a new node", "n3", "nodes", "nodes"),
    register("a changed node", "n1", "nodes n1 web mesh h-web", "nodes n1 web h-web", Address="10.0.0.9"),
    register("the same node", "n1", Address="10.0.0.1"),
    register("the same node, other case", "N1", Address="10.0.0.1"),
    register(
        "another instance", "n1", "nodes services n1 web mesh h-web", "services n1 web h-web",
        Service={"Service": "web", "ID": "web9"},
    ),
    register(
        "a changed instance", "n1", "nodes services n1 web mesh h-web", "services n1 web h-web",
        Service=WEB_1 | {"Port": 80},
    ),
    register("the same instance", "n1", Service=WEB_1),
    register("only another socket path", "n1", Service=WEB_1 | {"SocketPath": "/s"}),
    register("a service of a new name", "n2", "nodes services n2", "services n2", Service={"Service": "new"}),
    register(
        "an instance that changes its name", "n2", "nodes services n2 db h-db web mesh h-web",
        "services n2 db h-db web h-web", Service={"Service": "web", "ID": "db1"},
    ),
    register(
        "a changed proxy", "n2", "nodes services n2 h-mesh", "services n2 h-mesh", "mesh",
        Service=PROXY | {"Port": 10},
    ),
    register(
        "a check of a service changes its status", "n1", f"{CHECK_TABLE} web mesh h-web", f"{CHECK_TABLE} h-web",
        Check=ALIVE | {"Status": "critical"},
    ),
    register(
        "a check of a service changes its output", "n1", f"{CHECK_TABLE} web mesh h-web", f"{CHECK_TABLE} h-web",
        Check=ALIVE | {"Output": "fine"},
    ),
    register("the same check", "n1", Check=ALIVE),
    register("only another type of check", "n1", Check=ALIVE | {"Type": "ttl"}),
    register(
        "a check of a node changes", "n1", f"{CHECK_TABLE} web mesh h-web", "h-n1 h-any h-web",
        Check=DISK | {"Status": "critical"},
    ),
    register(
        "a check of a node begins to pass", "n1", f"{CHECK_TABLE} web mesh h-web", "h-n1 h-any h-web h-passing",
        Check=DISK | {"Status": "passing"},
    ),
    register(
        "a new check of another node", "n2", f"{CHECK_TABLE} web mesh h-web db h-db h-mesh",
        "h-any h-web h-db h-mesh", Check={"CheckID": "load"},
    ),
    register(
        "a check of the proxy", "n2", f"{CHECK_TABLE} h-mesh", "h-any h-mesh",
        Check={"CheckID": "p", "ServiceID": "web-proxy"},
    ),
    deregister("no such node", "n9"),
    deregister("no such service", "n1", ServiceID="none"),
    deregister("no such check", "n1", CheckID="none"),
    deregister(
        "the check of a service goes", "n1", f"{CHECK_TABLE} web mesh h-web", f"{CHECK_TABLE} h-web", CheckID="ALIVE"
    ),
    deregister(
        "the check of a node goes", "n1", f"{CHECK_TABLE} services web mesh h-web", "h-n1 h-any h-web", CheckID="disk"
    ),
    deregister(
        "an instance goes, its checks with it", "n1", f"{CHECK_TABLE} nodes services n1 web mesh h-web",
        f"{CHECK_TABLE} services n1 web h-web", ServiceID="WEB1",
    ),
    deregister(
        "the last instance of a name goes", "n2", f"{CHECK_TABLE} nodes services n2 db h-db", "services n2 db h-db",
        ServiceID="db1",
    ),
    deregister(
        "a node goes with everything", "n1", f"{CHECK_TABLE} nodes services n1 web mesh h-web",
        f"{CHECK_TABLE} nodes services n1 web h-web",
    ),
]  # fmt: skip


@pytest.fixture
async def catalog(consul: Client) -> Client:
    await consul.register("n1", Service=WEB_1, Checks=[ALIVE, DISK])
    await consul.register("n2", Service={"Service": "web", "ID": "web2"})
    await consul.register("n2", Service=DB_1)
    await consul.register("n2", Service=PROXY)
    return consul


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.name)
async def test_a_write_moves_these_indexes_and_no_other(catalog: Client, write: Write) -> None:
    before = {name: await catalog.index(target) for name, target in READS.items()}
    newest = catalog.server.engine.state.applied
    assert (await catalog.put(write.path, write.body)).status == 200

    after = {name: await catalog.index(target) for name, target in READS.items()}
    assert {name for name in READS if after[name] != before[name]} == write.moved
    assert {after[name] for name in write.moved} <= {newest + 1}


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.name)
async def test_a_write_answers_these_blocking_queries_and_no_other(catalog: Client, write: Write) -> None:
    watchers = {name: await catalog.follow(target, wait="60s") for name, target in READS.items()}
    old = {name: await catalog.get(target) for name, target in READS.items()}
    assert (await catalog.put(write.path, write.body)).status == 200

    for name in sorted(write.woken):
        assert (await watchers.pop(name)).lasting() == (await catalog.get(READS[name])).lasting(), name
    assert catalog.parked == len(watchers)

    await catalog.server.advance(60)
    for name, watcher in watchers.items():
        computed_last = await catalog.get(READS[name]) if name in write.looks.split() else old[name]
        assert (await watcher).lasting() == computed_last.lasting(), name


async def test_the_index_of_a_table_passes_by_one_name(catalog: Client) -> None:
    """A service's own index stays when others change, however far the log has come."""
    before = await catalog.index(READS["h-db"])
    for port in range(1, 6):
        await catalog.add("n1", Service=WEB_1 | {"Port": port})
    assert await catalog.index(READS["h-db"]) == before
    assert await catalog.index(READS["services"]) > before + 4


async def test_a_name_without_instances_shows_the_tables_until_a_name_dies_out(catalog: Client) -> None:
    async def indexes() -> tuple[int, int]:
        return await catalog.index("/v1/catalog/service/none"), await catalog.index("/v1/health/service/none")

    newest = catalog.server.engine.state.applied
    assert await indexes() == (newest, newest)
    await catalog.add("n1", Check=DISK | {"Status": "critical"})  # a check is no matter to catalog/service
    assert await indexes() == (newest, newest + 1)

    await catalog.deregister("n2", ServiceID="db1")
    assert await indexes() == (newest + 2, newest + 2)
    await catalog.add("n1", Service=WEB_1 | {"Port": 1})
    assert await indexes() == (newest + 2, newest + 2)  # from now on only an extinction moves it


async def test_a_node_that_is_not_there_shows_the_last_removal_of_one(catalog: Client) -> None:
    assert await catalog.index("/v1/catalog/node/none") == 1
    await catalog.deregister("n2")
    removal = await catalog.index("/v1/catalog/nodes")
    for name in ("none", "n2"):
        for form in ("node", "node-services"):
            assert await catalog.index(f"/v1/catalog/{form}/{name}") == removal
    assert await catalog.index("/v1/catalog/node/x") == 1  # too short for the beginning of an id


async def test_the_checks_of_a_service_by_node_meta_have_the_index_of_the_service(catalog: Client) -> None:
    by_meta = "/v1/health/checks/web?node-meta=a:b"
    before = await catalog.index(by_meta)
    await catalog.add("n2", Check={"CheckID": "p", "ServiceID": "web-proxy"})
    assert await catalog.index(by_meta) == before
    assert await catalog.index("/v1/health/checks/web") > before
    await catalog.add("n1", Check=ALIVE | {"Status": "critical"})
    assert await catalog.index(by_meta) == await catalog.index(READS["h-web"])


async def test_indexes_of_rows_say_when_they_were_made_and_changed(consul: Client) -> None:
    await consul.register("n", Service=WEB_1, Check=ALIVE)
    await consul.add("n", Service=WEB_1 | {"Port": 1})
    await consul.add("n", Check=ALIVE | {"Output": "x"})
    await consul.register("n", "10.0.0.2")
    [entry] = (await consul.get("/v1/health/service/web")).json
    rows = entry["Node"], entry["Service"], entry["Checks"][0]
    assert [(row["CreateIndex"], row["ModifyIndex"]) for row in rows] == [(2, 5), (2, 3), (2, 4)]


async def test_a_row_that_comes_back_is_a_new_row(consul: Client) -> None:
    await consul.register("n", Service=WEB_1)
    await consul.deregister("n", ServiceID="web1")
    await consul.add("n", Service=WEB_1)
    [row] = (await consul.get("/v1/catalog/service/web")).json
    assert (row["CreateIndex"], row["ModifyIndex"]) == (4, 4)
