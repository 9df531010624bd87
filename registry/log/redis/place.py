"""Where the master is at the moment: at a fixed address, named by sentinels, or the node of our slot.

Owns finding it out, nothing of what is said to it then.
"""

from typing import Any, Protocol

from redis import crc
from redis.asyncio.connection import Connection, SSLConnection
from redis.asyncio.sentinel import Sentinel
from redis.exceptions import RedisError

from registry.log.redis.url import Target

ASK_SECONDS = 0.5  # one sentinel or node may take this long to say where the master is

Address = tuple[str, int]


class Unfindable(Exception):
    """Nobody who could know says where the master is."""


class Place(Protocol):
    """Finds the master."""

    async def address(self) -> Address:
        """Host and port of the master as of now.

        Raises:
            Unfindable: none of those who should know answers with one.
        """

    async def close(self) -> None:
        """Let go of connections."""


class FixedPlace:
    """One server whose address is known."""

    def __init__(self, target: Target) -> None:
        self._address = target.hosts[0]

    async def address(self) -> Address:
        """The address of the url."""
        return self._address

    async def close(self) -> None:
        """Nothing is held."""


class SentinelPlace:
    """A master that sentinels watch."""

    def __init__(self, target: Target) -> None:
        self._master = target.master
        options = {"socket_timeout": ASK_SECONDS, "socket_connect_timeout": ASK_SECONDS, "ssl": target.tls}
        self._sentinels = Sentinel(  # type: ignore[no-untyped-call]
            list(target.hosts), sentinel_kwargs={**target.sentinel, **options}
        )

    async def address(self) -> Address:
        """What the first sentinel says that knows a living master."""
        try:
            host, port = await self._sentinels.discover_master(self._master)
        except (RedisError, OSError) as error:
            raise Unfindable(f"no sentinel names a master {self._master!r} ({error})") from None
        return str(host), int(port)

    async def close(self) -> None:
        """Close the connections to the sentinels."""
        for one in self._sentinels.sentinels:
            await one.aclose()


class ClusterPlace:
    """The node that serves the slot of our keys; all of them have the same one."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._slot = crc.key_slot(f"{{{target.namespace}}}".encode())
        self._nodes = list(target.hosts)

    async def address(self) -> Address:
        """What the first node says that answers; nodes learned of earlier are asked too."""
        problem: Exception | None = None
        for node in list(self._nodes):
            try:
                return await self._ask(node)
            except (RedisError, OSError, LookupError) as error:
                problem = error
        raise Unfindable(f"no node of the cluster serves slot {self._slot} ({problem})")

    async def _ask(self, node: Address) -> Address:
        connection = connection_to(self._target, node, ASK_SECONDS)
        connection.socket_timeout = ASK_SECONDS
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            await connection.send_command("CLUSTER", "SLOTS")
            slots: list[Any] = await connection.read_response()
        finally:
            await connection.disconnect()
        found = [one for one in slots if one[0] <= self._slot <= one[1]]
        if not found:
            raise LookupError("the slot is not served")
        known = dict.fromkeys((_text(part[0]) or node[0], int(part[1])) for one in slots for part in one[2:])
        self._nodes = list(dict.fromkeys([*known, *self._target.hosts]))
        master = found[0][2]
        return _text(master[0]) or node[0], int(master[1])

    async def close(self) -> None:
        """Nothing is held."""


def _text(value: bytes | str | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""


def connection_to(target: Target, address: Address, connect_seconds: float) -> Connection:
    """A connection of the client library, not yet connected; it neither retries nor decodes."""
    kind = SSLConnection if target.tls else Connection
    host, port = address
    return kind(
        host=host,
        port=port,
        socket_timeout=None,
        socket_connect_timeout=connect_seconds,
        protocol=2,
        driver_info=None,
        **target.connection,
    )


def place_of(target: Target) -> Place:
    """The way to find this target's master."""
    kinds: dict[str, type[FixedPlace] | type[SentinelPlace] | type[ClusterPlace]]
    kinds = {"redis": FixedPlace, "sentinel": SentinelPlace, "cluster": ClusterPlace}
    return kinds[target.kind](target)
