"""The command that proves that a deployment works."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from labelwatch.commands.options import Profile, Region, Stack, Yes, console, open_terminal, stderr


class Form(StrEnum):
    """The form of the output."""

    TEXT = "text"
    JSON = "json"


def verify(  # noqa: PLR0913 - a command's options, by name
    *,
    image: Annotated[
        Path | None, typer.Option(help="JPEG or PNG image to upload. Default: a drawing of a leaf.")
    ] = None,
    expect: Annotated[str | None, typer.Option(help="Label that the model must detect in the image.")] = None,
    wait_seconds: Annotated[float, typer.Option(help="Seconds to wait for the rows, and as long for the alert.")] = 120,
    api_url: Annotated[str | None, typer.Option(help="URL of the REST API. Default: that of the stack.")] = None,
    form: Annotated[Form, typer.Option("--format", help="Output format.")] = Form.TEXT,
    yes: Yes = False,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Prove that a deployment works: from an upload to its alert.

    Each check is a line: pass, warn or fail. The command uploads an image through the API with a temporary token, and
    follows the image to its rows, alert, link and picture. It also checks what the API and S3 must refuse, for which
    it sends 15 MB. Subscribers get one alert, whose source is labelwatch-verify-test. Afterwards the command deletes
    all that it created. It takes 1 to 3 minutes, and starts no model. Exit code 1 on a fail.

    A Custom Labels model detects nothing in the drawing. Pass --image with a picture of a label of interest to verify
    the whole way. Without it, or while the model is stopped, a test prediction takes the way behind the model.

    Example: `labelwatch verify --image leaf.jpg --expect leaf-smut`
    """
    from chalicelib import __version__
    from labelwatch import verify as verification
    from labelwatch.shared.account import Account
    from labelwatch.shared.errors import UserError
    from labelwatch.shared.findings import Finding, Result, as_json, as_line

    if form == Form.JSON and not yes:
        raise UserError("--format json cannot show the prompt. Use --yes to skip the prompt.")
    picture = verification.read_picture(image)
    terminal = open_terminal(yes=yes, default=False)
    deployment = verification.from_stack(Account(profile, region), stack, api_url)
    question = f"Subscribers of alerts get one test alert, from the source {verification.CLIENT}.\nVerify {stack}?"
    terminal.confirm(question)

    def report(finding: Finding) -> None:
        (stderr() if form == Form.JSON else console()).print(as_line(finding), soft_wrap=True)

    run = verification.Run(deployment, picture, expect, wait_seconds)
    try:
        findings = verification.verify(run, verification.CHECKS, report)
    except KeyboardInterrupt:
        stderr().print("Stopped.")
        raise typer.Exit(130) from None
    if form == Form.JSON:
        sys.stdout.write(as_json(findings, version=__version__, **deployment.context))
    if any(finding.result is Result.FAIL for finding in findings):
        raise typer.Exit(1)
