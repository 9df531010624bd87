"""The replicas on one log, and which of them owns an item of shared work.

The list is part of the state, so at each index all replicas agree on who does what. Who is alive is not
decided here. Source: `DESIGN.md` §3, Members.
"""

from hashlib import blake2b

from registry.commands import RaiseLevel, SetMembers
from registry.commands.codec import LEVEL, newer_level
from registry.model import topic as topics
from registry.model.member import Member
from registry.model.names import fold
from registry.state.rows import Rows


def set_members(rows: Rows, index: int, time: float, command: SetMembers) -> None:
    """Replace the list of live replicas."""
    if members_unchanged(rows, command):
        return
    rows.members, rows.holder = command.members, command.holder
    rows.touched[topics.MEMBERS] = None


def members_unchanged(rows: Rows, command: SetMembers) -> bool:
    """Whether the list is the one that is known already."""
    return (rows.members, rows.holder) == (command.members, command.holder)


def raise_level(rows: Rows, index: int, time: float, command: RaiseLevel) -> None:
    """Let proposers write commands of this level.

    Raises:
        LogCorrupt: this program does not know the level and cannot take in what follows.
    """
    if command.level > LEVEL:
        raise newer_level(command.level)
    rows.level = max(rows.level, command.level)


def owner(members: tuple[Member, ...], item: str) -> str:
    """The id of the member that owns the item, "" if there are no members.

    Every replica computes the same one, each gets its share, and when one comes or goes no item moves
    between two that stay (rendezvous hashing: Thaler and Ravishankar, 1998).
    """
    if len(members) < 2:
        return members[0].id if members else ""
    key = item.encode("utf-8", "surrogatepass")
    return max(members, key=lambda member: (_weight(member.id, key), member.id)).id


def _weight(member_id: str, key: bytes) -> bytes:
    return blake2b(key, digest_size=8, key=member_id.encode("utf-8", "surrogatepass")[:64]).digest()


def check_item(check_id: str) -> str:
    """The item of work that stands for running a check of our own node."""
    return f"check\0{fold(check_id)}"
