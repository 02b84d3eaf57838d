"""The local AWS: ministack as a child process, on loopback, its state in a folder of its own, IAM enforced."""

import errno
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from labelwatch.local.guard import HEALTH
from labelwatch.shared.errors import UserError

REGION = "eu-central-1"
SECONDS_TO_START = 30
SECONDS_TO_STOP = 10


@dataclass(frozen=True)
class LocalAws:
    """A running local AWS, with the keys of its root: new ones for each run."""

    endpoint: str
    log: Path
    access_key: str = field(default_factory=lambda: f"LOCAL{secrets.token_hex(8).upper()}")
    secret_key: str = field(default_factory=lambda: secrets.token_hex(20), repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of commands that use the local AWS with these keys."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": REGION,
            # The files of the user may be broken, or set an output format or endpoint that fails with the local AWS.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3's clients have no common type
        """A client with the root credentials of the account."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}, retries={"mode": "standard"}, proxies={}),
        )

    def disable_schedules(self) -> None:
        """From now on no schedule invokes a function: tests and measurements invoke it when they need to."""
        events = self.client("events")
        for rule in events.list_rules()["Rules"]:
            if "ScheduleExpression" in rule:
                events.disable_rule(Name=rule["Name"])


@contextmanager
def running(folder: Path, rekognition: str, port: int | None = None, origin: str = "") -> Iterator[LocalAws]:
    """A local AWS with its state in `folder` and Rekognition at that URL, until the block ends.

    It answers no web page of another origin than `origin`, and ends with this process, however that ends.
    Raises UserError where the port is taken or the local AWS does not start.
    """
    _remove_user_configuration()
    port = free_port(port)
    folder.mkdir(parents=True, exist_ok=True)
    local_aws = LocalAws(f"http://127.0.0.1:{port}", folder / "ministack.log")
    given = {
        "AWS_ACCESS_KEY_ID": local_aws.access_key,
        "AWS_SECRET_ACCESS_KEY": local_aws.secret_key,
        "UPLOAD_ORIGIN": origin,
    }
    with (
        local_aws.log.open("wb") as log,
        # A process group of its own: Ctrl-C at the terminal reaches only this process, which stops ministack itself.
        subprocess.Popen(
            [sys.executable, "-m", "labelwatch.local.emulator"],
            env=_environment(folder, port, rekognition) | given,
            cwd=folder,
            stdin=subprocess.PIPE,  # ends with this process, and ministack with it
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as process,
    ):
        try:
            _wait_until_healthy(process, local_aws)
            yield local_aws
        finally:
            _stop(process)


def _environment(folder: Path, port: int, rekognition: str) -> dict[str, str]:
    for name in ("s3", "state", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    # The functions inherit this environment, and must not get the user's credentials.
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SSL_CERT_FILE") if name in os.environ}
    return inherited | {
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        "AUTH": "true",
        "AWS_ENDPOINT_URL_REKOGNITION": rekognition,
        "LAMBDA_EXECUTOR": "local",
        "IOT_MTLS_ENABLED": "0",
        "S3_PERSIST": "0",
        "PERSIST_STATE": "0",
        "S3_DATA_DIR": str(folder / "s3"),
        "STATE_DIR": str(folder / "state"),
        "TMPDIR": str(folder / "tmp"),
    }


def _remove_user_configuration() -> None:
    """Removes the user's AWS profile and files from this process: they may be broken, and a local AWS needs none."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        os.environ.pop(name, None)
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull


def free_port(requested: int | None) -> int:
    """The requested port, or any free one; raises UserError where the requested port is taken."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", requested or 0))
        except OSError as problem:
            reason = "is in use" if problem.errno == errno.EADDRINUSE else f"is not available ({problem.strerror})"
            raise UserError(
                f"Port {requested} {reason}. Pass another --port (make: PORT=), or omit it for a free port."
            ) from None
        port: int = probe.getsockname()[1]
        return port


def _wait_until_healthy(process: subprocess.Popen[bytes], local_aws: LocalAws) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until and process.poll() is None:
        connection = HTTPConnection(local_aws.endpoint.removeprefix("http://"), timeout=1)
        try:
            connection.request("GET", HEALTH)
            connection.getresponse()
        except OSError:
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
    raise UserError(f"The local AWS did not start. Its log has the reason: {local_aws.log}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stops ministack, and the functions' processes that are its children."""
    process.terminate()
    try:
        process.wait(SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    with suppress(ProcessLookupError):  # no process of its group is left, as it should be
        os.killpg(process.pid, signal.SIGKILL)
