"""What a Python program needs of the registry: to be found, and to find.

- `AgentRegistration` registers an agent, says that it is alive, and unregisters it; `AsyncAgentRegistration` is its
  twin for event loops.
- `Discovery` picks a healthy instance of a service; `SyncDiscovery` does so without an event loop.
- `Access` is the token and the TLS of all of them.

This package needs aiohttp alone and nothing of the server. docs/client.md shows it at work.
"""

from registry.client.access import Access
from registry.client.agent import AgentRegistration
from registry.client.agent_async import AsyncAgentRegistration
from registry.client.discovery import Discovery
from registry.client.discovery_sync import SyncDiscovery
from registry.client.errors import ClientError, NoInstances, NotReady, Refused, ServerAway
from registry.client.instance import Change, Instance

__all__ = [
    "Access",
    "AgentRegistration",
    "AsyncAgentRegistration",
    "Change",
    "ClientError",
    "Discovery",
    "Instance",
    "NoInstances",
    "NotReady",
    "Refused",
    "ServerAway",
    "SyncDiscovery",
]
