"""The write that says which replicas there are; its rules are in `state/members.py`."""

from msgspec import Struct

from registry.model.member import Member


class SetMembers(Struct, frozen=True, gc=False, omit_defaults=True, tag="set-members"):
    """The live replicas, sorted by id, and the id of the housekeeper among them, which writes this.

    From here on each item of shared work belongs to one of them (`State.owner`). Level 2.
    """

    members: tuple[Member, ...]
    holder: str = ""
