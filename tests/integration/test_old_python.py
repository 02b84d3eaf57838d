"""Refusals on a Python that is too old."""

import shutil
import subprocess
from pathlib import Path

import pytest

from labelwatch.shared.project import PROJECT


def old_python() -> str | None:
    """A Python before 3.12, if this machine has one."""
    for name in ("python3.11", "python3.10", "python3"):
        found = shutil.which(name)
        if found and _version(found) in {"(3, 11)", "(3, 10)"}:
            return found
    return None


def _version(python: str) -> str:
    command = [python, "-c", "import sys; print(sys.version_info[:2])"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


PYTHON = old_python()
needs_an_old_python = pytest.mark.skipif(not PYTHON, reason="this machine has no Python 3.10 or 3.11")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    assert PYTHON
    return subprocess.run([PYTHON, *words], cwd=PROJECT, capture_output=True, text=True, check=False)


@needs_an_old_python
@pytest.mark.parametrize("words", [("-m", "labelwatch", "up", "--stage", "prod"), ("-c", "import chalicelib.settings")])
def test_an_old_python_is_refused_in_one_sentence(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert done.stderr.startswith("labelwatch: ")
    assert "Python 3.1" in done.stderr


@needs_an_old_python
def test_chalice_on_an_old_python_deploys_nothing(tmp_path: Path) -> None:
    """Chalice imports app.py before it does anything; here that is imported without the rest of Chalice."""
    (tmp_path / "chalice").mkdir()
    (tmp_path / "chalice" / "__init__.py").write_text("")
    (tmp_path / "chalice" / "app.py").write_text("def __getattr__(name): return object\n")
    done = run("-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import app")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr


@needs_an_old_python
def test_make_setup_refuses_an_old_python() -> None:
    done = subprocess.run(
        [PROJECT / "scripts" / "find-python"], cwd=PROJECT, env={"PYTHON": str(PYTHON), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "3.12, 3.13 or 3.14" in done.stderr
