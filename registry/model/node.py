"""The node: a machine that instances run on.

Owns the stored row. What may be registered is the dialects' business.
"""

from msgspec import Struct


class Locality(Struct, frozen=True, gc=False, omit_defaults=True):
    """Where something runs, for routing that prefers what is close."""

    region: str = ""
    zone: str = ""


class Node(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One row of the node table; `name` is its key without regard to case.

    `tagged_addresses` and `meta` are None when never given, which Consul tells apart from empty.
    """

    name: str
    id: str = ""
    address: str = ""
    datacenter: str = ""
    tagged_addresses: dict[str, str] | None = None
    meta: dict[str, str] | None = None
    locality: Locality | None = None
    create_index: int = 0
    modify_index: int = 0
