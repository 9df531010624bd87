"""The language inside the texts of a template: plain text, `${expressions}`, and `$${` for a literal `${`.

Owns reading it: variables, calls, numbers, and texts in quotes, which may hold expressions again. There is no
arithmetic. What names stand for is `templates.py`.
Source: event_query_coordinate.md §B.3; the language is HashiCorp's HIL.
"""

import re

from msgspec import Struct

MAX_DEPTH = 32  # of expressions within expressions

_TEXT = re.compile(r"(?:[^$]|\$(?!\$?\{)|(?P<escaped>\$\$\{))+", re.DOTALL)
_QUOTED = re.compile(r'(?:[^$"\\]|\\.?|\$(?!\$?\{)|\$\$\{)+', re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
_NUMBER = re.compile(r"-?[0-9]+")
_SPACE = re.compile(r"[ \t\r\n]*")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t"}


class Malformed(Exception):
    """A text that cannot be read; `str()` is Consul's text."""


class Failed(Exception):
    """An expression that has no value; `str()` is Consul's text."""


class Expression(Struct):
    """A variable, a call (with `arguments`), or a literal text made of parts."""

    name: str
    position: str  # line and column
    arguments: "list[Expression] | None" = None
    literal: "list[str | Expression] | None" = None


Part = str | Expression


def parsed(text: str) -> list[Part]:
    """The parts of a text, in their order.

    Raises:
        Malformed: an expression is not complete, or is none.
    """
    return _Reader(text).parts(quoted=False)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text, self._at, self._depth = text, 0, 0
        self._line, self._line_start, self._counted = 1, 0, 0  # where `_position` has got to

    def parts(self, *, quoted: bool) -> list[Part]:
        """Up to the end of the text, or to the quote that ends a literal."""
        found: list[Part] = []
        pattern = _QUOTED if quoted else _TEXT
        while self._at < len(self._text) and not (quoted and self._text[self._at] == '"'):
            if self._text.startswith("${", self._at):
                found.append(self._interpolation())
                continue
            plain = pattern.match(self._text, self._at)
            assert plain is not None  # whatever begins no expression is plain
            self._at = plain.end()
            found.append(_plain(plain[0], quoted=quoted))
        return found

    def _interpolation(self) -> Expression:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Malformed(f"parse error at {self._position()}: expressions are nested too deeply")
        self._at += 2
        one = self._expression()
        self._expect("}")
        self._depth -= 1
        return one

    def _expression(self) -> Expression:
        self._skip_space()
        position = self._position()
        if self._text.startswith('"', self._at):
            self._at += 1
            literal = self.parts(quoted=True)
            if self._at >= len(self._text):
                raise Malformed(f"parse error at {self._position()}: expected closing quote but found end of string")
            self._at += 1
            return Expression("", position, literal=literal)
        if number := _NUMBER.match(self._text, self._at):
            self._at = number.end()
            return Expression("", position, literal=[number[0]])
        name = _NAME.match(self._text, self._at)
        if name is None:
            raise Malformed(f"parse error at {position}: expected expression but found {self._found()}")
        self._at = name.end()
        return Expression(name[0], position, arguments=self._arguments())

    def _arguments(self) -> list[Expression] | None:
        self._skip_space()
        if not self._text.startswith("(", self._at):
            return None
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Malformed(f"parse error at {self._position()}: expressions are nested too deeply")
        self._at += 1
        found: list[Expression] = []
        self._skip_space()
        while not self._text.startswith(")", self._at):
            found.append(self._expression())
            self._skip_space()
            if not self._text.startswith(",", self._at):
                break
            self._at += 1
            self._skip_space()
        self._expect(")")
        self._depth -= 1
        return found

    def _expect(self, mark: str) -> None:
        self._skip_space()
        if not self._text.startswith(mark, self._at):
            raise Malformed(f'parse error at {self._position()}: expected "{mark}" but found {self._found()}')
        self._at += 1

    def _skip_space(self) -> None:
        space = _SPACE.match(self._text, self._at)
        assert space is not None  # it may be empty
        self._at = space.end()

    def _found(self) -> str:
        return f'"{self._text[self._at]}"' if self._at < len(self._text) else "end of string"

    def _position(self) -> str:
        """Line and column; the text is gone through once, whatever the number of expressions."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._line_start = max(self._line_start, self._text.rfind("\n", self._counted, self._at) + 1)
        self._counted = self._at
        return f"{self._line}:{self._at - self._line_start + 1}"


def _plain(text: str, *, quoted: bool) -> str:
    text = text.replace("$${", "${")
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]), text) if quoted else text
