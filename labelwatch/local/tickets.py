"""Uploads through tickets with the real curl, as a camera or a person without AWS credentials does it."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from labelwatch.errors import UserError

SECONDS_TO_WAIT = 60
# The ticket's line for the shell; of an error the message, and a line that ends the shell as failed.
_GET_CURL = (
    "import json, sys; answer = json.load(sys.stdin); "
    "print(answer.get('curl', 'exit 1')); 'error' in answer and print(answer['error']['message'], file=sys.stderr)"
)


def check_curl() -> None:
    """Raises UserError where there is no curl."""
    if not shutil.which("curl"):
        raise UserError(
            "curl is not installed, and uploads through tickets are shown with it; install it and try again."
        )


def request_words(api: str, token: str, filename: str) -> list[str]:
    """The command that asks for a ticket."""
    headers = ["-H", f"Authorization: Bearer {token}", "-H", "Content-Type: application/json"]
    return ["curl", "-sS", f"{api}/uploads", *headers, "-d", json.dumps({"filename": filename})]


def upload_line(api: str, token: str, file: Path) -> str:
    """Both steps in one line for a shell: ask for a ticket, do what it says in the file's folder."""
    request = shlex.join(request_words(api, token, file.name))
    return f"(cd {shlex.quote(str(file.parent))} && {request} | {shlex.join([sys.executable, '-c', _GET_CURL])} | sh)"


def upload(api: str, token: str, file: Path) -> str:
    """Asks for a ticket, uploads the file by the line that it has, and gives the object's key.

    Raises UserError with the answer where either step is refused.
    """
    answer = _run(request_words(api, token, file.name), file.parent)
    try:
        ticket = json.loads(answer)
        line, key = str(ticket["curl"]), str(ticket["key"])
    except (ValueError, KeyError):
        raise UserError(f"there is no ticket for {file.name}: {answer.strip()}") from None
    _run(["sh", "-c", line], file.parent)
    return key


def _run(command: list[str], folder: Path) -> str:
    # Loopback is not for a proxy to reach.
    environment = os.environ | {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(  # noqa: S603 - the command is ours, and the ticket's line is our service's
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS_TO_WAIT, check=False
    )
    if done.returncode:
        *_, last = ["it said nothing", *(done.stdout + done.stderr).strip().splitlines()]
        raise UserError(f"curl failed with exit code {done.returncode}: {last}")
    return done.stdout
