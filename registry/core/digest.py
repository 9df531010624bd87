"""A hash of the whole state, by which replicas are compared; the event loop runs while it is made.

Equal on all replicas that have applied the same entries. Not for authentication.
"""

import hashlib
from typing import NamedTuple

from registry.core.snapshots import streamed
from registry.state.snapshot import Frozen
from registry.state.store import State


class Digest(NamedTuple):
    """SHA-256 (hex) of the state as of `index`."""

    index: int  # type: ignore[assignment]  # hides tuple.index
    sha256: str


async def digest_of(state: State) -> Digest:
    """The digest of the state as it is at the call; later changes are not part of it."""
    index, found = state.applied, hashlib.sha256()
    async for chunk in streamed(Frozen(state)):
        found.update(chunk)
    return Digest(index, found.hexdigest())
