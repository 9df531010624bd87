"""The member: one replica, as the others and their clients see it.

Owns what a replica says about itself and its bytes. Who is alive is the log's to say (`Group.members`),
which of them counts is the state's (`SetMembers`).
"""

import msgspec
from msgspec import Struct


class Member(Struct, frozen=True, gc=False, omit_defaults=True):
    """A replica: `id` is the name it writes under, 8 hex digits that are new for each run of a process.

    `name` tells replicas of one node apart where somebody gave them names, else it is empty. `address` and
    `port` are those of its own HTTP interface; `level` is the highest command version it understands,
    `version` the program's, `since` when its process began (Unix seconds).
    """

    id: str
    name: str = ""
    address: str = ""
    port: int = 0
    level: int = 1
    version: str = ""
    since: float = 0.0

    def encoded(self) -> bytes:
        """The bytes a replica announces (`Group.announce`)."""
        return _encoder.encode(self)

    @staticmethod
    def decoded(about: bytes) -> "Member":
        """The member that announced these bytes; fields that a newer program has added are ignored.

        Raises:
            ValueError: the bytes are no member.
        """
        return _decoder.decode(about)  # what it raises is a ValueError


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Member)
