"""What one key of the store may answer, written from the contract: the specification that histories are held against.

Owns operations and their effect on one key. It knows nothing of indexes but that a value is read with the one that it
was written under, so that a check-and-set can be judged. Source: kv.md §3 to §5.
"""

from typing import NamedTuple


class Held(NamedTuple):
    """One key: its value and who holds it, and which write it is of; a version of 0 is no key."""

    version: int = 0
    value: str = ""
    holder: str = ""


class Op(NamedTuple):
    """One request: `verb` is get, put, cas, lock, unlock or delete.

    Attributes:
        expected: what `cas` compares with: the value that the caller read before (values are never written twice).
    """

    verb: str
    value: str = ""
    session: str = ""
    expected: str = ""


GONE = Held()
Answer = tuple[str, str] | bool | None  # of a get: (value, holder), None for a missing key; of others: whether done


def step(before: Held, op: Op) -> tuple[Held, Answer]:
    """The key after the operation, and what the operation answers."""
    match op.verb:
        case "get":
            return before, None if before == GONE else (before.value, before.holder)
        case "put":
            return Held(1, op.value, before.holder), True
        case "delete":
            return GONE, True
        case "cas":
            there = before.value if before != GONE else ""
            return (Held(1, op.value, before.holder), True) if there == op.expected else (before, False)
        case "lock":
            if before.holder not in ("", op.session):
                return before, False
            return Held(1, op.value, op.session), True
        case "unlock":
            if before.holder != op.session:
                return before, False
            return Held(1, op.value, ""), True
    raise ValueError(op.verb)
