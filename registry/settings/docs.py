"""The table of settings as a page of the documentation.

Owns the layout of `docs/configuration.md`, which a test compares with what this writes. The words come
from the rows of `settings/table.py`.
"""

from registry.settings.consul import REFUSED
from registry.settings.rows import Row
from registry.settings.table import ROWS

INTRODUCTION = """\
# Configuration

This page is written by `python -m registry settings --markdown`; change the rows in `registry/settings/table.py`.

A setting can be given as a flag of `registry serve`, in the environment, or in a file. If it is given more than once,
the flag counts before the environment, the environment before the files, and a later file before an earlier one. An
empty variable or text counts as not given. A setting that cannot be used ends the start with exit code 2 and one line
that names it.

* **Flag**: `--` and the name with dashes: `--http-port 9500`. A yes-or-no setting is `--dev` or `--no-dev`. One marked
  *repeatable* is given once for each value.
* **Environment**: `REGISTRY_` and the name in capitals: `REGISTRY_HTTP_PORT=9500`. Several values are separated by
  commas.
* **TOML file**: the name: `http_port = 9500`. Services and checks are `[[services]]` and `[[checks]]` with Consul's
  keys. A key that is not in this table is refused.
* **JSON file**: Consul's agent configuration, with the keys of the column *Consul* and `service`, `services`, `check`,
  `checks`. Keys that are not honoured are named in one warning at the start. HCL is not read.

Times are seconds or Go durations (`300`, `5m`), sizes are bytes or `KiB`, `MiB`, `GiB`. The files of `config_file` come
first, then the `.toml` and `.json` files of each `config_dir` by name. Tables in several files are merged, lists are
concatenated.

SIGHUP and `PUT /v1/agent/reload` read the files again: their services and checks are added, changed and removed, and
the settings marked *reload* take effect. Others that have changed are named in a warning and wait for the next
start.
"""

ALIASES = """\
## Variables of other programs

`PORT` and `CVXC_SERVER_PORT` also set the HTTP port; the first one that is set counts. If `REGISTRY_PORT` or
`REGISTRY_HTTP_PORT` sets the port, each of those two adds a further one with the same routes instead.
`CVXC_SERVER_HOST` sets the bind address. Each one that takes effect is logged. `REGISTRY_PORT=tcp://…`, which
Kubernetes and Docker set for a service called `registry`, is ignored, and so is any other port of that form.
"""

REFUSALS = """\
## Keys of Consul that refuse the start

To ignore these would leave open what they are meant to close. They are accepted when switched off or empty.
"""


def markdown() -> str:
    """The page, ready to be written to the file."""
    groups = dict.fromkeys(row.group for row in ROWS.values())
    parts = [INTRODUCTION, *(_group(name) for name in groups), ALIASES, REFUSALS + _refusals()]
    return "\n".join(parts)


def _group(name: str) -> str:
    head = f"## {name}\n\n| Setting | Default | Meaning | Consul |\n| --- | --- | --- | --- |\n"
    return head + "".join(_line(row) for row in ROWS.values() if row.group == name)


def _line(row: Row) -> str:
    default = row.kind.shown(row.default)
    marks = [word for word, applies in (("repeatable", row.kind.repeatable), ("reload", row.reloadable)) if applies]
    meaning = row.help + (f" *({', '.join(marks)})*" if marks else "")
    if row.more_variables or row.aliases:
        meaning += f" Also {', '.join(f'`{name}`' for name in (*row.more_variables, *row.aliases))}."
    consul = ", ".join(f"`{key}`" for key in row.consul)
    return f"| `{row.name}` | {f'`{default}`' if default else '–'} | {meaning} | {consul or '–'} |\n"


def _refusals() -> str:
    return "\n| Key | Reason |\n| --- | --- |\n" + "".join(f"| `{key}` | {why} |\n" for key, why in REFUSED.items())
