"""A hash of the whole state, made without keeping others from running: what replicas are compared by.

Equal on all replicas that have applied the same entries. Not for authentication.
"""

import asyncio
import hashlib
from typing import NamedTuple

from registry.state.snapshot import Frozen
from registry.state.store import State


class Digest(NamedTuple):
    """SHA-256 (hex) of the state as of `index`."""

    index: int  # type: ignore[assignment]  # hides tuple.index
    sha256: str


async def digest_of(state: State) -> Digest:
    """The digest of the state as it is now; changes that come meanwhile are not in it."""
    index, found = state.applied, hashlib.sha256()
    for chunk in Frozen(state).chunks():
        if chunk:
            found.update(chunk)
        await asyncio.sleep(0)
    return Digest(index, found.hexdigest())
