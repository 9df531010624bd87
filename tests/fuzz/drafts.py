"""A request before it is bytes.

Owns how it becomes bytes. The requests, which are right ones, are `seeds.py`, the ways to spoil them `spoilers.py`.
"""

import re
from urllib.parse import quote

from tests.fuzz.trees import Tree, encoded

NO_METHODS = ("get", "A" * 40)  # the parser knows no others than those that are registered


class Draft:
    """A request that can still be changed. `raw_path` and `raw_query` are sent as they are.

    The path of one with `fixed_path` stays.
    """

    def __init__(self, method: str, path: str, *, argument: str = "", body: Tree = None, **query: str) -> None:
        self.method = method
        self.route = path
        self.argument = argument
        self.query = [(name.replace("_", "-"), value) for name, value in query.items()]
        self.headers: list[tuple[str, str]] = []
        self.tree = body
        self.raw_path = ""
        self.raw_query = ""
        self.raw_body: bytes | None = None
        self.chunked = False
        self.version = "1.1"
        self.fixed_path = False

    def target(self) -> str:
        """The request target."""
        path = self.raw_path or self.route + quote(self.argument, safe="/:@")
        query = self.raw_query or "&".join(f"{quote(name)}={quote(value)}" for name, value in self.query)
        return f"{path}?{query}" if query else path

    @property
    def headless(self) -> bool:
        """Whether its head may be refused, or taken for another protocol's: what follows it is not read then."""
        readable = re.fullmatch(r"(?:/|http://|\*$)[!-~]*", self.target())
        odd = any(name in ("Host", "Upgrade") for name, _ in self.headers)
        return readable is None or odd or self.method in (*NO_METHODS, "CONNECT")

    def bytes(self) -> bytes:
        """The request as it is sent; its length is always right."""
        if self.raw_body is not None:
            body = self.raw_body
        else:
            body = b"" if self.tree is None else encoded(self.tree)
        headers = [("Host", "registry"), *self.headers]
        if self.chunked:
            headers.append(("Transfer-Encoding", "chunked"))
            half = len(body) // 2
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:]) if part)
            body += b"0\r\n\r\n"
        elif body or self.method in ("PUT", "POST"):
            headers.append(("Content-Length", str(len(body))))
        lines = [f"{self.method} {self.target()} HTTP/{self.version}", *(f"{name}: {one}" for name, one in headers)]
        return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body
