"""The fr0g registry: paths and fields of Consul's agent with answers of its own, on a listener of its own.

Source: dialects.md §6.
"""

from registry.api.dialects.fr0g.dialect import Fr0gDialect

__all__ = ["Fr0gDialect"]
