"""Writes of the catalog: a node with what runs on it, and their removal.

Owns the order of a write: selectors, body, rules, command. Bodies, rules and defaults are
those of `registration/`. The datacenter is the body's; the query's is not looked at.
Source: catalog.md §1, §2.
"""

from registry.api.call import Call
from registry.api.dialects.consul.go.bodies import Decoder
from registry.api.dialects.consul.params import refuse_enterprise
from registry.api.dialects.consul.registration.bodies_catalog import DeregisterBody, RegisterBody
from registry.api.dialects.consul.registration.catalog import catalog_deregistration, catalog_registration
from registry.api.dialects.consul.routes import endpoint
from registry.api.reply import Reply

_decoded_registration = Decoder(RegisterBody, words_namespace=True)
_decoded_deregistration = Decoder(DeregisterBody, words_namespace=True)


@endpoint("PUT", "/v1/catalog/register", source="api-docs/catalog#register-entity")
async def register(call: Call) -> Reply:
    """Write a node and perhaps a service and checks on it, all or nothing; 200 and `true`.

    What is there already is replaced; writing the same again changes nothing.
    Errors: `decode`, those of `catalog_registration`, and the state's about names, checks and metadata.
    """
    refuse_enterprise(call)
    body = _decoded_registration(await call.body())
    await call.engine.propose(catalog_registration(body, call.engine.state.server.datacenter))
    return Reply(body=b"true")


@endpoint("PUT", "/v1/catalog/deregister", source="api-docs/catalog#deregister-entity")
async def deregister(call: Call) -> Reply:
    """Remove a service with its checks, else a check, else a node; 200 and `true`, also when nothing was there.

    Errors: `decode`, `datacenter`, `catalog-node`.
    """
    refuse_enterprise(call)
    body = _decoded_deregistration(await call.body())
    command = catalog_deregistration(body, call.engine.state.server.datacenter)
    if command is not None:
        await call.engine.propose(command)
    return Reply(body=b"true")
