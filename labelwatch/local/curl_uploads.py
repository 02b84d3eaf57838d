"""Presigned uploads with the real curl, as a camera or a person without AWS credentials makes them."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from labelwatch.shared.errors import UserError

SECONDS_TO_WAIT = 60


def check_curl() -> None:
    """Raises UserError where there is no curl."""
    if not shutil.which("curl"):
        raise UserError(
            "curl is not installed, and the demo uploads with it. Install curl, then run the command again."
        )


def upload_line(file: Path) -> str:
    """A line that uploads the file, for a shell that has exported API and TOKEN."""
    return shlex.join([sys.executable, "-m", __name__, str(file)])


def upload(api: str, token: str, file: Path) -> str:
    """Requests a presigned upload, uploads the file by its curl line, and returns the object's key.

    Raises UserError with the answer where either step fails.
    """
    body = json.dumps({"filename": file.name, "size": _size(file)})
    request = ["curl", "-sS", f"{api}/uploads", "-H", "@-", "-H", "Content-Type: application/json", "-d", body]
    # Not as an argument, which everybody on the machine can see.
    answer = _run(request, file.parent, f"Authorization: Bearer {token}")
    try:
        presigned_upload = json.loads(answer)
        line, key = str(presigned_upload["curl"]), str(presigned_upload["key"])
    except (ValueError, KeyError):
        raise UserError(f"No presigned upload for {file.name}. The API answered: {answer.strip()}") from None
    _run(shlex.split(line), file.parent)  # without a shell, which would run whatever a server answers
    return key


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError as problem:
        raise UserError(f"{file} cannot be read: {problem.strerror}.") from None


def _run(command: list[str], folder: Path, standard_input: str = "") -> str:
    # A proxy cannot reach loopback.
    environment = os.environ | {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
    try:
        completed = subprocess.run(  # noqa: S603 - the command is ours, and the presigned upload's line is our service's
            command, cwd=folder, env=environment, input=standard_input, capture_output=True, text=True,
            timeout=SECONDS_TO_WAIT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise UserError(f"curl received no answer within {SECONDS_TO_WAIT} s. Run the command again.") from None
    if completed.returncode:
        *_, last_line = ["no output", *(completed.stdout + completed.stderr).strip().splitlines()]
        raise UserError(f"curl failed with exit code {completed.returncode}: {last_line}")
    return completed.stdout


def main(file: Path) -> None:
    """Uploads the file with the API and TOKEN of the environment, and prints its key."""
    try:
        sys.stdout.write(f"{upload(os.environ['API'], os.environ['TOKEN'], file)}\n")
    except KeyError as missing:
        sys.exit(f"{missing.args[0]} is not set. Paste the line that exports API and TOKEN first.")
    except UserError as problem:
        sys.exit(f"{file}: {problem}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
