"""The command line: the list of commands, and the message and exit code of each kind of error."""

import io
import os
import signal
import sys
from importlib import metadata
from typing import Annotated, NoReturn

import typer
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError

from chalicelib.domain.errors import Fault
from labelwatch.commands import (
    athena,
    audit,
    backfill,
    dead_letters,
    deploy,
    local,
    model,
    quicksight,
    report,
    subscribers,
    tokens,
)
from labelwatch.commands.options import console
from labelwatch.shared.errors import UserError

app = typer.Typer(
    help="Labelwatch tells people when their images contain what they look for. "
    "Start with **labelwatch demo**: it needs no AWS account.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command()(deploy.up)
app.command()(deploy.down)
app.command()(subscribers.subscribe)
app.command()(local.demo)
app.command()(deploy.package)
app.command()(report.report)
app.command()(backfill.backfill)
app.command()(audit.audit)
app.add_typer(subscribers.app, name="subscribers")
app.add_typer(tokens.app, name="tokens")
app.add_typer(model.app, name="model")
app.add_typer(athena.app, name="athena")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(quicksight.app, name="quicksight")
app.add_typer(local.app, name="local")


def _print_version(is_set: bool) -> None:  # noqa: FBT001 - as typer calls it
    if is_set:
        console().print(metadata.version("labelwatch"))
        raise typer.Exit


@app.callback()
def _for_all_commands(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Runs the command; an error that the user can mend is one sentence, with exit code 1 (130 after Ctrl-C)."""
    for name in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal too must stop the processes of a command
        signal.signal(name, lambda number, _: sys.exit(128 + number))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # for a terminal that lacks some characters
    try:
        app()
    except UserError as mistake:
        _end(str(mistake), mistake.exit_code)
    except OSError as problem:
        # Where writing to standard output failed, the interpreter must not fail on it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        _end(f"{problem.strerror or problem}: {problem.filename or 'while writing'}")
    except (Fault, BotoCoreError, ClientError) as problem:
        _end(f"a call to AWS failed: {problem}{_advice(problem)}")


def _advice(problem: Exception) -> str:
    """The next thing to do, where it is known."""
    if isinstance(problem, NoCredentialsError):
        return "; `aws configure`, `aws sso login`, or --profile"
    if isinstance(problem, EndpointConnectionError) and "AWS_ENDPOINT_URL" in os.environ:
        return "; AWS_ENDPOINT_URL is set: does `make up` run?"
    code = problem.response["Error"]["Code"] if isinstance(problem, ClientError) else ""
    if code in {"InvalidClientTokenId", "ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException"}:
        return "; these credentials are no longer good: `aws sso login`, or others with --profile"
    return ""


def _end(sentence: str, exit_code: int = 1) -> NoReturn:
    print(f"labelwatch: {sentence}", file=sys.stderr)  # noqa: T201 - plain, for programs that read it
    raise SystemExit(exit_code)


if __name__ == "__main__":
    main()
