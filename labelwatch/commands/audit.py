"""The command that accounts for every uploaded image and every expected alert."""

import sys
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Annotated

import typer
from rich.console import Console

from labelwatch.commands.options import Profile, Region, Stack
from labelwatch.shared.errors import UserError


class Form(StrEnum):
    """How the verdict is written."""

    TEXT = "text"
    JSON = "json"


def audit(  # noqa: PLR0913 - a command's options, by name
    *,
    day: Annotated[
        str | None,
        typer.Option(help="Uploads of this day, UTC, such as 2026-11-26; today where no prefix is given."),
    ] = None,
    prefix: Annotated[str, typer.Option(help="Uploads whose keys begin so, of all days unless --day is given.")] = "",
    form: Annotated[Form, typer.Option("--format", help="How the verdict is written.")] = Form.TEXT,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Hold each uploaded image against its prediction or dead letter, and each prediction against its alert.

    Lists each image that is unaccounted for, each prediction whose alert is missing, and rows of nothing uploaded. Exit
    code 1 where it does not add up, 3 where what is left over may be in progress still. Nothing is changed: dead
    letters are read and given back.
    """
    from labelwatch.audit import compare, output, read
    from labelwatch.shared.account import Account
    from labelwatch.shared.days import parse_day

    today = datetime.now(UTC).date()
    scope_day = parse_day(day, "--day") if day else None if prefix else today
    if scope_day and scope_day > today:
        raise UserError(f"--day {scope_day} has not come yet: it is {today} (UTC).")
    if prefix.startswith("s3://"):
        raise UserError(f"--prefix {prefix!r} must be the beginning of keys, such as 'field 7/', without the bucket.")
    scope = read.Scope(scope_day, prefix)
    stderr = Console(stderr=True, markup=False, emoji=False, highlight=False)
    reader = read.from_stack(Account(profile, region), stack, warn=partial(stderr.print, soft_wrap=True))
    with stderr.status("reading ..."):
        verdict = compare.compare(reader.read(scope))
    write = output.as_json if form == Form.JSON else output.as_text
    sys.stdout.write(write(scope, verdict))
    if not verdict.is_explained:
        raise typer.Exit(1)
    if not verdict.is_complete:
        raise typer.Exit(3)
