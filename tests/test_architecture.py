"""Who may import whom: the table of `docs/architecture.md`, held against every import in the tree."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

TOP = Path(__file__).parents[1]
PAGE = TOP / "docs" / "architecture.md"
MODULES = sorted((TOP / "registry").rglob("*.py"))


class Rule(NamedTuple):
    """One row of the table. `exceptions` are the files or packages in which what it must not see may stand."""

    allowed: frozenset[str]
    forbidden: frozenset[str]
    lazy: frozenset[str]
    exceptions: dict[str, str]


class Import(NamedTuple):
    """A module somebody imports, and whether that happens while the importing module is loaded."""

    module: str
    at_load: bool


def words(cell: str) -> frozenset[str]:
    bare = re.sub(r"\(.*?\)", "", cell).replace("`", "")
    return frozenset(word.strip() for word in bare.split(",")) - {"", "—"}


def rules(page: str) -> dict[str, Rule]:
    table = page[page.index("## Who may import whom") :]
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", table, re.MULTILINE)[2:]
    found = {}
    for packages, may, never in rows:
        exceptions = dict(re.findall(r"\((\w+) in ([\w.]+)\)", may))
        lazy = frozenset(re.findall(r"(\w+) \(when needed\)", may))
        for package in words(packages):
            found[package] = Rule(words(may), words(never) | exceptions.keys(), lazy, exceptions)
    return found


RULES = rules(PAGE.read_text(encoding="utf-8"))


def package_of(module: str) -> str:
    """The row a module of ours belongs to: `registry.api.dialects.consul.wire` belongs to dialects."""
    parts = module.split(".")
    if parts[1:3] == ["api", "dialects"]:
        return "dialects"
    name = parts[1] if len(parts) > 1 else ""
    return name


def imports(module: str, source: str, *, is_package: bool = False) -> Iterator[Import]:
    """Every import in the source, those inside functions too; names are spelled out in full."""
    parts = module.split(".")

    def walk(node: ast.AST, at_load: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (Import(alias.name, at_load) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                above = parts[: len(parts) - child.level + is_package] if child.level else []
                base = ".".join([*above, *([child.module] if child.module else [])])
                yield from (Import(f"{base}.{alias.name}", at_load) for alias in child.names)
            else:
                inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from walk(child, at_load and not inside)

    return walk(ast.parse(source), True)


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def problem(module: str, file: str, imported: Import) -> str | None:
    """What the table has against this import; None where it may stand."""
    rule, name = RULES[package_of(module)], imported.module
    if within(name, "registry"):
        return problem_with_ours(module, rule, imported)
    for other in rule.forbidden:
        if within(name, other) and not is_at(rule.exceptions.get(other), module, file):
            return f"must never see {other}"
    return None


def is_at(place: str | None, module: str, file: str) -> bool:
    """Whether this is the place that a row names: a file, `http.py`, or a package, `api.server`."""
    return place is not None and (place == file or within(module, f"registry.{place}"))


def problem_with_ours(module: str, rule: Rule, imported: Import) -> str | None:
    name, package = imported.module, package_of(imported.module)
    if package not in RULES or "everything" in rule.allowed:  # registry itself: its version
        return None
    if package in rule.lazy:
        return f"may import {package} only inside a function" if imported.at_load else None
    if package == package_of(module) or (package == "api" and package_of(module) == "dialects"):
        other_dialect = package == "dialects" and name.split(".")[:4] != module.split(".")[:4]
        return "must never see another dialect" if other_dialect else None
    if package in rule.allowed or any(within(name, f"registry.{allowed}") for allowed in rule.allowed):
        return None
    return f"may not import {package}"


def module_name(path: Path) -> str:
    parts = path.relative_to(TOP).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(TOP)))
def test_every_import_may_stand_where_it_stands(path):
    module = module_name(path)
    if package_of(module) not in RULES:  # the version alone; any other is the next test's business
        return
    found = imports(module, path.read_text(encoding="utf-8"), is_package=path.name == "__init__.py")
    problems = {(each.module, why) for each in found if (why := problem(module, path.name, each))}
    assert not problems, "docs/architecture.md says so"


def test_every_package_of_ours_has_a_row():
    packages = {package_of(module_name(path)) for path in MODULES} - {""}
    assert packages <= RULES.keys()


def test_the_table_speaks_of_things_that_exist():
    """A misspelt word in the third column would forbid nothing."""
    phrases = {"anything of ours", "all else of ours", "another dialect"}
    known = RULES.keys() | sys.stdlib_module_names | {"aiohttp"}
    spoken = {word for rule in RULES.values() for word in rule.forbidden} - phrases
    assert spoken <= known
    spoken = {word.partition(".")[0] for rule in RULES.values() for word in rule.allowed}
    assert spoken <= RULES.keys() | {"standard library", "everything"}


@pytest.mark.parametrize(
    ("module", "source", "why"),
    [
        ("registry.state.store", "import time", "must never see time"),
        ("registry.state.store", "def f():\n    from random import choice", "must never see random"),
        ("registry.state.store", "from registry.log.base import Log", "may not import log"),
        ("registry.state.store", "from registry import log", "may not import log"),
        ("registry.state.store", "from ..log import base", "may not import log"),
        ("registry.model.node", "import os, json.decoder", "must never see json"),
        ("registry.model.node", "import sqlite3", "must never see sqlite3"),
        ("registry.errors", "import registry.model.node", "may not import model"),
        ("registry.settings.files", "import asyncio", "must never see asyncio"),
        ("registry.settings", "from registry import clock", "may not import clock"),
        ("registry.core.engine", "from registry.log.sqlite import SqliteLog", "may not import log"),
        ("registry.core.engine", "from registry.log import base", None),
        ("registry.core.engine", "from registry.log.base import Log", None),
        ("registry.core.engine", "from registry.api.dialects.consul import wire", "may not import dialects"),
        ("registry.api.call", "import aiohttp.web", "must never see aiohttp"),
        ("registry.api.server", "import aiohttp.web", None),
        ("registry.api.server.connection", "import aiohttp.web", None),
        ("registry.api.dialects.hive.server", "import aiohttp.web", "must never see aiohttp"),
        ("registry.checks.tcp", "import aiohttp", "must never see aiohttp"),
        ("registry.tasks.http", "import aiohttp", None),
        ("registry.api.dialects.consul.wire", "from registry.api.call import Call", None),
        ("registry.api.dialects.consul.wire", "from registry.api.dialects.hive import wire",
         "must never see another dialect"),
        ("registry.api.dialects.consul.wire", "from registry.api.dialects.consul import errors", None),
        ("registry.api.dialects.consul.wire", "from registry.state.store import State", "may not import state"),
        ("registry.client.agent", "from registry import settings", "may not import settings"),
        ("registry.client.agent", "import aiohttp", None),
        ("registry.__main__", "from registry import process", "may import process only inside a function"),
        ("registry.__main__", "def f():\n    from registry import process", None),
        ("registry.__main__", "from registry import __version__", None),
        ("registry.app", "from registry.log.open import open_log", None),
    ],
)  # fmt: skip
def test_what_the_table_forbids_is_seen(module, source, why):
    file = module.rpartition(".")[2] + ".py"
    assert [problem(module, file, each) for each in imports(module, source)][-1] == why
