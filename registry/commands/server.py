"""Writes about the server itself: who it is, and which commands its members understand."""

from msgspec import Struct


class StartServer(Struct, frozen=True, gc=False, omit_defaults=True, tag="start-server", kw_only=True):
    """Say who the server is: at the first start, and when its address, meta or ports change.

    The node row, the service `consul` and the check `serfHealth` follow from it. A `node` or `id` that
    differs from what the log holds is refused: the name belongs to the log (`DESIGN.md`, one agent).
    """

    node: str
    id: str
    datacenter: str
    address: str
    meta: dict[str, str]
    tagged_addresses: dict[str, str]
    service_port: int = 8300
    service_meta: dict[str, str] | None = None


class RaiseLevel(Struct, frozen=True, gc=False, omit_defaults=True, tag="raise-level"):
    """Allow proposers to write commands of this level from here on; a level is never lowered."""

    level: int
