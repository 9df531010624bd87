"""What a Python program needs of the registry: to be found, and to find.

- `AgentRegistration` registers an agent, says that it is alive, and unregisters it; `AsyncAgentRegistration` is its
  twin for event loops.
- `Discovery` picks a healthy instance of a service; `SyncDiscovery` does so without an event loop.
- `Lock` is held by one program at a time, `Election` makes one of many the leader; `SyncLock` and `SyncElection` do so
  without an event loop.
- `Access` is the token and the TLS of all of them.

This package needs aiohttp alone and nothing of the server. docs/client.md shows it at work.
"""

from registry.client.access import Access
from registry.client.agent import AgentRegistration
from registry.client.agent_async import AsyncAgentRegistration
from registry.client.claim import Held
from registry.client.discovery import Discovery
from registry.client.discovery_sync import SyncDiscovery
from registry.client.election import Election
from registry.client.errors import ClientError, LockLost, NoInstances, NotLocked, NotReady, Refused, ServerAway
from registry.client.instance import Change, Instance
from registry.client.lock import Lock
from registry.client.lock_sync import SyncElection, SyncLock

__all__ = [
    "Access",
    "AgentRegistration",
    "AsyncAgentRegistration",
    "Change",
    "ClientError",
    "Discovery",
    "Election",
    "Held",
    "Instance",
    "Lock",
    "LockLost",
    "NoInstances",
    "NotLocked",
    "NotReady",
    "Refused",
    "ServerAway",
    "SyncDiscovery",
    "SyncElection",
    "SyncLock",
]
