"""Writing the autopilot's configuration. Source: status_operator_snapshot_ui.md §B.2."""

from msgspec import Struct

from registry.model.autopilot import Autopilot


class SetAutopilot(Struct, frozen=True, gc=False, omit_defaults=True, tag="set-autopilot"):
    """Replace the configuration; with `cas`, only if its ModifyIndex is equal. The result says whether it was."""

    config: Autopilot
    cas: int | None = None
