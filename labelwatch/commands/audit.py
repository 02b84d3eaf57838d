"""The audit command."""

import sys
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from labelwatch.commands.options import Profile, Region, Stack, stderr
from labelwatch.shared.errors import UserError


class Form(StrEnum):
    """The form of the output."""

    TEXT = "text"
    JSON = "json"


def audit(  # noqa: PLR0913 - a command's options, by name
    *,
    day: Annotated[
        str | None,
        typer.Option(help="Uploads of this day, UTC (example: 2026-11-26). Default without --prefix: today."),
    ] = None,
    prefix: Annotated[str, typer.Option(help="Uploads with this key prefix, of all days or of --day.")] = "",
    form: Annotated[Form, typer.Option("--format", help="Output format.")] = Form.TEXT,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Check that each uploaded image has an outcome and each alert was sent.

    Lists images without a prediction or dead letter, missing alerts, and rows without an upload. Nothing is changed.
    Exit codes: 0 passed, 1 failed, 3 incomplete because messages are in progress.
    """
    from labelwatch.audit import compare, output, read
    from labelwatch.shared.account import Account
    from labelwatch.shared.days import parse_day

    today = datetime.now(UTC).date()
    scope_day = parse_day(day, "--day") if day else None if prefix else today
    if scope_day and scope_day > today:
        raise UserError(f"--day {scope_day} is in the future. Today is {today} (UTC).")
    if prefix.startswith("s3://"):
        raise UserError(f"--prefix {prefix!r} is not a key prefix. Omit the bucket (example: 'field 7/').")
    scope = read.Scope(scope_day, prefix)
    with stderr().status("Reading predictions…") as status:
        reader = read.from_stack(Account(profile, region), stack, warn=partial(status.console.print, soft_wrap=True))
        verdict = compare.compare(reader.read(scope))
    write = output.as_json if form == Form.JSON else output.as_text
    sys.stdout.write(write(scope, verdict))
    if not verdict.is_explained:
        raise typer.Exit(1)
    if not verdict.is_complete:
        raise typer.Exit(3)
