"""Every type of check against a real target, from its registration to what a client sees: one row of behaviour a test.

What a type says of its target in every odd case is in `tests/unit/checks`; here all types meet the same situations.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.consul.agent import checks, register, register_check, say, told
from tests.contract.consul.exchange import Client
from tests.contract.consul.test_running_checks import becomes, seen
from tests.unit.checks import targets
from tests.unit.checks.certificates import Certificate, self_signed
from tests.unit.checks.targets import KINDS, UNWELL, WARNING, WELL, Target

EVERY = list(KINDS)
WARNING_KINDS = ["http", "https", "script", "docker"]
TLS_KINDS = ["https", "tcp+tls", "grpc+tls", "h2ping+tls"]
WORDY_KINDS = ["http", "https", "script", "docker"]
NO_LOOKING_AGAIN = 2.0  # within so many seconds a check that has been started anew has run

RPC = "rpc error: code = Unavailable desc = connection error: desc = "
AUTHORITY = "tls: failed to verify certificate: x509: certificate signed by unknown authority"
DIALED = r"dial tcp [\d.:]+: connect: connection refused"
TIMED_OUT = "context deadline exceeded"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"), names="DNS:localhost,IP:127.0.0.1")


@pytest.fixture
async def target(
    request: pytest.FixtureRequest, tmp_path: Path, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Target]:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{targets.docker_socket(tmp_path)}")
    async with KINDS[request.param](tmp_path, certificate) as made:
        yield made


def of(*kinds: str) -> Any:
    """The test is run with a target of each of these kinds, and knows which."""
    return pytest.mark.parametrize(("kind", "target"), [(kind, kind) for kind in kinds], indirect=["target"], ids=kinds)


async def checked(consul: Client, fields: dict[str, Any], **more: Any) -> None:
    """A service `web` with this one check, an interval and a second later."""
    await register(consul, Name="web", Check={"Interval": "10s", **fields, **more})
    await consul.server.advance(1)


@of(*EVERY)
async def test_well_unwell_and_well_again(consul: Client, kind: str, target: Target) -> None:
    await checked(consul, target.fields)
    well = await becomes(consul, "passing")
    await target.become(UNWELL)
    await consul.server.advance(11)
    await becomes(consul, "critical")
    await target.become(WELL)
    await consul.server.advance(11)
    assert await becomes(consul, "passing") == well


@of(*WARNING_KINDS)
async def test_a_warning(consul: Client, kind: str, target: Target) -> None:
    await target.become(WARNING)
    await checked(consul, target.fields)
    assert "fine" in await becomes(consul, "warning")
    assert [row["Status"] for row in (await consul.get("/v1/health/state/warning")).json] == ["warning"]


@pytest.mark.parametrize(
    ("kind", "target", "output"),
    [
        ("http", "http", rf'Get "http://[\d.:]+/": {TIMED_OUT} \(Client.Timeout exceeded while awaiting headers\)'),
        ("https", "https", rf'Get "https://[\d.:]+/": {TIMED_OUT} \(Client.Timeout exceeded while awaiting headers\)'),
        ("tcp", "tcp", r"dial tcp [\d.:]+: i/o timeout"),
        ("tcp+tls", "tcp+tls", TIMED_OUT),
        ("grpc", "grpc", f"rpc error: code = DeadlineExceeded desc = received context error while waiting for new LB "
         f"policy update: {TIMED_OUT}"),
        ("grpc+tls", "grpc+tls", f"rpc error: code = DeadlineExceeded desc = received context error while waiting for "
         f"new LB policy update: {TIMED_OUT}"),
        ("h2ping", "h2ping", f"HTTP2 ping failed: {TIMED_OUT}"),
        ("h2ping+tls", "h2ping+tls", rf"Failed to dial to [\d.:]+: {TIMED_OUT}"),
        ("script", "script", r"Timed out \(200ms\) running check"),
        ("docker", "docker", TIMED_OUT),
    ],
    indirect=["target"],
)  # fmt: skip
async def test_no_answer_in_time(consul: Client, kind: str, target: Target, output: str) -> None:
    await checked(consul, target.hung, Timeout="200ms", Status="passing")
    assert re.fullmatch(output, await becomes(consul, "critical"))


@of("udp")
async def test_a_silent_udp_peer_is_well(consul: Client, kind: str, target: Target) -> None:
    await checked(consul, target.hung, Timeout="200ms")
    assert await becomes(consul, "passing") == f"UDP connect {target.hung['UDP']}: Success"


@pytest.mark.parametrize(
    ("kind", "target", "output"),
    [
        ("http", "http", rf'Get "http://[\d.:]+/": {DIALED}'),
        ("https", "https", rf'Get "https://[\d.:]+/": {DIALED}'),
        ("tcp", "tcp", DIALED),
        ("tcp+tls", "tcp+tls", DIALED),
        ("udp", "udp", r"read udp [\d.:]+->[\d.:]+: read: connection refused"),
        ("grpc", "grpc", f'{RPC}"transport: Error while dialing: {DIALED}"'),
        ("grpc+tls", "grpc+tls", f'{RPC}"transport: Error while dialing: {DIALED}"'),
        ("h2ping", "h2ping", rf"Failed to dial to [\d.:]+: {DIALED}"),
        ("h2ping+tls", "h2ping+tls", rf"Failed to dial to [\d.:]+: {DIALED}"),
        ("script", "script", r"fork/exec /.*/nowhere: no such file or directory"),
        ("docker", "docker", "create exec failed for unknown container nowhere"),
    ],
    indirect=["target"],
)
async def test_nobody_there(consul: Client, kind: str, target: Target, output: str) -> None:
    await checked(consul, target.gone, Status="passing")
    assert re.fullmatch(output, await becomes(consul, "critical"))


@pytest.mark.parametrize(
    ("kind", "target", "output"),
    [
        ("https", "https", f'Get "https://[^"]+": {AUTHORITY}'),
        ("tcp+tls", "tcp+tls", AUTHORITY),
        ("grpc+tls", "grpc+tls", f'{RPC}"transport: authentication handshake failed: {AUTHORITY}"'),
        ("h2ping+tls", "h2ping+tls", rf"Failed to dial to [\d.:]+: {AUTHORITY}"),
    ],
    indirect=["target"],
)
async def test_a_wrong_certificate(consul: Client, kind: str, target: Target, output: str) -> None:
    await checked(consul, target.fields, TLSSkipVerify=False, Status="passing")
    assert re.fullmatch(output, await becomes(consul, "critical"))


@of("http", "https")
async def test_a_redirect(consul: Client, kind: str, target: Target) -> None:
    moved = {**target.fields, "HTTP": f"{target.fields['HTTP']}moved"}
    await checked(consul, moved)
    assert "200 OK Output: fine" in await becomes(consul, "passing")
    await checked(consul, moved, DisableRedirects=True)
    assert "302 Found" in await becomes(consul, "critical")


@of(*WORDY_KINDS)
async def test_a_long_output_is_cut(consul: Client, kind: str, target: Target) -> None:
    target.text = "x" * 5000 + "end"
    await target.become(WELL)
    await checked(consul, target.fields)
    kept = "x" * 4093 + "end"
    assert (await becomes(consul, "passing")).endswith(
        f"200 OK Output: {kept}" if "HTTP" in target.fields else f"Captured 4096 of 5003 bytes\n...\n{kept}"
    )
    await checked(consul, target.fields, OutputMaxSize=5)
    async with asyncio.timeout(5):
        while not (output := (await seen(consul))[1]).endswith(("Output: xxend", "...\nxxend")):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert len(output) < 100


async def looked_at_again(consul: Client, target: Target) -> bool:
    """Whether a check that said that its target was well looks at it before its time, which is when it is unwell."""
    await target.become(UNWELL)
    await consul.server.advance(NO_LOOKING_AGAIN)
    marker = {"ID": "marker", "Name": "marker", "TCP": f"127.0.0.1:{consul.server.port}", "Interval": "60s"}
    await register_check(consul, **marker)  # what runs after it was registered has ended when this has
    await consul.server.advance(1)
    await becomes(consul, "passing", "marker")
    return (await seen(consul))[0] != "passing"


@of(*EVERY)
async def test_registered_again_it_goes_on_as_it_was(consul: Client, kind: str, target: Target) -> None:
    await checked(consul, target.fields)
    well = await becomes(consul, "passing")
    await register(consul, Name="web", Check={"Interval": "10s", **target.fields})
    assert await seen(consul) == ("passing", well)
    assert not await looked_at_again(consul, target)
    await consul.server.advance(8)
    await becomes(consul, "critical")


@of(*EVERY)
async def test_registered_otherwise_it_starts_anew_with_its_status(consul: Client, kind: str, target: Target) -> None:
    await checked(consul, target.fields)
    well = await becomes(consul, "passing")
    await target.become(UNWELL)
    await register(consul, Name="web", Check={"Interval": "1h", **target.fields})
    assert await seen(consul) == ("passing", well)
    await consul.server.advance(1)
    await becomes(consul, "critical")


@of(*EVERY)
async def test_deregistered_in_mid_flight_it_lets_go(consul: Client, kind: str, target: Target) -> None:
    await checked(consul, target.hung, Timeout="1h")
    if kind != "tcp":  # whose target cannot see who does not get in
        await asyncio.wait_for(target.reached.wait(), 5)
    assert await told(consul, "/v1/agent/service/deregister/web") == (200, "")
    assert await checks(consul) == {}
    if kind not in ("tcp", "udp"):
        await asyncio.wait_for(target.left.wait(), 5)
    await consul.server.advance(60)
    assert (await consul.get("/v1/health/service/web")).json == []


@of(*EVERY)
async def test_maintenance_hides_the_service_and_its_check_goes_on(consul: Client, kind: str, target: Target) -> None:
    await checked(consul, target.fields)
    await becomes(consul, "passing")
    assert (await told(consul, "/v1/agent/service/maintenance/web?enable=true&reason=moving"))[0] == 200
    assert (await consul.get("/v1/health/service/web?passing")).json == []
    assert (await seen(consul))[0] == "passing"
    await target.become(UNWELL)
    await consul.server.advance(11)
    await becomes(consul, "critical")
    await target.become(WELL)
    await consul.server.advance(11)
    await becomes(consul, "passing")
    assert (await told(consul, "/v1/agent/service/maintenance/web?enable=false"))[0] == 200
    assert len((await consul.get("/v1/health/service/web?passing")).json) == 1


@of(*EVERY)
async def test_thresholds_hold_a_change_back(consul: Client, kind: str, target: Target) -> None:
    """A client that registers again and again, as many do, does not lose count (issue 5)."""
    thresholds = {"FailuresBeforeWarning": 1, "FailuresBeforeCritical": 2}
    await checked(consul, target.fields, **thresholds)
    await becomes(consul, "passing")
    await target.become(UNWELL)
    await consul.server.advance(10)
    await becomes(consul, "warning")
    await register(consul, Name="web", Check={"Interval": "10s", **target.fields, **thresholds})
    assert (await seen(consul))[0] == "warning"
    await consul.server.advance(11)
    await becomes(consul, "critical")


# Alias and TTL checks, which nobody runs


async def test_an_alias_is_what_its_target_is(consul: Client) -> None:
    await register(consul, Name="db", Check={"TTL": "1h", "Name": "db is up"})
    await register(consul, Name="web", Check={"AliasService": "db"})
    assert await seen(consul) == ("critical", 'Aliased check "db is up" failing: ')
    await say(consul, "pass", "service:db")
    assert await seen(consul) == ("passing", "All checks passing.")
    await say(consul, "warn", "service:db", "slow")
    assert await seen(consul) == ("warning", 'Aliased check "db is up" failing: slow')
    await say(consul, "fail", "service:db", "down")
    assert await seen(consul) == ("critical", 'Aliased check "db is up" failing: down')
    await say(consul, "pass", "service:db")
    await register(consul, Name="web", Check={"AliasService": "db"})
    assert await seen(consul) == ("passing", "All checks passing.")
    assert (await told(consul, "/v1/agent/service/maintenance/db?enable=true&reason=moving"))[0] == 200
    assert await seen(consul) == ("critical", 'Aliased check "Service Maintenance Mode" failing: ')
    assert (await told(consul, "/v1/agent/service/maintenance/db?enable=false"))[0] == 200
    assert await told(consul, "/v1/agent/service/deregister/db") == (200, "")
    assert await seen(consul) == ("critical", "Service db could not be found on node ")


async def test_a_ttl_check_is_what_it_is_told(consul: Client) -> None:
    await register(consul, Name="web", Check={"TTL": "10s"})
    for word, status in (("pass", "passing"), ("warn", "warning"), ("fail", "critical"), ("pass", "passing")):
        await say(consul, word, "service:web", "said")
        assert await seen(consul) == (status, "said")
    await consul.server.advance(9)
    await register(consul, Name="web", Check={"TTL": "10s"})
    assert await seen(consul) == ("passing", "said")
    await say(consul, "pass", "service:web", "x" * 5000)
    assert (await seen(consul))[1] == "x" * 4096 + " ... (captured 4096 of 5000 bytes)"
    await say(consul, "pass", "service:web", "last")
    assert (await told(consul, "/v1/agent/service/maintenance/web?enable=true"))[0] == 200
    await consul.server.advance(11)
    assert await seen(consul) == ("critical", "TTL expired (last output before timeout follows): last")
    await say(consul, "pass", "service:web")
    assert await seen(consul) == ("passing", "")


async def test_os_services_are_for_windows(consul: Client) -> None:
    body = {"Name": "ssh", "OSService": "ssh", "Interval": "10s"}
    assert await told(consul, "/v1/agent/check/register", body) == (500, "not implemented")
    assert await checks(consul) == {}


# Bad input


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"Interval": "10s", "TTL": "10s"}, "Interval and TTL cannot both be specified"),
        ({"HTTP": "http://h/"}, "Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks"),
        ({"UDP": "h:1", "Interval": "-1s"},
         "Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks"),
        ({"TCP": "h:1", "Interval": "1s", "AliasService": "x"}, "Interval cannot be set for Alias checks"),
        ({"AliasService": "x", "TTL": "1s"}, "TTL must be not be set for Alias checks"),
        ({"Interval": "1s"}, "TTL must be > 0 for TTL checks"),
        ({"DockerContainerID": "c", "Interval": "1s"}, "TTL must be > 0 for TTL checks"),
        ({"TTL": "1s", "OutputMaxSize": -1}, "MaxOutputMaxSize must be positive"),
        ({"TCP": "h:1", "Interval": "1s", "FailuresBeforeWarning": 2, "FailuresBeforeCritical": 1},
         "FailuresBeforeWarning can't be higher than FailuresBeforeCritical"),
    ],
)  # fmt: skip
async def test_a_definition_that_makes_no_sense_is_refused(
    consul: Client, fields: dict[str, Any], problem: str
) -> None:
    assert await told(consul, "/v1/agent/check/register", {"Name": "c", **fields}) == (400, f"Invalid check: {problem}")
    body = {"Name": "web", "Checks": [fields]}
    assert await told(consul, "/v1/agent/service/register", body) == (400, f"Invalid check: {problem}")
    assert await checks(consul) == {}


@pytest.mark.parametrize(
    ("fields", "kind", "output"),
    [
        ({"HTTP": "http://127.0.0.1:1/", "TCP": "127.0.0.1:2", "UDP": "127.0.0.1:3"}, "http", 'Get "http:'),
        ({"GRPC": "127.0.0.1:1", "HTTP": "http://127.0.0.1:2/"}, "grpc", 'Get "http:'),
        ({"TCP": "127.0.0.1:2", "UDP": "127.0.0.1:3", "H2PING": "127.0.0.1:4"}, "tcp", "dial tcp 127.0.0.1:2"),
        ({"Args": ["/nowhere"], "H2PING": "127.0.0.1:4"}, "script", "fork/exec /nowhere"),
    ],
)
async def test_of_several_types_in_one_definition_one_is_run(
    consul: Client, fields: dict[str, Any], kind: str, output: str
) -> None:
    await register_check(consul, Name="c", Interval="1s", **fields)
    await consul.server.advance(1)
    async with asyncio.timeout(5):
        while not (said := (await seen(consul, "c"))[1]):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert said.startswith(output)
    assert (await consul.get("/v1/agent/checks")).json["c"]["Type"] == kind


async def test_an_interval_under_a_second_is_one_and_shown_as_it_was_given(
    consul: Client, tmp_path: Path, certificate: Certificate
) -> None:
    async with targets.http(tmp_path, certificate) as target:
        await register_check(consul, Name="c", Interval="10ms", **target.fields)
        await consul.server.advance(1)
        await becomes(consul, "passing", "c")
        await target.become(UNWELL)
        await consul.server.advance(1)
        await becomes(consul, "critical", "c")
        assert (await consul.get("/v1/agent/checks")).json["c"]["Interval"] == "10ms"


@pytest.mark.parametrize("name", ["not a name", "x" * 300, "\x00", "ü.test", "*", "a..b", "."])
@pytest.mark.parametrize("kind", TLS_KINDS)
async def test_a_bad_tls_name_is_a_failed_check_and_nothing_worse(
    consul: Client, tmp_path: Path, certificate: Certificate, kind: str, name: str
) -> None:
    async with KINDS[kind](tmp_path, certificate) as target:
        await checked(consul, target.fields, TLSServerName=name, TLSSkipVerify=False, Status="passing")
        output = await becomes(consul, "critical")
    assert "Traceback" not in output
    assert "Error:" not in output, "an error of ours"


Make = Callable[[str], dict[str, Any]]


@pytest.mark.parametrize("address", ["", "::", "h", "h:99999", "[", "[::1", "h:port:more", "\x00:1", "ü:1", "%zz:1"])
@pytest.mark.parametrize(
    "make",
    [
        lambda where: {"HTTP": f"http://{where}/"},
        lambda where: {"TCP": where or ":"},
        lambda where: {"TCP": where or ":", "TCPUseTLS": True},
        lambda where: {"UDP": where or ":"},
        lambda where: {"GRPC": where or ":"},
        lambda where: {"H2PING": where or ":"},
    ],
    ids=["http", "tcp", "tcp+tls", "udp", "grpc", "h2ping"],
)
async def test_a_bad_address_is_a_failed_check_and_nothing_worse(consul: Client, make: Make, address: str) -> None:
    await checked(consul, make(address), Status="passing", Timeout="2s")
    output = await becomes(consul, "critical")
    assert "Error:" not in output, "an error of ours"
