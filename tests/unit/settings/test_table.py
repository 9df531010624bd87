"""What holds for every row of the table of settings."""

from pathlib import Path

import pytest

from registry.errors import SettingsError
from registry.settings import ROWS, Settings
from registry.settings.docs import markdown
from registry.settings.sources import settings_from

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"

# A value that is not the default, as a text, and what it means.
EXAMPLES = {
    "ADDRESS": ("192.0.2.7", "192.0.2.7"),
    "PORT": ("21100", 21100),  # also fits between the two ports of sidecars
    "TEXT": ("something", "something"),
    "URL": ("sqlite:////some/where.db", "sqlite:////some/where.db"),
    "PATH": ("/some/where", "/some/where"),
    "NAME": ("dc7", "dc7"),
    "NUMBER": ("7", 7),
    "SIZE": ("3 KiB", 3072),
    "DURATION": ("1.5", 1.5),
    "FACTOR": ("1.5", 1.5),
    "KEY:VALUE": ("rack:7", {"rack": "7"}),
    "NAME:VALUE": ("X-Rack:7", {"X-Rack": "7"}),
    "PREFIX": ("/v1/agent", "/v1/agent"),
    "NETWORK": ("10.0.0.0/8", "10.0.0.0/8"),
    "RULE": ("Get*=spiffe://a/*", "Get*=spiffe://a/*"),
    "LEVEL": ("error", "error"),
    "FORMAT": ("json", "json"),
    "SCOPE": ("own", "own"),
    "SHAPE": ("fr0g", "fr0g"),
}

# A file with a password means nothing without a store of its kind: test_secrets.py has it.
ALONE = [row for row in ROWS.values() if row.in_files and row.name != "store_password_file"]
in_files = pytest.mark.parametrize("row", ALONE, ids=lambda row: row.name)


def example(row):
    if row.kind.metavar == "BOOLEAN":
        return str(not row.default).lower(), not row.default
    text, value = EXAMPLES[row.kind.metavar]
    return text, (value,) if isinstance(row.default, tuple) else value


@in_files
def test_each_setting_can_be_given_as_a_flag_a_variable_and_a_toml_key(row, tmp_path):
    text, value = example(row)
    file = tmp_path / "a.toml"
    file.write_text(f"{row.name} = {toml(row, text, value)}")

    by_flag = settings_from({row.name: [text]}, {})
    by_variable = settings_from({}, {row.variables[0]: text})
    by_file = settings_from({"config_file": [str(file)]}, {})

    assert getattr(by_flag, row.name) == getattr(by_variable, row.name) == getattr(by_file, row.name) == value
    assert value != row.default


def toml(row, text, value):
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{name}" = "{item}"' for name, item in value.items()) + "}"
    if isinstance(value, tuple):
        return str(list(value))
    return text if isinstance(value, bool | int | float) and row.kind.unit != "bytes" else f'"{text}"'


@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
def test_a_name_ends_with_its_unit(row):
    assert row.kind.unit == "" or row.name.endswith(f"_{row.kind.unit}")


def test_the_defaults_are_those_of_an_empty_command_line():
    assert settings_from({}, {}) == Settings()


def test_the_documentation_is_what_the_rows_say():
    """Written by `python -m registry settings --markdown`."""
    assert PAGE.read_text(encoding="utf-8") == markdown()


def test_the_store_is_a_file_in_the_data_directory():
    assert Settings(data_dir="/srv/r").store_url == "sqlite:////srv/r/registry.db"
    assert Settings().store_url == "sqlite:///./data/registry.db"


def test_dev_keeps_everything_in_memory_and_indents_json():
    assert Settings(dev=True).store_url == "memory:"
    assert Settings(dev=True).pretty
    assert not Settings().pretty


def test_a_named_store_counts_more_than_dev():
    assert Settings(dev=True, store="sqlite:///x.db").store_url == "sqlite:///x.db"


def test_a_range_of_sidecar_ports_that_is_upside_down_is_refused():
    with pytest.raises(SettingsError, match=r"^sidecar_min_port: 21300 is above sidecar_max_port$"):
        settings_from({"sidecar_min_port": ["21300"]}, {})


def test_what_is_printed_of_settings_shows_no_flags_and_no_environment():
    """The URL of a store may hold a password, and settings end up in logs and traces."""
    settings = settings_from({}, {"REGISTRY_UNKNOWN": "secret"})
    assert "secret" not in repr(settings)
