"""The password of a store: kept out of whatever is shown, and read from a file of its own.

Owns how a URL is masked and how `store_password_file` gets into it. What else a URL says is the log's business.
"""

import re
from urllib.parse import quote

from registry.errors import SettingsError

MASK = "***"
# Up to the last @ before the parameters: a password that was not escaped may hold / or @ itself.
_CREDENTIALS = re.compile(r"(?P<before>\w[\w+.-]*://[^\s:@/?]*):(?P<password>[^\s?]*)@")
_PARAMETER = re.compile(r"(?P<before>[?&][a-z_]*password=)[^&#\s'\"]*")
_LONGEST_PASSWORD = 4096  # characters; a file that holds more is not a password


def masked(text: str) -> str:
    """The text with the passwords of all URLs in it replaced by `***`."""
    text = _CREDENTIALS.sub(rf"\g<before>:{MASK}@", text)
    return _PARAMETER.sub(rf"\g<before>{MASK}", text)


def with_password_of(file: str, url: str) -> str:
    """The URL of a store with the first line of the file as its password.

    Raises:
        SettingsError: the file cannot be read or is empty, the URL has a password, or is of a store without one.
    """
    scheme, colon, rest = url.partition("://")
    if not colon or not scheme.startswith("redis"):
        raise SettingsError("store_password_file", "is only for a store of the kind redis:")
    user, at, hosts = rest.rpartition("@")
    if ":" in user:
        raise SettingsError("store_password_file", "the URL of the store holds a password already")
    return f"{scheme}://{user}:{quote(_first_line(file), safe='')}@{hosts if at else rest}"


def _first_line(file: str) -> str:
    try:
        with open(file, encoding="utf-8") as opened:
            line = opened.readline(_LONGEST_PASSWORD + 1).rstrip("\r\n")
    except OSError as problem:
        raise SettingsError("store_password_file", f"{file!r} cannot be read: {problem.strerror}") from None
    except ValueError:
        raise SettingsError("store_password_file", f"{file!r} does not hold text") from None
    if not line or len(line) > _LONGEST_PASSWORD:
        raise SettingsError("store_password_file", f"the first line of {file!r} is not a password")
    return line
