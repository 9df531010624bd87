"""The image without Docker: what the Dockerfile says, done in a folder.

Owns reading the Dockerfile, and its two stages as folders: the instructions of the build stage are carried out with the
paths of the image put under one folder; the final stage is its ENV, USER, HEALTHCHECK, ENTRYPOINT and CMD. Making the
user, and the base image itself, are what only Docker can try.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOBODY = 8500  # the image's own user has this number too, and no machine has to know it


@dataclass(slots=True)
class Stage:
    """What one FROM begins: the image it goes on from, and the instructions with their arguments, in order."""

    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        return [argument for instruction, argument in self.instructions if instruction == name]

    def command(self, name: str) -> list[str]:
        """The words of the last instruction of that name, which has the form of a JSON list."""
        words: list[str] = json.loads(self.all(name)[-1])
        return words

    @property
    def environment(self) -> dict[str, str]:
        pairs = (pair.partition("=") for argument in self.all("ENV") for pair in shlex.split(argument))
        return {name: value for name, _, value in pairs}

    @property
    def health(self) -> list[str]:
        """The command of HEALTHCHECK."""
        words: list[str] = json.loads(self.all("HEALTHCHECK")[-1].partition(" CMD ")[2])
        return words


def stages(dockerfile: Path) -> list[Stage]:
    """The stages of a Dockerfile."""
    lines = [line for line in dockerfile.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    found: list[Stage] = []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        instruction, _, argument = line.strip().partition(" ")
        if instruction == "FROM":
            found.append(Stage(argument.split()[0]))
        elif instruction:
            found[-1].instructions.append((instruction, argument.strip()))
    return found


class Layout:
    """The image's folders under one folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.build, self.final = stages(ROOT / "Dockerfile")
        self.data = self.under("/data")
        self.said = ""  # by the instructions of the build
        for made in ("/src", "/opt", "/tmp", "/data"):
            self.under(made).mkdir(parents=True)

    def under(self, path: str) -> Path:
        return self.folder / path.lstrip("/")

    def here(self, text: str) -> str:
        """A command of the image with its paths those of this machine."""
        return re.sub(r"(?<![\w./}])/(?=(src|opt|tmp|data)\b)", f"{self.folder}/", text)

    def made(self) -> bool:
        """Carry out the build stage, with the Python of this run; whether that worked."""
        (workdir,) = self.build.all("WORKDIR")
        for argument in self.build.all("COPY"):
            *sources, target = argument.split()
            for source in sources:
                self._copy(source, self.under(workdir) / target)
        own = {name: value for name, value in os.environ.items() if not name.startswith(("REGISTRY_", "PYTHON"))}
        (bin_folder := self.folder / "bin").mkdir()
        (bin_folder / "python").symlink_to(sys.executable if sys.prefix == sys.base_prefix else _base_python())
        for command in self.build.all("RUN"):
            done = subprocess.run(
                ["bash", "-ec", self.here(command)], cwd=self.under(workdir), capture_output=True, text=True,
                env={"PIP_RETRIES": "1", **own, "PATH": f"{bin_folder}:{own['PATH']}"}, check=False,
            )  # fmt: skip
            self.said += done.stdout + done.stderr
            if done.returncode:
                return False
        return True

    def _copy(self, source: str, target: Path) -> None:
        """Take a file or folder into the build, as Docker would: only what .dockerignore lets through."""
        assert f"!{source}" in (ROOT / ".dockerignore").read_text().splitlines(), f"{source} is not in Docker's context"
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.mkdir(exist_ok=True)
            shutil.copy(ROOT / source, target)

    def environment(self, **more: str) -> dict[str, str]:
        """What a process of the image has: the variables of the image, and no others of this machine, no HOME."""
        values = {name: self.here(value) for name, value in self.final.environment.items()}
        return {**values, "PATH": values["PATH"].replace("$PATH", "/usr/bin:/bin"), **more}

    def command(self, words: list[str]) -> list[str]:
        """A command as it runs in a container: read-only but for the data, by a user who owns nothing else.

        Without root, and where the kernel lets nobody make a namespace of mounts, only what permissions can do is left.
        """
        program = [shutil.which(words[0], path=self.environment()["PATH"]) or words[0], *words[1:]]
        if os.geteuid() != 0:
            return program
        user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs", "--", *program]
        if not read_only_is_possible():
            return user
        data = shlex.quote(str(self.data))
        mounts = f"mount --bind {data} {data} && {_READ_ONLY} && exec {shlex.join(user)}"
        return ["unshare", "--mount", "bash", "-ec", mounts]

    def read_only(self) -> None:
        """Take the rights to write away from all but the data, and give that to the image's user."""
        for path in (self.under("/opt"), *self.under("/opt").rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~0o222)
        if os.geteuid() == 0:
            os.chown(self.data, NOBODY, NOBODY)


# Where /tmp is a mount of its own it is taken too; the data was mounted by itself before, and stays as it is.
_READ_ONLY = "mount -o remount,bind,ro / && { ! mountpoint -q /tmp || mount -o remount,bind,ro /tmp; }"


def read_only_is_possible() -> bool:
    """Whether this process may make its own view of the mounts and take the right to write away in it."""
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "--mount", "bash", "-ec", f"{_READ_ONLY} && ! touch /usr/written"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _base_python() -> str:
    """The interpreter that this virtual environment was made of: the one of the image is not in one either."""
    return str(Path(sys.base_exec_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")
