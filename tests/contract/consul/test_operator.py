"""What operators ask about the servers. Source: status_operator_snapshot_ui.md part B; the `operator_ui` recordings."""

import base64
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from registry.commands import RaiseLevel, SetMembers
from registry.commands.codec import LEVEL
from registry.model.member import Member
from tests.contract.consul.exchange import Answer, Client
from tests.contract.consul.replicas import Replica, pair

CONFIGURATION = "/v1/operator/autopilot/configuration"
HEALTH = "/v1/operator/autopilot/health"
KEYRING = "/v1/operator/keyring"
PEER = "/v1/operator/raft/peer"
TRANSFER = "/v1/operator/raft/transfer-leader"
DEFAULTS = (
    '{"CleanupDeadServers":true,"LastContactThreshold":"200ms","MaxTrailingLogs":250,"MinQuorum":0,'
    '"ServerStabilizationTime":"10s","RedundancyZoneTag":"","DisableUpgradeMigration":false,"UpgradeVersionTag":"",'
)
KEY = base64.b64encode(bytes(16)).decode()
FIRST = Member("aaaaaaaa", "", "10.0.0.1", 8500, LEVEL, "1", since=1_600_000_000.0)
SECOND = Member("bbbbbbbb", "w2", "10.0.0.2", 9500, LEVEL, "1")

pytestmark = pytest.mark.usefixtures("every_command")


@pytest.fixture
async def both() -> AsyncIterator[tuple[Replica, Replica]]:
    """Two replicas that know of each other."""
    async with pair() as replicas:
        await replicas[0].server.engine.propose(RaiseLevel(LEVEL))
        await replicas[0].server.engine.propose(SetMembers((FIRST, SECOND), FIRST.id))
        await replicas[1].caught_up(replicas[0])
        yield replicas


def said(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.text


async def configure(consul: Client, body: str, query: str = "") -> bool:
    answer = await consul.put(CONFIGURATION + query, body.encode())
    assert answer.status == 200, answer.text
    return bool(answer.json)


async def configuration(consul: Client) -> dict[str, Any]:
    found: dict[str, Any] = (await consul.get(CONFIGURATION)).json
    return found


# Raft


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("", 400, "Must specify either ?id with the server's ID or ?address with IP:port of peer to remove"),
        ("?id=a&address=b", 400, "Must specify only one of ?id or ?address"),
        ("?id=", 500, 'id "" was not found in the Raft configuration'),
        ("?address=1.2.3.4:8300", 500, 'address "1.2.3.4:8300" was not found in the Raft configuration'),
        ("?address=127.0.0.1:8300", 500, "need at least one voter in configuration: {[]}"),
        ("?id=a&dc=nowhere", 500, "No path to datacenter"),
    ],
)
async def test_no_peer_can_be_removed_from_one_server(consul: Client, query: str, status: int, text: str) -> None:
    assert said(await consul.send(f"DELETE {PEER}{query}")) == (status, text)


async def test_a_live_replica_is_told_how_it_leaves(both: tuple[Replica, Replica]) -> None:
    [_, second] = (await both[0].get("/v1/operator/raft/configuration")).json["Servers"]
    for query in (f"id={second['ID']}", f"address={second['Address']}"):
        answer = await both[0].send(f"DELETE {PEER}?{query}")
        assert said(answer) == (500, "test-node-w2 is a live server: it leaves when its process is stopped")


async def test_the_lead_of_one_server_has_nowhere_to_go(consul: Client) -> None:
    own = (await consul.get("/v1/operator/raft/configuration")).json["Servers"][0]["ID"]
    assert said(await consul.send(f"POST {TRANSFER}")) == (500, "cannot find peer")
    assert said(await consul.send(f"POST {TRANSFER}?id={own}&ns=ignored")) == (500, "cannot find peer")
    answer = await consul.send(f"POST {TRANSFER}?id=abc")
    assert said(answer) == (500, "Could not find address for server id abc")
    answer = await consul.send(f"POST {TRANSFER}?partition=x")
    assert said(answer) == (
        400, 'Invalid query parameter: "partition" - Partitions are a Consul Enterprise feature',
    )  # fmt: skip


async def test_the_lead_among_replicas_is_the_stores_to_give(both: tuple[Replica, Replica]) -> None:
    answer = await both[1].send(f"POST {TRANSFER}")
    assert said(answer) == (500, "the store chooses the leader: another server leads when this one is stopped")


# Autopilot


async def test_the_first_configuration_can_be_changed_by_its_index(consul: Client) -> None:
    """What `consul operator autopilot set-config` does on a fresh server."""
    first = await consul.get(CONFIGURATION)
    assert first.text.startswith(DEFAULTS)
    assert not [name for name in first.headers if name.startswith("x-consul-") and "policy" not in name]
    index = first.json["ModifyIndex"]
    assert index >= 1
    assert not await configure(consul, '{"MinQuorum": 3}', "?cas=0")
    assert not await configure(consul, '{"MinQuorum": 3}', f"?cas={index + 1}")
    assert await configure(consul, '{"MinQuorum": 3}', f"?cas={index}")
    found = await configuration(consul)
    assert (found["MinQuorum"], found["CreateIndex"]) == (3, first.json["CreateIndex"])
    assert found["ModifyIndex"] > index


async def test_what_is_not_sent_becomes_the_default(consul: Client) -> None:
    assert await configure(consul, '{"LastContactThreshold": "1m", "MaxTrailingLogs": 7, "UpgradeVersionTag": "v"}')
    assert await configure(consul, '{"cleanupdeadservers": false, "ServerStabilizationTime": null, "ModifyIndex": 9}')
    found = await configuration(consul)
    assert (found["CleanupDeadServers"], found["ServerStabilizationTime"]) == (False, "0s")
    assert (found["LastContactThreshold"], found["MaxTrailingLogs"], found["UpgradeVersionTag"]) == ("200ms", 250, "")
    assert found["ModifyIndex"] != 9
    assert await configure(consul, '{"LastContactThreshold": -1500000, "ServerStabilizationTime": "90s"}')
    found = await configuration(consul)
    assert (found["LastContactThreshold"], found["ServerStabilizationTime"]) == ("-1.5ms", "1m30s")
    assert await configure(consul, "null")
    assert (await consul.get(CONFIGURATION)).text.startswith(DEFAULTS)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("", "EOF"),
        ("{", "unexpected EOF"),
        ('{"Foo": 1}', 'json: unknown field "Foo"'),
        ('{"ServerStabilizationTime": ""}', 'time: invalid duration ""'),
        ('{"LastContactThreshold": "1x"}', 'time: unknown unit "x" in duration "1x"'),
        (
            '{"MaxTrailingLogs": -1}',
            "json: cannot unmarshal number -1 into Go struct field AutopilotConfiguration.MaxTrailingLogs "
            "of type uint64",
        ),
    ],
)
async def test_a_wrong_configuration_changes_nothing(consul: Client, body: str, problem: str) -> None:
    before = await configuration(consul)
    for query in ("", "?cas=abc", "?dc=nowhere"):
        answer = await consul.put(CONFIGURATION + query, body.encode())
        assert said(answer) == (400, f"Error parsing autopilot config: {problem}")
    assert await configuration(consul) == before


async def test_a_wrong_index_or_datacenter_of_a_configuration(consul: Client) -> None:
    answer = await consul.put(f"{CONFIGURATION}?cas=abc", b"{}")
    assert said(answer) == (400, 'Error parsing cas value: strconv.ParseUint: parsing "abc": invalid syntax')
    assert said(await consul.put(f"{CONFIGURATION}?dc=nowhere", b"{}")) == (500, "No path to datacenter")


async def test_one_server_is_healthy_and_can_not_be_missed(consul: Client) -> None:
    node = (await consul.send("GET /v1/agent/self")).json["Config"]["NodeID"]
    answer = await consul.get(HEALTH)
    [server] = answer.json["Servers"]
    index = server.pop("LastIndex")
    assert index >= 1
    assert (answer.json["Healthy"], answer.json["FailureTolerance"]) == (True, 0)
    assert server == {
        "ID": node, "Name": "test-node", "Address": "127.0.0.1:8300", "SerfStatus": "alive", "Version": "1.21.4",
        "Leader": True, "LastContact": "0s", "LastTerm": 2, "Healthy": True, "Voter": True,
        "StableSince": "2023-11-14T22:13:20Z",
    }  # fmt: skip
    state = (await consul.get("/v1/operator/autopilot/state")).json
    assert (state["Leader"], state["Voters"], list(state["Servers"])) == (node, [node], [node])
    shown = state["Servers"][node]
    assert (shown["Status"], shown["NodeType"], shown["NodeStatus"]) == ("leader", "voter", "alive")
    assert shown["Meta"] == {"consul-network-segment": "", "consul-version": "1.21.4"}
    for target in (HEALTH, "/v1/operator/autopilot/state"):
        assert said(await consul.get(f"{target}?dc=nowhere")) == (500, "No path to datacenter")


async def test_every_replica_but_one_may_fail(both: tuple[Replica, Replica]) -> None:
    for one in both:
        health = (await one.get(HEALTH)).json
        assert (health["Healthy"], health["FailureTolerance"]) == (True, 1)
        assert [(each["Name"], each["Leader"]) for each in health["Servers"]] == [
            ("test-node-aaaaaaaa", True), ("test-node-w2", False),
        ]  # fmt: skip
        assert health["Servers"][0]["StableSince"] == "2020-09-13T12:26:40Z"
        state = (await one.get("/v1/operator/autopilot/state")).json
        statuses = {each["Name"]: each["Status"] for each in state["Servers"].values()}
        assert statuses == {"test-node-aaaaaaaa": "leader", "test-node-w2": "voter"}
        assert state["OptimisticFailureTolerance"] == 1


async def test_without_the_store_nobody_is_healthy(both: tuple[Replica, Replica]) -> None:
    both[1].wire.cut()
    answer = await both[1].get(f"{HEALTH}?stale")
    assert (answer.status, answer.json["Healthy"]) == (429, False)
    assert not any(one["Leader"] or one["Healthy"] for one in answer.json["Servers"])
    assert said(await both[1].get(HEALTH)) == (500, "No cluster leader")


# The keyring


@pytest.mark.parametrize(
    ("line", "body", "text"),
    [
        ("GET ?local-only=zz", "", 'Error parsing local-only: strconv.ParseBool: parsing "zz": invalid syntax'),
        ("GET ?relay-factor=6", "", "Invalid relay-factor: Relay factor must be in range: [0, 5]"),
        ("GET ?relay-factor=-1", "", "Invalid relay-factor: Relay factor must be in range: [0, 5]"),
        ("GET ?relay-factor=a", "", 'Error parsing relay factor: strconv.Atoi: parsing "a": invalid syntax'),
        (
            "GET ?relay-factor=9223372036854775808", "",
            'Error parsing relay factor: strconv.Atoi: parsing "9223372036854775808": value out of range',
        ),
        ("POST", "", "Request decode failed: EOF"),
        ("DELETE", '{"Foo": 1}', 'Request decode failed: json: unknown field "Foo"'),
        (
            "PUT ?local-only=true", f'{{"Key": "{KEY}"}}',
            "Invalid use of local-only: local-only can only be set for list requests",
        ),
    ],
)  # fmt: skip
async def test_what_a_keyring_request_may_say(consul: Client, line: str, body: str, text: str) -> None:
    method, _, query = line.partition(" ")
    assert said(await consul.send(f"{method} {KEYRING}{query}", body=body.encode())) == (400, text)


async def test_servers_without_encryption_have_no_keys(consul: Client) -> None:
    failed = "2 errors occurred:\n\t* dc1 (LAN) error: 1/1 nodes reported failure\n\t* test-node: "
    answer = await consul.get(f"{KEYRING}?local-only=true&relay-factor=5")
    assert said(answer) == (500, failed + "Keyring is empty (encryption not enabled)\n\n")
    for method in ("POST", "PUT", "DELETE"):
        answer = await consul.send(f"{method} {KEYRING}", body=f'{{"Key": "{KEY}"}}'.encode())
        assert said(answer) == (500, failed + "No keyring to modify (encryption not enabled)\n\n")


async def test_each_replica_says_so(both: tuple[Replica, Replica]) -> None:
    answer = await both[0].get(KEYRING)
    assert answer.text.splitlines()[:2] == ["3 errors occurred:", "\t* dc1 (LAN) error: 2/2 nodes reported failure"]
    assert "\t* test-node-w2: Keyring is empty" in answer.text


@pytest.mark.parametrize(
    ("key", "at"), [("a!", 1), ("abc", 0), ("abcde", 4), ("a===", 1), ("ab=x", 3), ("ab=", 3), ("abc=d", 4)]
)
async def test_a_key_that_is_no_base64(consul: Client, key: str, at: int) -> None:
    answer = await consul.send(f"POST {KEYRING}", body=f'{{"Key": "{key}"}}'.encode())
    assert said(answer) == (
        500, f"1 error occurred:\n\t* dc1 (LAN) error: illegal base64 data at input byte {at}\n\n",
    )  # fmt: skip


@pytest.mark.parametrize("path", ["license", "area", "segment", "utilization", "raft", "autopilot", quote("raft/")])
async def test_what_only_the_enterprise_edition_has_is_unknown(consul: Client, path: str) -> None:
    answer = await consul.get(f"/v1/operator/{path}")
    assert said(answer) == (404, "Invalid URL path: not a recognized HTTP API endpoint\n")
