"""The commands that show whether a deployment is right, and what it does now."""

import sys
from typing import Annotated

import typer

from labelwatch.commands.audit import Form
from labelwatch.commands.options import Profile, Region, Stack, console, stderr
from labelwatch.commands.subscribers import stack_options

FormOption = Annotated[Form, typer.Option("--format", help="Output format.")]


def doctor(
    *, form: FormOption = Form.TEXT, stack: Stack = "labelwatch", profile: Profile = None, region: Region = None
) -> None:
    """Check an account and a deployment, and change nothing.

    Each check passes, warns or fails, and says what to do. A check that needs a right you lack names the right, and the
    other checks go on. Without a stack, only the account and Region are checked. Exit code 1 if a check fails.
    """
    from labelwatch.doctor import as_text, examine
    from labelwatch.shared.account import Account
    from labelwatch.shared.findings import Result, as_json

    account = Account(profile, region)
    with stderr().status("Checking the account…") as status:
        findings = examine(
            account,
            stack,
            stack_options(stack, profile, region),
            lambda name: status.update(f"Checked: {name}"),
        )
    if form == Form.JSON:
        sys.stdout.write(as_json(findings, stack=stack, region=account.region))
    else:
        sys.stdout.write(as_text(findings, console().width))
    if any(finding.result == Result.FAIL for finding in findings):
        raise typer.Exit(1)


def status(
    *, form: FormOption = Form.TEXT, stack: Stack = "labelwatch", profile: Profile = None, region: Region = None
) -> None:
    """Show the model, queues, dead letters, subscribers, and the images and alerts of today (UTC)."""
    from labelwatch.doctor import read_status
    from labelwatch.shared.account import Account

    with stderr().status("Reading the status…"):
        found = read_status(Account(profile, region), stack)
    sys.stdout.write(found.as_json() if form == Form.JSON else found.as_text())
