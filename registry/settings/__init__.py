"""The settings of the server: all of them (`table.py`), what each one is (`rows.py`), their sources (`sources.py`).

`files.py` and `consul.py` read configuration files in our keys and in Consul's, `kinds.py` and `values.py`
know the kinds of values, `addresses.py` finds the address to show, `secrets.py` keeps passwords out of sight,
`docs.py` writes the documentation.
"""

from registry.settings.rows import Definition, Notice, Row, Sources
from registry.settings.table import ROWS, Settings

__all__ = ["ROWS", "Definition", "Notice", "Row", "Settings", "Sources"]
