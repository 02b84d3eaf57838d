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
# Prints the curl line of the answer; of an error the message, and a line that ends the shell as failed. Without a
# single quote, so that the shell reads it as one word.
_GET_CURL = (
    "import json, sys; a = json.load(sys.stdin); "
    'print(a.get("curl", "exit 1")); "error" in a and print(a["error"]["message"], file=sys.stderr)'
)


def check_curl() -> None:
    """Raises UserError where there is no curl."""
    if not shutil.which("curl"):
        raise UserError(
            "curl is not installed, and the demo uploads with it. Install curl, then run the command again."
        )


def upload_line(file: Path) -> str:
    """Both steps in one line for a shell that has API and TOKEN: request a presigned upload, and run its curl line."""
    body = shlex.quote(json.dumps({"filename": file.name}))
    request = f'curl -sS "$API/uploads" -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -d {body}'
    return f"(cd {shlex.quote(str(file.parent))} && {request} | {shlex.join([sys.executable, '-c', _GET_CURL])} | sh)"


def upload(api: str, token: str, file: Path) -> str:
    """Requests a presigned upload, uploads the file by its curl line, and returns the object's key.

    Raises UserError with the answer where either step fails.
    """
    headers = ["-H", f"Authorization: Bearer {token}", "-H", "Content-Type: application/json"]
    answer = _run(["curl", "-sS", f"{api}/uploads", *headers, "-d", json.dumps({"filename": file.name})], file.parent)
    try:
        presigned_upload = json.loads(answer)
        line, key = str(presigned_upload["curl"]), str(presigned_upload["key"])
    except (ValueError, KeyError):
        raise UserError(f"No presigned upload for {file.name}. The API answered: {answer.strip()}") from None
    _run(["sh", "-c", line], file.parent)
    return key


def _run(command: list[str], folder: Path) -> str:
    # A proxy cannot reach loopback.
    environment = os.environ | {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
    try:
        completed = subprocess.run(  # noqa: S603 - the command is ours, and the presigned upload's line is our service's
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS_TO_WAIT, check=False
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"curl received no answer within {SECONDS_TO_WAIT} s. Run the command again.") from None
    if completed.returncode:
        *_, last_line = ["no output", *(completed.stdout + completed.stderr).strip().splitlines()]
        raise UserError(f"curl failed with exit code {completed.returncode}: {last_line}")
    return completed.stdout
