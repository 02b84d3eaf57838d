"""A function as Lambda runs it: the unpacked zip, the real runtime client and boto3, and nothing else to import."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from labelwatch.shared.project import PROJECT
from tests.support import runtime_api
from tests.support.runtime_api import SECONDS_FOR_AN_INVOCATION, Report, RuntimeApi

REQUIREMENTS = PROJECT / "requirements-runtime.txt"
# No site-packages and no current folder: only what is on PYTHONPATH can be imported.
PYTHON = [sys.executable, "-S", "-P"]
RUNTIME_CLIENT = ["-m", "awslambdaric"]
ON_A_READ_ONLY_DISK = [str(PROJECT / "tests" / "support" / "read_only_disk.py")]


class ExecutionEnvironment(NamedTuple):
    """Where a function runs: the unpacked zip, the packages of the runtime, and a folder for everything else."""

    task: Path
    runtime: Path
    scratch: Path

    def variables(self, api: str, handler: str) -> dict[str, str]:
        """What Lambda itself sets: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html."""
        (self.scratch / "tmp").mkdir(exist_ok=True)
        return {
            "_HANDLER": handler,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_FUNCTION_NAME": "labelwatch",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_RUNTIME_API": api,
            "LAMBDA_TASK_ROOT": str(self.task),
            "LANG": "en_US.UTF-8",
            "PATH": os.defpath,
            "PYTHONPATH": f"{self.task}:{self.runtime}",  # the zip comes first
            "TMPDIR": str(self.scratch / "tmp"),
            "TZ": ":UTC",
        }


class RuntimeEnded(Exception):  # noqa: N818 - an outcome that tests expect
    """Raised when the runtime ended instead of sending a report."""

    def __init__(self, code: int, log: str) -> None:
        super().__init__(f"the runtime ended with {code}; its log: {log}")
        self.code = code
        self.log = log


class Function:
    """One runtime process."""

    def __init__(self, process: subprocess.Popen[bytes], api: RuntimeApi, log: Path, started_at: float) -> None:
        self.started_at = started_at
        self._process = process
        self._api = api
        self._log = log

    @property
    def log(self) -> str:
        """Its stdout and stderr so far."""
        return self._log.read_text()

    def answer(self, event: object) -> Any:
        """What the handler of a new function returns for this event; fails the test where it raises."""
        if (start := self.next_report()).kind != "ready":
            raise AssertionError(start.content)
        return self.invoke(event).content

    def invoke(self, event: object) -> Report:
        """The report of the handler's answer, once the function is ready."""
        self._api.put(event)
        report = self.next_report()
        if report.kind != "response":
            raise AssertionError(report.content)
        return report

    def next_report(self) -> Report:
        """The runtime's next report; raises RuntimeEnded where there will be none."""
        until = time.monotonic() + SECONDS_FOR_AN_INVOCATION
        while time.monotonic() < until:
            exit_code = self._process.poll()
            if report := self._api.report(timeout=0.05):
                return report
            if exit_code is not None:
                raise RuntimeEnded(exit_code, self.log)
        raise AssertionError(f"nothing in {SECONDS_FOR_AN_INVOCATION} s; the log: {self.log}")


@contextmanager
def started(
    handler: str,
    environment: ExecutionEnvironment,
    variables: Mapping[str, str],
    client: Sequence[str] = ON_A_READ_ONLY_DISK,
) -> Iterator[Function]:
    """The handler in a runtime of its own, with these environment variables, until the block ends."""
    with runtime_api.served() as api, tempfile.NamedTemporaryFile(dir=environment.scratch, suffix=".log") as log:
        all_variables = environment.variables(api.address, handler) | dict(variables)
        started_at = time.perf_counter()
        process = subprocess.Popen(
            [*PYTHON, *client, handler], cwd=environment.task, env=all_variables, stdout=log, stderr=log
        )
        try:
            yield Function(process, api, Path(log.name), started_at)
        finally:
            process.kill()
            process.wait()


def runtime() -> Path:
    """The folder with the packages of the Lambda runtime, made once for each Python and each list of requirements."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    folder = PROJECT / ".labelwatch" / "runtimes" / f"{sys.implementation.cache_tag}-{digest}"
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as new:
        # The list is complete, so nothing is left to resolve.
        pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        locked = ["--require-hashes", "--no-deps"]
        subprocess.run([*pip, *locked, "--target", f"{new}/packages", "-r", str(REQUIREMENTS)], check=True)
        if not folder.exists():  # a concurrent process may have made it
            Path(new, "packages").rename(folder)
    return folder
