"""The command line: the list of commands, and the message and exit code of each kind of error."""

import io
import os
import signal
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError

from chalicelib.domain.errors import Fault
from chalicelib.domain.text import printable
from labelwatch.commands import (
    alert,
    athena,
    audit,
    backfill,
    dead_letters,
    deploy,
    doctor,
    forget,
    links,
    local,
    model,
    quicksight,
    report,
    subscribers,
    tokens,
    verify,
)
from labelwatch.commands.options import console
from labelwatch.shared.credentials import sign_in
from labelwatch.shared.errors import UserError

app = typer.Typer(
    help="Detect labels in images with Amazon Rekognition, and send alerts.\n\n"
    "Start with **labelwatch demo**: it runs on this machine and needs no AWS account.\n\n"
    "With `chalice deploy --stage prod` the stack is named labelwatch-prod. `labelwatch up` and `down` take "
    "`--stage prod`; all other commands on a stack take `--stack labelwatch-prod`, or read LABELWATCH_STACK.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command()(deploy.up)
app.command()(deploy.down)
app.command()(doctor.doctor)
app.command()(doctor.status)
app.command()(subscribers.subscribe)
app.command()(local.demo)
app.command()(deploy.package)
app.command()(report.report)
app.command()(backfill.backfill)
app.command()(audit.audit)
app.command()(verify.verify)
app.command()(forget.forget)
app.add_typer(subscribers.app, name="subscribers")
app.add_typer(alert.app, name="alert")
app.add_typer(tokens.app, name="tokens")
app.add_typer(links.app, name="links")
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
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Runs the command; an error that the user can correct is one line, with exit code 1 (130 after Ctrl-C)."""
    os.umask(0o077)  # files may have links, pictures or credentials: new files and folders are the user's alone
    for name in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal too must stop the processes of a command
        signal.signal(name, lambda number, _: sys.exit(128 + number))
    if sys.stderr is None:  # closed: print would write to standard output instead
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - open as long as the process
    if sys.stdout is None:
        _end("Standard output is closed. Use >/dev/null to discard the output.")
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
        _end(f"{problem.filename or 'Output'}: {problem.strerror or problem}.")
    except (Fault, BotoCoreError, ClientError) as problem:
        _end(f"AWS request failed: {_reason(problem)}")


def _reason(problem: Exception) -> str:
    """The reason as one sentence, and the next step where it is known."""
    if isinstance(problem, NoCredentialsError):
        return "no credentials found. Run `aws configure` or `aws sso login`, or pass --profile."
    text = str(problem).rstrip(".")
    if isinstance(problem, EndpointConnectionError):
        local = "AWS_ENDPOINT_URL" in os.environ
        check = "Start `make up`, and paste its new `export` line" if local else "Check the network and the Region"
        return f"{text}. {check}."
    code = problem.response["Error"]["Code"] if isinstance(problem, ClientError) else ""
    if code in {"InvalidClientTokenId", "ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException"}:
        return f"{text}. The credentials are invalid or expired. {sign_in()}"
    return f"{text}."


def _end(sentence: str, exit_code: int = 1) -> NoReturn:
    lines = map(printable, sentence.split("\n"))  # a name in it may hold the terminal's control characters
    print("labelwatch:", "\n".join(lines), file=sys.stderr)  # noqa: T201 - plain, for programs that read it
    raise SystemExit(exit_code)


if __name__ == "__main__":
    main()
