"""`scripts/install` in a tree whose .venv is a symbolic link to somebody else's environment."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What scripts/install reads, in a folder of its own; the lock asks for pytest alone."""
    folder = tmp_path / "tree"
    (folder / "scripts").mkdir(parents=True)
    for name in ("scripts/install", "setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "requirements.lock").write_text(f"--only-binary :all:\npytest=={version('pytest')}\n")
    return folder


def install(tree: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [tree / "scripts" / "install"], env={**os.environ, **environment}, capture_output=True, text=True, timeout=8
    )


def test_a_link_to_a_complete_environment_is_left_alone(tree: Path) -> None:
    target = Path(sys.prefix)
    (tree / ".venv").symlink_to(target)
    before = sorted(one.name for one in target.iterdir())

    done = install(tree)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tree / ".venv").readlink() == target
    assert sorted(one.name for one in target.iterdir()) == before


@pytest.mark.parametrize("lock", ["pytest==0.0.1\n", "no-such-package-of-anybody==1.0\n"])
def test_a_link_to_an_incomplete_environment_gives_way_and_its_target_is_not_written_to(tree: Path, lock: str) -> None:
    (tree / "requirements.lock").write_text(lock)
    target = tree.parent / "shared"
    (target / "bin").mkdir(parents=True)
    (target / "bin" / "python").symlink_to(sys.executable)
    (tree / ".venv").symlink_to(target)
    # stands for an interpreter that is new enough, and shows that a new environment would be made with it
    stub = tree.parent / "python"
    stub.write_text('#!/bin/sh\n[ "$1" = -m ] && { echo "makes $*"; exit 3; }\nexit 0\n')
    stub.chmod(0o755)

    done = install(tree, PYTHON=str(stub))

    assert done.returncode == 3
    assert f".venv was a link to {target}" in done.stdout
    assert "makes -m venv --clear .venv" in done.stdout
    assert not (tree / ".venv").is_symlink()
    assert [str(one.relative_to(target)) for one in sorted(target.rglob("*"))] == ["bin", "bin/python"]
