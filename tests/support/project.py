"""A copy of the project to deploy from: the real commands in it, against the local AWS."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from botocore.loaders import Loader
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from labelwatch.local.ministack import free_port
from labelwatch.local.session import Session
from labelwatch.shared.project import PROJECT
from tests.support.pipeline import user_environment

NOT_COPIED = shutil.ignore_patterns("__pycache__", "deployments")


class Project:
    """The project in a folder of its own, so that `labelwatch up` writes the stage there."""

    def __init__(self, folder: Path, session: Session) -> None:
        self.folder = folder
        self.local_aws = session.local_aws
        self.environment = user_environment(session) | {
            "HOME": str(folder),
            "COLUMNS": "160",
            "AWS_ENDPOINT_URL_REKOGNITION": session.rekognition,
        }
        for name in ("app.py", "requirements.txt", "LICENSE"):
            shutil.copy(PROJECT / name, folder)
        for name in ("chalicelib", ".chalice", "athena", "infra", "labelwatch"):
            shutil.copytree(PROJECT / name, folder / name, ignore=NOT_COPIED)
        self._shorten_waiters()

    @property
    def config(self) -> dict[str, Any]:
        """The configuration of Chalice, with its stages."""
        content: dict[str, Any] = json.loads(self._config.read_text())
        return content

    def labelwatch(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs a labelwatch command, which may fail."""
        return self._run([sys.executable, "-m", "labelwatch", *arguments], environment)

    def chalice(self, command: str, stage: str = "prod") -> None:
        """Runs the real chalice, which may not fail."""
        completed = self.try_chalice(command, stage)
        assert completed.returncode == 0, completed.stdout + completed.stderr

    def try_chalice(self, command: str, stage: str) -> subprocess.CompletedProcess[str]:
        """Runs the real chalice, which may fail."""
        return self._run(self._chalice(command, stage), {})

    @contextmanager
    def chalice_local(self, stage: str = "prod") -> Iterator[str]:
        """`chalice local` until the block ends; gives its address."""
        port = free_port(None)
        command = [*self._chalice("local", stage), "--host", "127.0.0.1", "--port", str(port), "--no-autoreload"]
        process = subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        address = f"http://127.0.0.1:{port}"
        retrying = requests.Session()
        retrying.mount("http://", HTTPAdapter(max_retries=Retry(connect=60, backoff_factor=0.1, backoff_max=0.5)))
        try:
            retrying.get(f"{address}/health", timeout=60)
            yield address
        finally:
            retrying.close()
            process.terminate()
            process.wait(30)

    def _shorten_waiters(self) -> None:
        """Chalice waits for functions with waiters that poll every five seconds; the local AWS takes half a second.

        Botocore takes models from the home folder before its own.
        """
        api = "lambda/2015-03-31"
        waiters = Loader().load_data(f"{api}/waiters-2")
        for waiter in waiters["waiters"].values():
            waiter["delay"] = 0.26
        models = self.folder / ".aws" / "models" / api
        models.mkdir(parents=True)
        (models / "waiters-2.json").write_text(json.dumps(waiters))

    @property
    def _config(self) -> Path:
        return self.folder / ".chalice" / "config.json"

    @staticmethod
    def _chalice(command: str, stage: str) -> list[str]:
        return [str(Path(sys.executable).with_name("chalice")), command, "--stage", stage]

    def _run(self, command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self.environment | environment,
            capture_output=True, text=True, check=False, timeout=180, stdin=subprocess.DEVNULL,
        )  # fmt: skip
