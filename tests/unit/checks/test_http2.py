"""gRPC and H2PING checks against a real gRPC server; its transport answers pings like any HTTP/2 server's."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes

from registry.checks import gotext
from registry.checks.base import Result
from registry.checks.grpc import GrpcProbe
from registry.checks.h2ping import H2PingProbe
from registry.model.check import CheckDefinition
from tests.unit.checks.conftest import listening, old_http, silent

SHORT = 10**9 // 4
DIALING = 'rpc error: code = Unavailable desc = connection error: desc = "transport: '


@asynccontextmanager
async def grpc_server(certificate=None, *, with_health=True):
    server = grpc.server(ThreadPoolExecutor(2))
    servicer = health.HealthServicer()
    if with_health:
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    if certificate is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        key, chain = (Path(name).read_bytes() for name in (certificate.key, certificate.file))  # noqa: ASYNC240
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, chain)]))
    server.start()
    try:
        yield f"127.0.0.1:{port}", servicer
    finally:
        await asyncio.to_thread(server.stop(None).wait)


async def ask(means, target, **more) -> Result:
    return await GrpcProbe(CheckDefinition(grpc=target, timeout_ns=4 * SHORT, **more), means).run()


async def ping(means, where, **more) -> Result:
    return await H2PingProbe(CheckDefinition(h2ping=where, timeout_ns=4 * SHORT, **more), means).run()


async def test_the_health_service_of_the_target_decides(means):
    status = health_pb2.HealthCheckResponse
    async with grpc_server() as (where, servicer):
        servicer.set("", status.SERVING)
        servicer.set("web", status.NOT_SERVING)
        assert await ask(means, where) == ("passing", f"gRPC check {where}: success", False)
        assert await ask(means, f"{where}/web") == (
            "critical", f"gRPC {where}/web serving status: NOT_SERVING", False)  # fmt: skip
        servicer.set("web", status.SERVING)
        assert await ask(means, f"{where}/web") == ("passing", f"gRPC check {where}/web: success", False)
        unknown = await ask(means, f"{where}/{'x' * 300}")
        assert unknown.status == "critical"
        assert unknown.output.startswith("rpc error: code = NotFound desc = ")


async def test_a_server_without_a_health_service_is_critical(means):
    async with grpc_server(with_health=False) as (where, _):
        assert (await ask(means, where)).output.startswith("rpc error: code = Unimplemented desc = ")


async def test_grpc_over_tls_is_verified(means, trusting, certificate):
    async with grpc_server(certificate) as (where, servicer):
        servicer.set("", health_pb2.HealthCheckResponse.SERVING)
        assert (await ask(trusting, where, grpc_use_tls=True)).status == "passing"
        assert (await ask(means, where, grpc_use_tls=True, tls_skip_verify=True)).status == "passing"
        assert (await ask(trusting, where, grpc_use_tls=True, tls_server_name="known.test")).status == "passing"
        assert (await ask(means, where, grpc_use_tls=True)).output == (
            f"{DIALING}authentication handshake failed: tls: failed to verify certificate: "
            'x509: certificate signed by unknown authority"'
        )


async def test_a_target_that_is_not_grpc_is_critical(means, closed_port):
    assert (await ask(means, f"127.0.0.1:{closed_port}")).output == (
        f'{DIALING}Error while dialing: dial tcp 127.0.0.1:{closed_port}: connect: connection refused"'
    )
    async with listening(old_http) as where:
        assert (await ask(means, where)).output == (
            'rpc error: code = Unavailable desc = connection error: desc = "error reading server preface: '
            'http2: frame too large"'
        )
        assert (await ask(means, where, grpc_use_tls=True)).output == (
            f'{DIALING}authentication handshake failed: tls: first record does not look like a TLS handshake"'
        )


async def test_a_target_that_is_silent_runs_into_the_timeout(means):
    async with listening(silent) as where:
        asked = await GrpcProbe(CheckDefinition(grpc=where, timeout_ns=SHORT), means).run()
        pinged = await H2PingProbe(CheckDefinition(h2ping=where, timeout_ns=SHORT), means).run()
    assert asked == (
        "critical",
        "rpc error: code = DeadlineExceeded desc = received context error while waiting for new LB policy update: "
        "context deadline exceeded",
        False,
    )
    assert pinged == ("critical", "HTTP2 ping failed: context deadline exceeded", False)


async def test_a_ping_is_answered(means, trusting, certificate):
    well = ("passing", "HTTP2 ping was successful", False)
    async with grpc_server() as (where, _):
        assert await ping(means, where) == well
    async with grpc_server(certificate) as (where, _):
        assert await ping(trusting, where, h2ping_use_tls=True) == well
        assert await ping(means, where, h2ping_use_tls=True, tls_skip_verify=True) == well
        assert (await ping(means, where, h2ping_use_tls=True)).output == (
            f"Failed to dial to {where}: tls: failed to verify certificate: "
            "x509: certificate signed by unknown authority"
        )


async def test_a_target_that_does_not_speak_http2_is_critical(means, closed_port):
    where = f"127.0.0.1:{closed_port}"
    assert await ping(means, where, h2ping_use_tls=True) == (
        "critical", f"Failed to dial to {where}: dial tcp {where}: connect: connection refused", False)  # fmt: skip
    async with listening(old_http) as where:
        assert (await ping(means, where)).output == "HTTP2 ping failed: http2: frame too large"
        assert (await ping(means, where, h2ping_use_tls=True)).output == (
            f"Failed to dial to {where}: tls: first record does not look like a TLS handshake"
        )


def speaking(answer, *, asked=False):
    """A target whose side of HTTP/2 the test speaks: `answer` is called once, at the first bytes or when `asked`."""

    async def talk(reader, writer):
        connection = H2Connection(H2Configuration(client_side=False, validate_outbound_headers=False))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        connection.receive_data(await reader.read(4096))
        while asked and not connection.highest_inbound_stream_id:
            connection.receive_data(await reader.read(4096))
        answer(connection)
        writer.write(connection.data_to_send())
        await reader.read()

    return listening(talk)


async def test_a_target_that_says_goodbye_is_critical(means):
    def answer(connection):
        connection.close_connection(ErrorCodes.ENHANCE_YOUR_CALM, additional_data=b"too much")

    said = (
        "http2: server sent GOAWAY and closed the connection; "
        'LastStreamID=0, ErrCode=ENHANCE_YOUR_CALM, debug="too much"'
    )
    async with speaking(answer) as where:
        pinged, asked = await ping(means, where), await ask(means, where)
    assert pinged == ("critical", f"HTTP2 ping failed: {said}", False)
    assert asked.status == "critical"
    assert gotext.quoted(said) in asked.output


async def test_headers_of_an_answer_need_not_be_text(means):
    def answer(connection):
        headers = [(b":status", b"200"), (b"grpc-status", b"13"), (b"grpc-message", b"caf\xe9")]
        connection.send_headers(1, headers, end_stream=True)

    async with speaking(answer, asked=True) as where:
        assert (await ask(means, where)).output == "rpc error: code = Internal desc = caf\ufffd"


@pytest.mark.parametrize("probe", [GrpcProbe, H2PingProbe])
async def test_a_target_that_hangs_up_is_critical(means, probe):
    async def talk(reader, writer):
        await reader.read(1)

    async with listening(talk) as where:
        result = await probe(CheckDefinition(grpc=where, h2ping=where), means).run()
    assert result.status == "critical"
