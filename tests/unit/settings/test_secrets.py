"""Passwords of a store: never shown, and read from a file."""

from pathlib import Path

import pytest

from registry.errors import SettingsError
from registry.settings import Settings
from registry.settings.secrets import masked
from registry.settings.sources import settings_from


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://u:p@h:1/0", "redis://u:***@h:1/0"),
        ("redis://:p@h", "redis://:***@h"),
        ("rediss://u:a/b@c@h?namespace=n@m", "rediss://u:***@h?namespace=n@m"),
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://user@h:1", "redis://user@h:1"),
        ("redis+sentinel://u:p@a:1,b:2/m?sentinel_password=q&wait=1", "redis+sentinel://u:***@a:1,b:2/m?sentinel_password=***&wait=1"),
        ("no backend for 'redis://u:p@h'; ask a@b", "no backend for 'redis://u:***@h'; ask a@b"),
        ("sqlite:////srv/a:b@c.db", "sqlite:////srv/a:b@c.db"),
    ],
)  # fmt: skip
def test_what_is_shown_of_a_url_holds_no_password(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_settings_do_not_print_the_store() -> None:
    settings = Settings(store="redis://u:s3cret@h/0")
    assert "s3cret" not in repr(settings)
    assert settings.shown_store_url == "redis://u:***@h/0"


def test_a_url_that_is_no_text_is_refused_without_being_shown() -> None:
    with pytest.raises(SettingsError) as refused:
        settings_from({"store": ["redis://u:s3cret@h\n"]}, {})
    assert str(refused.value) == "--store: the URL holds a character that cannot be printed"


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("redis://h:6379/0", "redis://:p%40ss%2Fw%3Ard@h:6379/0"),
        ("redis://user@h", "redis://user:p%40ss%2Fw%3Ard@h"),
        ("redis+sentinel://user@a:1,b:2/m?wait=1", "redis+sentinel://user:p%40ss%2Fw%3Ard@a:1,b:2/m?wait=1"),
    ],
)
def test_the_password_comes_from_the_first_line_of_a_file(tmp_path: Path, url: str, whole: str) -> None:
    file = tmp_path / "password"
    file.write_text("p@ss/w:rd\nsomething else\n")
    settings = settings_from({"store": [url], "store_password_file": [str(file)]}, {})
    assert settings.store_url == whole
    assert "p%40ss" not in settings.shown_store_url


@pytest.mark.parametrize(
    ("url", "content", "problem"),
    [
        ("redis://u:other@h", "p", "the URL of the store holds a password already"),
        ("sqlite:///x.db", "p", "is only for a store of the kind redis:"),
        ("", "p", "is only for a store of the kind redis:"),
        ("redis://h", "", "the first line of '{file}' is not a password"),
        ("redis://h", "\np", "the first line of '{file}' is not a password"),
        ("redis://h", None, "'{file}' cannot be read: No such file or directory"),
    ],
)
def test_a_password_file_that_cannot_be_used_is_named(
    tmp_path: Path, url: str, content: str | None, problem: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_text(content)
    flags = {"store_password_file": [str(file)], **({"store": [url]} if url else {})}
    with pytest.raises(SettingsError) as refused:
        settings_from(flags, {})
    assert str(refused.value) == f"store_password_file: {problem.format(file=file)}"
