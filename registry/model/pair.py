"""A key of the KV store and what is stored under it.

Keys are byte strings: compared and ordered bytewise, with no structure of their own. Source: kv.md §1 and §2.
"""

from msgspec import Struct


class Pair(Struct, frozen=True, gc=False, omit_defaults=True, array_like=True):
    """One row of the KV table.

    `flags` are the caller's. `session` is the id of the holder of the lock, as it was typed, "" for a key that is
    not locked; `lock_index` counts how often it was locked (`state/keys.py` says when it is set back).
    """

    key: bytes
    value: bytes = b""
    flags: int = 0
    session: str = ""
    lock_index: int = 0
    create_index: int = 0
    modify_index: int = 0


class KeyGrave(Struct, frozen=True, gc=False, array_like=True):
    """What is left of a key, or of all keys with a prefix, that was deleted at `index` and `time` (the log's).

    `tree_index` is that of the last time when all keys with this prefix were, 0 for never.
    """

    key: bytes
    index: int
    time: float
    tree_index: int = 0
