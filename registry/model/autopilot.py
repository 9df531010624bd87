"""The configuration of Consul's autopilot, which operators read and write. Source: status_operator_snapshot_ui.md §B.2.

Kept and shown; a registry whose log is its one sequencer has no voters to look after.
"""

from msgspec import Struct


class Autopilot(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """The configuration, with durations in nanoseconds. The first one is a default that is as old as the log."""

    cleanup_dead_servers: bool = True
    last_contact_threshold_ns: int = 200_000_000
    max_trailing_logs: int = 250
    min_quorum: int = 0
    server_stabilization_time_ns: int = 10_000_000_000
    redundancy_zone_tag: str = ""
    disable_upgrade_migration: bool = False
    upgrade_version_tag: str = ""
    create_index: int = 1
    modify_index: int = 1
