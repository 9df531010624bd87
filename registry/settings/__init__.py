"""The settings of the server: what there is (`table.py`) and where it is read from (`sources.py`).

`files.py` and `consul.py` read configuration files in our keys and in Consul's, `kinds.py` and `values.py`
know the kinds of values, `addresses.py` finds the address to show, `secrets.py` keeps passwords out of sight,
`docs.py` writes the documentation.
"""

from registry.settings.table import ROWS, Definition, Notice, Row, Settings, Sources

__all__ = ["ROWS", "Definition", "Notice", "Row", "Settings", "Sources"]
