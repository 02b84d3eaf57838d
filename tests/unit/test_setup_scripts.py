"""The set-up of an environment: what it says, and what it says where it fails."""

import hashlib
import io
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from scripts.install import download, failure

PROJECT = Path(__file__).parents[2]
# As pip prints them.
UNREACHABLE = [
    "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('...')': /simple/annotated-doc/",
    "ERROR: Could not find a version that satisfies the requirement annotated-doc==0.0.7 (from versions: none)",
    "ERROR: No matching distribution found for annotated-doc==0.0.7",
]


def test_without_a_network_the_package_index_is_named_and_no_package() -> None:
    message = failure(UNREACHABLE)
    assert "package index" in message
    assert "annotated-doc" not in message


def test_another_failure_has_the_words_of_pip() -> None:
    assert "No space left" in failure(["Collecting annotated-doc", "ERROR: [Errno 28] No space left on device"])
    assert failure([])


def test_a_failure_after_a_retry_that_succeeded_has_the_words_of_pip() -> None:
    full = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
    assert "No space left" in failure([UNREACHABLE[0], "Collecting annotated-doc", full])


def test_a_log_has_a_line_for_each_twenty_packages(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [*(f"Collecting package-{number}" for number in range(44)), "Processing ./package.whl"]
    assert download(["Ignoring colorama: markers", *lines, "Installing collected packages: a"], 46, []) == 45
    assert [line.split()[2:] for line in capsys.readouterr().out.splitlines()] == [
        [number, "of", "45"] for number in ("20", "40", "45")
    ]


def test_a_terminal_has_one_line_that_is_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    download([f"Collecting package-{number}" for number in range(3)], 3, [])
    assert terminal.getvalue().count("\r") == 3
    assert terminal.getvalue().count("\n") == 1


@pytest.mark.parametrize("script", [["scripts/find-python"], ["scripts/setup", "unused", "requirements.txt"]])
def test_an_unusable_python_is_one_sentence_with_the_usable_versions(script: list[str]) -> None:
    completed = subprocess.run(
        ["/bin/sh", *script],
        cwd=PROJECT, env={"PYTHON": "/nowhere/python3", "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (completed.returncode, len(completed.stderr.splitlines())) == (1, 1)
    assert "/nowhere/python3" in completed.stderr
    assert "3.12, 3.13 or 3.14" in completed.stderr


def test_make_lists_each_target_in_a_line_of_80_columns() -> None:
    completed = subprocess.run(
        ["/usr/bin/env", "make"], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60
    )
    lines = completed.stdout.splitlines()
    listed = {line.split()[1] for line in lines}
    assert {"setup", "demo", "up", "test", "screenshots"} <= listed
    assert max(map(len, lines)) <= 80


def test_lint_checks_the_template_that_it_has_just_made(tmp_path: Path) -> None:
    """Whatever LABELWATCH_BUILD is: `package` alone would write there, and the checks read an old template."""
    listed = subprocess.run(
        ["/usr/bin/env", "make", "-n", "lint"],
        cwd=PROJECT, env=os.environ | {"LABELWATCH_BUILD": str(tmp_path)},
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    (package,) = [shlex.split(line) for line in listed.splitlines() if "labelwatch package" in line]
    (checked,) = [shlex.split(line)[1] for line in listed.splitlines() if "cfn-lint" in line]
    assert package[-2:] == ["--build", str(Path(checked).parent)]


def installing(folder: Path, pip: str) -> "subprocess.Popen[str]":
    """The script with this code as its pip."""
    (folder / "pip.py").write_text(f"import os, signal, sys, time\nprint('Collecting a', flush=True)\n{pip}")
    (folder / "requirements.txt").write_text("a==1\n")
    return subprocess.Popen(
        [sys.executable, "scripts/install.py", str(folder / "requirements.txt")],
        cwd=PROJECT, env={"PYTHONPATH": str(folder)}, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_failed_pip_fails_the_set_up_with_its_words_however_much_it_prints(tmp_path: Path) -> None:
    pip = "print('Installing collected packages: a\\nERROR: broken', 'x' * 1_000_000, flush=True)\nsys.exit(2)"
    with installing(tmp_path, pip) as process:
        try:
            _, errors = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert process.returncode == 2
    assert "pip failed: broken" in errors


def test_ctrl_c_ends_the_set_up_in_one_line(tmp_path: Path) -> None:
    with installing(tmp_path, "os.kill(os.getppid(), signal.SIGINT)") as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert len(errors.split("\n")) <= 3


@pytest.mark.parametrize(("version", "code"), [((3, 11), 1), ((3, 12), 0), ((3, 14), 0), ((3, 15), 1)])
def test_a_python_of_another_version_than_lambda_s_is_unusable(
    tmp_path: Path, version: tuple[int, int], code: int
) -> None:
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c "import sys; sys.version_info = {version}\n$2"\n'
    )
    python.chmod(0o755)
    completed = subprocess.run(
        ["/bin/sh", "scripts/find-python"], cwd=PROJECT, env={"PYTHON": str(python)},
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert completed.returncode == code


def test_another_python_replaces_the_environment(tmp_path: Path) -> None:
    def steps(python: str) -> str:
        return subprocess.run(
            ["/usr/bin/env", "make", "-n", "-f", PROJECT / "Makefile", "setup", f"PYTHON={python}"],
            cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60,
        ).stdout  # fmt: skip

    for name in ("requirements-dev.txt", "scripts/setup", ".venv/ready"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".venv" / "ready").write_text("/a b/python3.13")
    assert "scripts/setup" not in steps("")
    assert "scripts/setup" not in steps("/a b/python3.13")
    assert "scripts/setup" in steps("/a b/python3.12")


def wheel(folder: Path) -> str:
    """A wheel of a package named labelwatch-example; its hash."""
    file = folder / "labelwatch_example-1-py3-none-any.whl"
    with ZipFile(file, "w") as content:
        for name, text in {
            "METADATA": "Metadata-Version: 2.1\nName: labelwatch-example\nVersion: 1\n",
            "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "RECORD": "",
        }.items():
            content.writestr(f"labelwatch_example-1.dist-info/{name}", text)
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("lock", "is_installed"),
    [
        ("labelwatch-example==1 --hash=sha256:{digest}\n", True),
        ("labelwatch-example==1 --hash=sha256:{zeros}\n", False),
        ("labelwatch-example==1\n", False),
    ],
    ids=["right hash", "wrong hash", "no hash"],
)
def test_a_package_is_installed_only_with_its_locked_hash(tmp_path: Path, lock: str, *, is_installed: bool) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(lock.format(digest=wheel(tmp_path), zeros=64 * "0"))
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_TARGET": str(tmp_path / "installed")}
    completed = subprocess.run(
        [sys.executable, "scripts/install.py", str(requirements)],
        cwd=PROJECT, env=os.environ | offline, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (completed.returncode == 0, (tmp_path / "installed").exists()) == (is_installed, is_installed)
    assert is_installed or "hash" in completed.stderr.lower()


@pytest.mark.parametrize("name", ["requirements", "requirements-dev", "requirements-runtime", "requirements-checks"])
def test_every_locked_package_has_hashes(name: str) -> None:
    requirements = (PROJECT / f"{name}.txt").read_text().replace("\\\n", "").splitlines()
    assert [line for line in requirements if "==" not in line or "--hash=sha256:" not in line] == []
