"""Regular expressions as in Go: RE2's language and speed, and Go's words for errors in one.

Owns the way to google-re2, which is imported when the first expression is compiled (3 MB), and keeps no cache.
RE2 never backtracks: the time to search is linear in the text whatever the expression. A compiled one takes at
most RE2's default of 8 MB, mostly a few KB. Large ones are refused sooner than Go does: anybody may send one.
"""

import re
from collections.abc import Callable
from typing import Any

MAX_CHARACTERS = 8192  # what proxies let pass as a request line; RE2 takes 40 KB for a single \pL

_TOO_LARGE = "expression too large"
_MESSAGES = {  # RE2's text: Go's; those missing here read the same
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "trailing \\": "trailing backslash at end of expression",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid repetition size": "invalid repeat count",
    "invalid named capture group": "invalid named capture",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "pattern too large - compile failed": _TOO_LARGE,
}
_WITHOUT_PART = frozenset({_TOO_LARGE, "invalid UTF-8"})  # Go shows the whole expression, RE2 nothing
_ESCAPE = re.compile(r"\\Q.*?(?:\\E|\Z)|\\(?P<escape>.)", re.DOTALL)


def searcher(expression: str) -> Callable[[str], bool]:
    """A function that tells whether the expression matches anywhere in a text.

    Raises:
        ValueError: the expression is none, or too large; with Go's text, `error parsing regexp: …`.
    Source: Go's regexp/syntax (accepted language and messages); common §12.3.
    """
    search = _search(expression, captures=False)  # twice as fast, and no groups are needed
    return lambda text: search(text.encode(errors="surrogatepass")) is not None


def matcher(expression: str) -> Callable[[str], tuple[str, ...]]:
    """A function that returns a text's first match and its groups, "" for one that took no part; () for no match.

    Raises:
        ValueError: as `searcher`.
    """
    search = _search(expression, captures=True)

    def groups(text: str) -> tuple[str, ...]:
        match = search(text.encode(errors="surrogatepass"))
        if match is None:
            return ()
        return tuple((part or b"").decode(errors="replace") for part in (match.group(0), *match.groups()))

    return groups


def _search(expression: str, *, captures: bool) -> Callable[[bytes], Any]:
    import re2

    if len(expression) > MAX_CHARACTERS:
        raise ValueError(_refusal(_TOO_LARGE, expression))
    options = re2.Options()
    options.log_errors = False
    options.never_capture = not captures
    try:
        search: Callable[[bytes], Any] = re2.compile(expression.encode(errors="surrogateescape"), options).search
    except re2.error as failure:
        found, _, part = failure.args[0].decode(errors="replace").partition(": ")
        message = _MESSAGES.get(found, found)
        raise ValueError(_refusal(message, expression if message in _WITHOUT_PART else part)) from None
    finally:
        re2.purge()  # its cache would hold 128 expressions
    if any(escape["escape"] == "C" for escape in _ESCAPE.finditer(expression)):
        raise ValueError(_refusal("invalid escape sequence", r"\C"))  # RE2's "one byte", which Go does not have
    return search


def _refusal(message: str, part: str) -> str:
    readable = part.encode(errors="surrogateescape").decode(errors="replace")
    return f"error parsing regexp: {message}: `{readable}`"
