"""pytest as a process of its own, and its outcome."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from xml.etree import ElementTree as ET

from labelwatch.shared.project import PROJECT

MAX_SECONDS = 900
_PASSED, _FAILED = 0, 1  # pytest's exit codes; all others are errors of pytest itself


class Outcome(NamedTuple):
    """The tests that failed, those that were broken by a fixture or an import, and pytest's output.

    Only a failure in a test's own body shows that a right is missing; a fixture may break for any reason.
    """

    failed: list[str]
    broken: list[str]
    seconds: float
    output: str


def run(files: list[str], *options: str) -> Outcome:
    """The tests of these files, each named from the project's folder."""
    started = time.monotonic()
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        # A folder of its own for the tests' files: pytest itself keeps those of its last three runs only.
        options_of_run = ["--basetemp", f"{folder}/tests", "--junit-xml", str(report), "-p", "no:cacheprovider"]
        command = [sys.executable, "-m", "pytest", "-q", *options_of_run, *options, *files]
        try:
            done = subprocess.run(
                command, cwd=PROJECT, capture_output=True, text=True, timeout=MAX_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return Outcome([], [f"pytest (timeout after {MAX_SECONDS} s)"], MAX_SECONDS, "")
        seconds = time.monotonic() - started
        if done.returncode not in {_PASSED, _FAILED}:
            return Outcome([], [f"pytest (exit code {done.returncode})"], seconds, done.stdout + done.stderr)
        cases = list(ET.parse(report).iter("testcase"))  # noqa: S314 - pytest wrote it
    failed, broken = ([_name(case) for case in cases if case.find(kind) is not None] for kind in ("failure", "error"))
    return Outcome(failed, broken, seconds, done.stdout)


def _name(case: ET.Element) -> str:
    return f"{case.attrib['classname'].replace('.', '/')}.py::{case.attrib['name']}"
