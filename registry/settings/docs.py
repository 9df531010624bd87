"""The table of settings as a page of the documentation.

Owns the layout of `docs/configuration.md`, which a test compares with what this writes. The words come
from the rows of `settings.py`.
"""

from registry.settings.consul import REFUSED
from registry.settings.table import ROWS, Row

INTRODUCTION = """\
# Configuration

This page is written by `python -m registry settings --markdown`; change the rows in `registry/settings.py`.

A setting can be given as a flag of `registry serve`, in the environment, or in a file. Where several give it,
the flag counts, then the environment, then the file read last, then the default. An empty variable or text is
as if it were not there. A setting that cannot be used ends the start with one line that names it, and exit code 2.

* **Flag**: `--` and the name with dashes: `--http-port 9500`. A yes-or-no setting is `--dev` or `--no-dev`. One marked
  *repeatable* is given once for each value.
* **Environment**: `REGISTRY_` and the name in capitals: `REGISTRY_HTTP_PORT=9500`. Several values are separated by
  commas.
* **TOML file**: the name: `http_port = 9500`. Services and checks are `[[services]]` and `[[checks]]` with Consul's
  keys. A key that is not in this table is refused.
* **JSON file**: Consul's agent configuration, with the keys of the column *Consul* and `service`, `services`, `check`,
  `checks`. A key that is not honoured is named in one warning at the start. HCL is not read.

Times are seconds or Go durations (`300`, `5m`), sizes are bytes or `KiB`, `MiB`, `GiB`. The files of `config_file` come
first, then the `.toml` and `.json` files of each `config_dir` by name. Tables in several files are merged, lists are
joined.

SIGHUP and `PUT /v1/agent/reload` read the files again: their services and checks are added, changed and removed, and
the settings marked *reload* take effect. Others that changed are named in a warning and wait for the next start.
"""

ALIASES = """\
## Variables of other programs

`PORT` and `CVXC_SERVER_PORT` set the HTTP port too, the first of them that is set; where `REGISTRY_PORT` or
`REGISTRY_HTTP_PORT` is set as well, each of them adds a further port with the same routes. `CVXC_SERVER_HOST` sets the
bind address. Each one that takes effect is logged. `REGISTRY_PORT=tcp://…`, which Kubernetes and Docker set beside a
service called `registry`, is ignored.
"""

REFUSALS = """\
## Keys of Consul that refuse the start

Not to honour these would leave open what they are meant to close. Switched off or empty they are accepted.
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
