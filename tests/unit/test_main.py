"""The command line: what reaches the server, and which exit code and line a failure ends with."""

import subprocess
import sys
from types import ModuleType

import pytest

import registry
from registry.__main__ import main
from registry.errors import LogCorrupt, LogLocked, SettingsError


@pytest.fixture
def server(monkeypatch):
    """Stands for `registry.process`: keeps the settings it was run with; `end` is what the run does."""
    app = ModuleType("registry.process")
    app.ran_with = []
    app.end = lambda: 0

    def run(settings):
        app.ran_with.append(settings)
        return app.end()

    app.run = run
    monkeypatch.setitem(sys.modules, "registry.process", app)
    return app


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs the command line; gives its exit code, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["registry", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        written = capsys.readouterr()
        return ended.value.code, written.out, written.err

    return run


def raising(error):
    def end():
        raise error

    return end


def test_flags_become_settings_and_the_result_the_exit_code(server, command):
    server.end = lambda: 3
    code, _, _ = command("serve", "--http-port", "9500", "--dev", "--node-meta", "a:1", "--node-meta", "b:2")
    (settings,) = server.ran_with
    assert code == 3
    assert (settings.http_port, settings.dev, settings.node_meta) == (9500, True, {"a": "1", "b": "2"})


def test_a_switch_can_be_turned_off_again(server, command, monkeypatch):
    monkeypatch.setenv("REGISTRY_DEV", "true")
    command("serve")
    command("serve", "--no-dev")
    assert [settings.dev for settings in server.ran_with] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--http-port", "x"], "registry: --http-port: 'x' is not a whole number\n"),
        (["--node", "a\nb"], "registry: --node: 'a\\nb' is not a printable text\n"),
        (["--config-file", "/nowhere.json"], "registry: /nowhere.json: cannot be read: No such file or directory\n"),
    ],
)
def test_a_bad_setting_is_one_line_and_exit_code_2(server, command, arguments, line):
    assert command("serve", *arguments) == (2, "", line)
    assert server.ran_with == []


def test_an_unknown_flag_is_exit_code_2(server, command):
    code, _, errors = command("serve", "--http-prot", "1")
    assert code == 2
    assert "--http-prot" in errors


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (SettingsError("node", "differs from the store's"), 2, "registry: node: differs from the store's\n"),
        (LogLocked("data is held by process 7"), 1, "registry: data is held by process 7\n"),
        (LogCorrupt("record 9 is damaged;\n run registry verify"), 1,
         "registry: record 9 is damaged; run registry verify\n"),
        (PermissionError(13, "Permission denied", "data"), 1, "registry: [Errno 13] Permission denied: 'data'\n"),
    ],
)  # fmt: skip
def test_a_server_that_cannot_start_ends_with_one_line(server, command, error, code, line):
    server.end = raising(error)
    assert command("serve") == (code, "", line)


def test_the_help_shows_each_flag_under_its_heading(command):
    code, text, _ = command("serve", "--help")
    assert code == 0
    assert text.index("Listening:") < text.index("--http-port PORT") < text.index("Store:") < text.index("--data-dir")


def test_the_version(command):
    assert command("--version") == (0, f"registry, version {registry.__version__}\n", "")


def test_every_setting_can_be_listed(command):
    code, text, _ = command("settings")
    assert code == 0
    assert "max_query_seconds                    600 s\n" in text


def test_a_mistake_on_the_command_line_does_not_load_a_server():
    """`registry --help` and a refused setting must not wait for aiohttp."""
    program = "import sys, registry.__main__; print({'aiohttp', 'asyncio', 'msgspec'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=9)
    assert answer.stdout == "set()\n"
