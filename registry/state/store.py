"""The state as a whole: commands in, changes out.

Owns the table of commands and nothing of what they do. `apply` is deterministic: the same entries give
the same state byte for byte on every replica, whatever its hash seed. A refused command is a recorded
no-op: it raises before its first change, and raises the same again on replay.
"""

from collections.abc import Callable
from typing import Any

from registry import commands
from registry.commands import Command
from registry.model import topic as topics
from registry.model.check import Check
from registry.model.names import fold
from registry.state import (
    agents,
    alias,
    autopilot,
    catalog,
    coordinates,
    events,
    exposed,
    file_rows,
    kv,
    local,
    local_checks,
    maintenance,
    members,
    prepared,
    server,
    sessions,
    tasks,
    transactions,
)
from registry.state.changes import Changes
from registry.state.records import Records

_APPLY: dict[type, Callable[["State", int, float, Any], Any]] = {
    commands.Register: catalog.register,
    commands.Deregister: catalog.deregister,
    commands.RegisterLocal: local.register_local,
    commands.DeregisterLocal: local.deregister_local,
    commands.SetMaintenance: maintenance.set_maintenance,
    commands.ReplaceFileRows: file_rows.replace_file_rows,
    commands.Reap: local.reap,
    commands.RegisterLocalCheck: local_checks.register_local_check,
    commands.DeregisterLocalCheck: local_checks.deregister_local_check,
    commands.UpdateCheck: local_checks.update_check,
    commands.ExpireTtl: local_checks.expire_ttl,
    commands.StartServer: server.start_server,
    commands.RaiseLevel: members.raise_level,
    commands.SetMembers: members.set_members,
    commands.RegisterAgent: agents.register_agent,
    commands.UpdateAgent: agents.update_agent,
    commands.MoveAgent: agents.move_agent,
    commands.RemoveAgent: agents.remove_agent,
    commands.SubmitTask: tasks.submit_task,
    commands.FinishTask: tasks.finish_task,
    commands.ChangeKey: kv.change_key,
    commands.CreateSession: sessions.create_session,
    commands.EndSession: sessions.end_session,
    commands.Transact: transactions.transact,
    commands.PutPrepared: prepared.put_prepared,
    commands.DeletePrepared: prepared.delete_prepared,
    commands.FireEvent: events.fire_event,
    commands.PutCoordinate: coordinates.put_coordinate,
    commands.SetAutopilot: autopilot.set_autopilot,
}

_UNCHANGED: dict[type, Callable[["State", Any], bool]] = {
    commands.Register: catalog.unchanged,
    commands.Deregister: catalog.nothing_to_deregister,
    commands.RegisterLocal: local.local_unchanged,
    commands.ReplaceFileRows: file_rows.file_rows_unchanged,
    commands.SetMembers: members.members_unchanged,
    commands.RegisterAgent: agents.register_unchanged,
    commands.UpdateAgent: agents.update_unchanged,
    commands.MoveAgent: agents.move_unchanged,
    commands.ChangeKey: lambda state, command: kv.foregone(state, command) is not None,
    commands.EndSession: sessions.no_session_to_end,
}


class State(Records):
    """Everything that the registry knows, as of `applied`."""

    def __init__(self) -> None:
        super().__init__()
        self.applied = 0  # index of the newest entry taken in

    def apply(self, index: int, time: float, command: Command, changes: Changes) -> Any:
        """Apply one entry of the log and add what it touched to `changes`; returns the command's result.

        Args:
            time: the log's, in Unix seconds.

        Raises:
            RequestError: the state refuses the command; nothing but `applied` changed.
            LogCorrupt: later entries are of a level that this program does not know (`RaiseLevel`); it must stop.
        """
        self.applied, self.time = index, time
        self.touched, self.touched_checks, self.touched_instances = changes.topics, changes.checks, changes.instances
        self.kv.changed = changes.keys
        result = _APPLY[type(command)](self, index, time, command)
        while self.stirred_exposures or self.stirred_aliases or self.stirred_sessions:
            if self.stirred_exposures:
                exposed.settle(self, index)
            if self.stirred_aliases:
                alias.settle(self, index, time)
            sessions.settle(self, index, time)
        return result

    def advance(self, index: int, time: float, changes: Changes) -> None:
        """Apply an entry without a command: the log continues at `index` after a gap in its known past.

        No answer shows a lower index from here on, and every watcher looks again.
        """
        self.applied, self.time = index, max(self.time, time)
        self.indexes.floor = max(self.indexes.floor, index)
        changes.everything = True

    def changes_nothing(self, command: Command) -> bool:
        """Whether the command, applied now, would be accepted and change nothing."""
        judge = _UNCHANGED.get(type(command))
        return judge is not None and judge(self, command)

    def foregone(self, command: Command) -> Any:
        """The result of a command for which `changes_nothing` is true."""
        return kv.foregone(self, command) if isinstance(command, commands.ChangeKey) else None

    def lay_output(self, check_id: str, output: str, changes: Changes) -> None:
        """Show a newer text of a local check to the agent's readers, without an index.

        Not part of the log: a crash may lose it (`DESIGN.md` §4). A check that is gone is ignored.
        """
        place = self.local_check_ids.get(check_id)
        if place is None or self.newest_check(place).output == output:
            return
        if self.checks[place[0]][place[1]].output == output:
            del self.outputs[place]
        else:
            self.outputs[place] = output
        changes.topics[topics.LOCAL_CHECKS] = None

    def output_waits(self, check_id: str) -> bool:
        """Whether the newest text of a local check has not reached the log."""
        return self.local_check_ids.get(check_id) in self.outputs

    def stored_output(self, check_id: str) -> str:
        """The text of a local check that the log has; empty for a check that is gone."""
        check = self.stored_check(check_id)
        return check.output if check is not None else ""

    def owner(self, item: str) -> str:
        """The id of the replica that an item of shared work belongs to; "" when there are no members."""
        return members.owner(self.members, item)

    def check_owner(self, check_id: str) -> str:
        """The id of the replica that runs a check of our own node; "" when there are no members."""
        return members.owner(self.members, members.check_item(check_id))

    def exposed_at(self, check: Check) -> str | None:
        """The address of the proxy through which a check is run; None if it is run directly."""
        proxy = exposed.exposing_proxy(self, check.service_id) if check.exposed_port else None
        return proxy.address if proxy is not None else None

    def own_key(self) -> str:
        """The folded name of our own node."""
        return fold(self.server.node)
