"""The autopilot's configuration. Source: status_operator_snapshot_ui.md §B.2."""

from msgspec.structs import replace

from registry.commands import SetAutopilot
from registry.state.rows import Rows


def set_autopilot(rows: Rows, index: int, time: float, command: SetAutopilot) -> bool:
    """Replace the configuration; False if the check-and-set fails, as it always does with 0."""
    old = rows.autopilot
    if command.cas is not None and command.cas != old.modify_index:
        return False
    rows.autopilot = replace(command.config, create_index=old.create_index, modify_index=index)
    return True
