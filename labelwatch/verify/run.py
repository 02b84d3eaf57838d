"""A verification: the checks in their order, and the removal of all that they created."""

import time
from collections.abc import Callable, Mapping

import requests
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import Fault
from labelwatch.shared.errors import UserError
from labelwatch.shared.findings import Finding, Result
from labelwatch.shared.interrupts import uninterrupted
from labelwatch.verify.outcome import CheckEndedError, WarningError
from labelwatch.verify.removal import remove
from labelwatch.verify.state import Run

# Returns what was found; None where there is nothing to check. Raises FailedError or WarningError.
type Check = Callable[[Run], str | None]
type Checks = Mapping[str, Check]


def verify(run: Run, checks: Checks, report: Callable[[Finding], None]) -> list[Finding]:
    """Runs the checks in their order, and removes what they created, also after Ctrl-C; `report` gets each finding."""
    findings: list[Finding] = []

    def add(finding: Finding | None) -> None:
        if finding:
            findings.append(finding)
            report(finding)

    try:
        with uninterrupted():  # whoever has the token may remove what is under its client's name
            run.token = run.deployment.create_token()
        for name, check in checks.items():
            add(_finding(name, check, run))
    finally:
        if run.token:
            add(_finding("Removal", remove, run))
    return findings


def _finding(name: str, check: Check, run: Run) -> Finding | None:
    started = time.monotonic()
    result, action = Result.PASS, ""
    found: str | None
    try:
        found = check(run)
    except (CheckEndedError, UserError, requests.RequestException, Fault, ClientError, BotoCoreError) as problem:
        result = Result.WARN if isinstance(problem, WarningError) else Result.FAIL
        found, action = _words(problem)
    if found is None:
        return None
    return Finding(check=name, result=result, found=found, action=action, seconds=round(time.monotonic() - started, 3))


def _words(problem: Exception) -> tuple[str, str]:
    """What was found, and what to do."""
    text = str(problem)
    if isinstance(problem, CheckEndedError):
        return text, problem.action
    if isinstance(problem, UserError):
        return text, ""
    if isinstance(problem, requests.RequestException):  # not its text: a link in it opens a picture
        return f"No answer: {type(problem).__name__}.", "Check the network, and the address of the API (--api-url)."
    denied = any(code in text for code in ("AccessDenied", "AuthorizationError"))
    return (
        f"AWS request failed: {text.rstrip('.')}.",
        "Ask for the permission, then run the command again." if denied else "Run the command again in a few minutes.",
    )
