"""Ways to ask the decoders and rules of writes, shared by their tests."""

import json
from typing import Any

from registry.api.dialects.consul.errors import reply_for
from registry.api.dialects.consul.go.bodies import Decoder
from registry.api.dialects.consul.registration.bodies import CheckRegistration, CheckUpdate, ServiceBody
from registry.api.dialects.consul.registration.bodies_catalog import DeregisterBody, RegisterBody
from registry.api.dialects.consul.registration.catalog import catalog_registration
from registry.api.dialects.consul.registration.checks import check_registration
from registry.api.dialects.consul.registration.services import registration
from registry.commands import Register, RegisterLocal
from registry.errors import RequestError
from registry.model.check import Check

SERVICE = Decoder(ServiceBody)
CHECK = Decoder(CheckRegistration)
UPDATE = Decoder(CheckUpdate)
REGISTER = Decoder(RegisterBody, words_namespace=True)
DEREGISTER = Decoder(DeregisterBody, words_namespace=True)


def sent(body: Any) -> bytes:
    """A body as bytes; a text stands for itself."""
    if isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def service(body: Any, *, scripts: bool = False) -> RegisterLocal:
    """What the agent makes of a service registration."""
    return registration(SERVICE(sent(body)), scripts=scripts, sidecar_ports=(21000, 21255))


def check(body: Any, *, scripts: bool = False) -> Check:
    """What the agent makes of a check registration."""
    return check_registration(CHECK(sent(body)), scripts=scripts)


def catalog(body: Any) -> Register:
    """What the catalog makes of a registration."""
    return catalog_registration(REGISTER(sent(body)), "dc1")


def answer(ask: Any, body: Any, **how: Any) -> tuple[int, str]:
    """The status and text that a body is refused with; 200 when it is taken."""
    try:
        ask(body, **how)
    except RequestError as error:
        reply = reply_for(error)
        return reply.status, reply.body.decode()
    return 200, ""
