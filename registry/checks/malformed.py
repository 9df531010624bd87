"""Answers that are not HTTP, in Go's words.

Owns the way from what aiohttp says of such an answer, which quotes the line it stumbled over, to what Go
would say of that line. What it cannot make out is malformed without further words.
Source: Go's net/http, ReadResponse, and net/textproto.
"""

import ast
import re

from registry.checks.gotext import quoted

_LINE = re.compile(r"""\bb(['"]).*\1""")  # bytes as Python shows them
_VERSION = re.compile(r"HTTP/[0-9]\.[0-9]\Z")
_CODE_DIGITS = 3
_LENGTH = "content-length:"


def malformed(message: str) -> str:
    """What is wrong with the answer that aiohttp complains of in this way."""
    line = _line(message)
    if line is None:
        return "malformed HTTP response"
    if "status line" in message.partition("\n")[0].lower():
        return _of_status_line(line)
    if line.lower().startswith(_LENGTH):
        return f"bad Content-Length {quoted(line[len(_LENGTH) :].strip())}"
    if ":" not in line:
        return f"malformed MIME header: missing colon: {quoted(line)}"
    return f"malformed MIME header line: {line}"


def _line(message: str) -> str | None:
    if (found := _LINE.search(message)) is None:
        return None
    try:
        shown = ast.literal_eval(found[0])
    except (ValueError, SyntaxError):
        return None
    return shown.decode("utf-8", "replace").rstrip("\r\n") if isinstance(shown, bytes) else None


def _of_status_line(line: str) -> str:
    version, space, rest = line.partition(" ")
    if not space:
        return f"malformed HTTP response {quoted(line)}"
    code = rest.lstrip(" ").partition(" ")[0]
    if len(code) != _CODE_DIGITS or not (code.isascii() and code.isdigit()):
        return f"malformed HTTP status code {quoted(code)}"
    if not _VERSION.match(version):
        return f"malformed HTTP version {quoted(version)}"
    return f"malformed HTTP response {quoted(line)}"
