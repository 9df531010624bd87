"""Texts as Go has them: of handshakes that fail for other reasons than a certificate, and of odd characters."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

import pytest

from registry.checks import gotext
from registry.checks.http import HttpProbe
from registry.checks.means import Means
from registry.checks.tcp import TcpProbe
from registry.model.check import CheckDefinition
from tests.unit.checks.certificates import Certificate


class _Server(ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False  # what it talks to hangs up on the thread that would wait


@contextmanager
def plain_spoken(context: ssl.SSLContext) -> Iterator[str]:
    """A server that says why it hangs up, on a thread of its own; those of asyncio only hang up."""

    class Talk(BaseRequestHandler):
        def handle(self) -> None:
            with self.request.dup() as held, suppress(OSError):
                try:
                    with context.wrap_socket(self.request, server_side=True) as made:
                        made.recv(1)
                except ssl.SSLError:
                    held.shutdown(socket.SHUT_WR)
                    while held.recv(4096):  # what is left unread would reset the connection
                        pass

    with _Server(("127.0.0.1", 0), Talk) as server:
        serving = Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield "{}:{}".format(*server.server_address)
        finally:
            server.shutdown()
            serving.join()


def wants_a_certificate(context: ssl.SSLContext, certificate: Certificate) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificate.file)


def wants_one_before_it_is_done(context: ssl.SSLContext, certificate: Certificate) -> None:
    wants_a_certificate(context, certificate)
    context.maximum_version = ssl.TLSVersion.TLSv1_2


def speaks_other_ciphers(context: ssl.SSLContext, certificate: Certificate) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-ARIA128-GCM-SHA256")


@pytest.mark.parametrize(
    ("server", "why"),
    [
        (wants_a_certificate, "remote error: tls: certificate required"),
        (wants_one_before_it_is_done, "remote error: tls: handshake failure"),
        (speaks_other_ciphers, "remote error: tls: handshake failure"),
    ],
)
async def test_a_handshake_that_the_target_refuses(
    trusting: Means, certificate: Certificate, server: Callable[[ssl.SSLContext, Certificate], None], why: str
) -> None:
    context = certificate.context()
    server(context, certificate)
    with plain_spoken(context) as where:
        asked = await HttpProbe(CheckDefinition(http=f"https://{where}/"), trusting).run()
        connected = await TcpProbe(CheckDefinition(tcp=where, tcp_use_tls=True), trusting).run()
    assert asked == ("critical", f'Get "https://{where}/": {why}', False)
    if server is wants_a_certificate:  # which TLS 1.3 says only to those who go on
        assert connected.status == "passing"
    else:
        assert connected == ("critical", why, False)


def test_characters_that_cannot_be_seen_are_shown_as_go_shows_them() -> None:
    assert gotext.quoted('a"b\\c\n\x01\x7f é') == r'"a\"b\\c\n\x01\x7f é"'
    assert gotext.quoted("\u200b\U000e0001") == r'"\u200b\U000e0001"'
