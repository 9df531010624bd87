"""As what a process opens a log.

Owns the roles and what each may do; the backends keep to it.
"""

from enum import Enum


class Role(Enum):
    """Decides whom else a process bears beside it, and what it takes part in."""

    SERVER = "server"  # one of those who serve it
    RESTORER = "restorer"  # replaces all that is stored, beside the servers of a shared log
    GUEST = "guest"  # changes what is stored, beside them
    READER = "reader"  # changes nothing, beside whoever has it

    @property
    def is_member(self) -> bool:
        """Whether it is one of the group, and may keep house."""
        return self is Role.SERVER

    @property
    def founds(self) -> bool:
        """Whether it makes a store where there is none; for the others that is a mistyped name."""
        return self in (Role.SERVER, Role.RESTORER)
