"""Writes of the KV store. Source: kv.md §4 and §5, txn.md §4; the rules are in `state/kv.py`."""

from typing import Literal, get_args

from msgspec import Struct

WriteVerb = Literal["set", "cas", "lock", "unlock", "delete", "delete-cas", "delete-tree"]
ReadVerb = Literal["get", "get-or-empty", "get-tree", "check-index", "check-session", "check-not-exists"]

WRITE_VERBS = frozenset(get_args(WriteVerb))


class KeyOp(Struct, frozen=True, gc=False, omit_defaults=True, tag="key"):
    """One operation on a key, named by its verb in a transaction.

    `cas`, `delete-cas` and `check-index` compare with `index`; `lock`, `unlock` and `check-session` are about
    `session`. The key of `delete-tree` and `get-tree` is a prefix and may be empty.
    """

    verb: WriteVerb | ReadVerb
    key: bytes
    value: bytes = b""
    flags: int = 0
    index: int = 0
    session: str = ""


class ChangeKey(Struct, frozen=True, gc=False, omit_defaults=True, tag="change-key"):
    """Carry out one writing operation; its result says whether it took place."""

    op: KeyOp
