"""The command line: flags become settings, a command runs, and its result becomes an exit code.

Exit codes: 0 after a clean stop, 1 if the server cannot start or a store or file fails, 2 for a setting that cannot
be used. Each failure is one line on stderr. The server itself is `app.py`, imported only to run it; the commands
that work on a store are `cli/stores.py`.
"""

import sys
from typing import Any, NoReturn

try:
    import click
except ModuleNotFoundError:
    raise SystemExit(
        "registry: the packages of a server are missing: install this one with its extra 'server'"
    ) from None

from registry import __version__
from registry.cli import stores
from registry.cli.options import option, settings_of
from registry.errors import ArchiveDamaged, LogError, SettingsError
from registry.settings import ROWS
from registry.settings.docs import markdown
from registry.settings.secrets import masked

EXIT_FAILED = 1
EXIT_SETTINGS = 2


class GroupedCommand(click.Command):
    """A command whose help shows the flags under the headings of the settings table."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section for each heading."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                heading = ROWS[param.name].group if param.name in ROWS else "Help"
                groups.setdefault(heading, []).append(record)
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def _serve(**given: Any) -> None:
    settings = settings_of(given)
    from registry.process import run

    sys.exit(run(settings))


def _settings(as_markdown: bool) -> None:
    """Show every setting with its default."""
    if as_markdown:
        click.echo(markdown(), nl=False)
        return
    for row in ROWS.values():
        click.echo(f"{row.name:<36} {row.kind.shown(row.default) or '-'}")


def commands() -> click.Group:
    """The whole command line."""
    top = click.Group("registry", no_args_is_help=False, help="A Consul-compatible registry of services and agents.")
    click.version_option(__version__, prog_name="registry")(top)
    serve_help = "Run the server until it is told to stop. What each flag sets: docs/configuration.md."
    options: list[click.Parameter] = [option(row) for row in ROWS.values()]
    top.add_command(GroupedCommand("serve", callback=_serve, params=options, help=serve_help))
    as_markdown = click.Option(["--markdown", "as_markdown"], is_flag=True, help="As the page of the documentation.")
    top.add_command(click.Command("settings", callback=_settings, params=[as_markdown], help=_settings.__doc__))
    for command in stores.commands():
        top.add_command(command)
    return top


def main() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        sys.exit(commands()(standalone_mode=False) or 0)
    except click.ClickException as problem:
        _fail(problem.format_message(), problem.exit_code)
    except click.Abort:  # interrupted before the server could take the signal
        sys.exit(EXIT_FAILED)
    except SettingsError as problem:
        _fail(problem, EXIT_SETTINGS)
    except (LogError, ArchiveDamaged, OSError) as problem:
        _fail(problem, EXIT_FAILED)


def _fail(problem: Exception | str, code: int) -> NoReturn:
    line = masked(" ".join(str(problem).split()))
    print(f"registry: {line}", file=sys.stderr)  # noqa: T201
    sys.exit(code)


if __name__ == "__main__":
    main()
