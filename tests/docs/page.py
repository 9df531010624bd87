"""The examples of a page: its fenced blocks, section by section.

Owns how a page is read; `house.py` runs what stands in it. A block with the name of a file behind its language is that
file. In a `console` block a line with `$ ` is a command, with `> ` it goes on, and what follows is its output. A `text`
block behind a `python` block is what that program prints. `…` in an output stands for anything.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)

PROGRAMS = ("curl", "jq", "consul", "redis-server")  # that not every machine has


@dataclass(slots=True)
class Step:
    """Something a reader does: writes a file, types a command, or runs a program; and what comes of it."""

    kind: str  # file, command or python
    text: str
    name: str = ""  # of the file
    output: list[str] = field(default_factory=list)
    shown: bool = False  # whether the page shows an output where this one would be

    @property
    def expected(self) -> str:
        return "\n".join(self.output).strip()

    @property
    def serves(self) -> bool:
        """Whether it starts a server that goes on; one with an `||` behind it is to end."""
        return self.text.startswith("registry serve") and "||" not in self.text

    def printed(self, output: str) -> bool:
        """Whether this is the output that the page shows."""
        parts = [re.escape(part) for part in self.expected.split("…")]
        return re.fullmatch(".*?".join(parts), output.strip(), re.DOTALL) is not None


@dataclass(slots=True)
class Section:
    """What stands under one heading of the second level, which begins with an empty server."""

    title: str
    steps: list[Step]

    @property
    def text(self) -> str:
        return "\n".join(step.text + "\n" + step.expected for step in self.steps)

    @property
    def programs(self) -> set[str]:
        """Those of `PROGRAMS` that its commands begin with."""
        commands = " | ".join(step.text for step in self.steps if step.kind == "command")
        return {name for name in PROGRAMS if re.search(rf"(^|[|(;&]|\bdo\b)\s*{name} ", commands, re.MULTILINE)}


def sections(page: Path) -> list[Section]:
    """The sections that have something to run."""
    _, *parts = re.split(r"^## (.*)$", "## \n" + page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = [Section(name or page.stem, _steps(body)) for name, body in zip(parts[::2], parts[1::2], strict=True)]
    return [section for section in found if any(step.kind != "file" for step in section.steps)]


def _steps(body: str) -> list[Step]:
    steps: list[Step] = []
    after = 0
    for block in FENCE.finditer(body):
        language, name, text = block.groups()
        if name:
            steps.append(Step("file", text, name))
        elif language == "console":
            steps += _commands(text)
        elif language == "python":
            steps.append(Step("python", text))
        elif language == "text" and steps and steps[-1].kind == "python" and not body[after : block.start()].strip():
            steps[-1].output, steps[-1].shown = text.splitlines(), True
        after = block.end()
    return steps


def _commands(text: str) -> list[Step]:
    commands: list[Step] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            commands.append(Step("command", line[2:]))
        elif line.startswith("> ") and not commands[-1].output:
            commands[-1].text += "\n" + line[2:]
        else:
            commands[-1].output.append(line)
    shown = any(command.output for command in commands)
    for command in commands:
        command.shown = shown  # in a block with outputs, none means that nothing is said
    return commands
