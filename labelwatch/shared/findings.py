"""Findings of commands that check a deployment: a line each for people, an object each for programs."""

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from chalicelib.domain.text import printable
from labelwatch.shared import formats


class Result(StrEnum):
    """The result of a check; `warn` is for what could not be checked, or is only worth a look."""

    PASS = "pass"  # noqa: S105 - no password
    WARN = "warn"
    FAIL = "fail"


class Finding(Struct, frozen=True, kw_only=True):
    """What a check found, the next step where there is one, and how long it took."""

    check: str
    result: Result
    found: str
    action: str = ""
    seconds: float | None = None


def as_line(finding: Finding) -> str:
    """One line for the terminal."""
    took = "" if finding.seconds is None else f" ({finding.seconds:.1f} s)"
    return printable(
        f"{finding.result}  {finding.check}: {finding.found}{took}{finding.action and f' {finding.action}'}"
    )


def as_json(findings: Iterable[Finding], **context: str) -> str:
    """An object with the context and the findings."""
    return formats.as_json({**context, "findings": list(findings)})
