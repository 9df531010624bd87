"""The keys that gossip is encrypted with: there is no gossip, hence no encryption of it and no key.

What a request gets is what it gets from a Consul whose gossip is not encrypted: its parameters are checked, then each
server says that it has no keys. There is one pool, that of the datacenter.
Source: status_operator_snapshot_ui.md part B.3; api-docs/operator/keyring.
"""

from typing import ClassVar

from registry.api.call import Call
from registry.api.dialects.consul.go.base64 import first_problem
from registry.api.dialects.consul.go.bodies import Decoder
from registry.api.dialects.consul.go.decode import Body
from registry.api.dialects.consul.params import boolean, integer
from registry.api.dialects.consul.replicas import replicas
from registry.api.dialects.consul.routes import endpoint
from registry.api.reply import Reply
from registry.errors import InvalidRequest

_RELAYS = range(6)  # through how many other members an answer may go back
_NO_KEYS = "Keyring is empty (encryption not enabled)"
_NO_KEYRING = "No keyring to modify (encryption not enabled)"


class KeyringBody(Body):
    """The body of every change."""

    GO_NAME: ClassVar = "keyringArgs"

    key: str = ""


_body = Decoder(KeyringBody)


@endpoint("GET", "/v1/operator/keyring", source="api-docs/operator/keyring#list-gossip-encryption-keys")
async def list_keys(call: Call) -> Reply:
    """The keys that each pool uses: none; a status of 500 and what each server says.

    Query: relay-factor, local-only. Errors: `keyring-relay`, `keyring-relay-range`, `keyring-local`, `keyring`.
    """
    _check_parameters(call, reads=True)
    raise _refused_by_servers(call, _NO_KEYS)


async def change(call: Call) -> Reply:
    """Install a key, use it from now on, or remove it: there is nothing to change; a status of 500 and why.

    Query: relay-factor. Errors: `decode`, those of `list_keys`, `keyring-local-use`.
    """
    body = _body(await call.body())
    _check_parameters(call, reads=False)
    at = first_problem(body.key)
    if at is not None:
        raise _failed([f"{_pool(call)} error: illegal base64 data at input byte {at}"])
    raise _refused_by_servers(call, _NO_KEYRING)


endpoint("POST", "/v1/operator/keyring", source="api-docs/operator/keyring#add-new-gossip-encryption-key")(change)
endpoint("PUT", "/v1/operator/keyring", source="api-docs/operator/keyring#change-primary-gossip-encryption-key")(change)
endpoint("DELETE", "/v1/operator/keyring", source="api-docs/operator/keyring#delete-gossip-encryption-key")(change)


def _check_parameters(call: Call, *, reads: bool) -> None:
    relay, local = call.query.value("relay-factor"), call.query.value("local-only")
    if relay and integer(relay, "keyring-relay") not in _RELAYS:
        raise InvalidRequest("keyring-relay-range")
    if local:
        wanted = boolean(local)
        if wanted is None:
            raise InvalidRequest("keyring-local", text=local)
        if wanted and not reads:
            raise InvalidRequest("keyring-local-use")


def _refused_by_servers(call: Call, problem: str) -> InvalidRequest:
    """The answer of each server of the pool, and the sum of them."""
    servers = replicas(call.engine.state)
    count = len(servers)
    failed = f"{_pool(call)} error: {count}/{count} nodes reported failure"
    return _failed([failed, *(f"{one.name}: {problem}" for one in servers)])


def _pool(call: Call) -> str:
    return f"{call.engine.state.server.datacenter} (LAN)"


def _failed(problems: list[str]) -> InvalidRequest:
    count = "1 error" if len(problems) == 1 else f"{len(problems)} errors"
    return InvalidRequest("keyring", count=count, problems="".join(f"\t* {one}\n" for one in problems))
