"""The command line: what to do, in words; the doing is elsewhere."""

import io
import os
import signal
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from labelwatch.errors import UserError
from labelwatch.package import PROJECT

BUILD = PROJECT / "build"
CACHE = PROJECT / ".labelwatch" / "models"

app = typer.Typer(
    help="Labelwatch tells people when their images contain what they look for. "
    "Start with [bold]labelwatch demo[/bold]: it needs no AWS account.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
local = typer.Typer(help="The embedded cloud: everything on this machine, nothing on AWS.", no_args_is_help=True)
app.add_typer(local, name="local")
tokens = typer.Typer(
    help="Upload tokens: who may ask for upload tickets. Region and credentials as the AWS tools take them.",
    no_args_is_help=True,
)
app.add_typer(tokens, name="tokens")

Images = Annotated[
    Path | None,
    typer.Option(help="A folder with a sub-folder of images for each label; without it, leaves are drawn."),
]

Stack = Annotated[str, typer.Option(help="The CloudFormation stack; labelwatch-STAGE where chalice deploy is used.")]
Client = Annotated[
    str, typer.Argument(help="Whose token it is, such as camera-north; its uploads fall under this name.")
]


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - as typer calls it
    if wanted:
        _console().print(metadata.version("labelwatch"))
        raise typer.Exit


@app.callback()
def _for_all_commands(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    pass


@app.command()
def demo(images: Images = None) -> None:
    """Show the main job: train a stand-in of the model, deploy, upload images, and see what becomes of each.

    Ends with the alerts as .eml files and a pie chart under build/demo, and fails unless every image is accounted for.
    """
    from labelwatch import demo as showing  # noqa: PLC0415 - a command loads what it needs, so that --help is quick

    showing.run(images, BUILD / "demo", CACHE, _console())


@app.command()
def package(
    build: Annotated[Path, typer.Option(help="The folder that takes template.json and deployment.zip.")] = BUILD,
) -> None:
    """Make the two files that CloudFormation deploys: build/template.json and build/deployment.zip."""
    from labelwatch.package import package as make  # noqa: PLC0415 - see above

    made = make(build)
    _console().print(f"{made.template}\n{made.zip}", soft_wrap=True)


@tokens.command()
def create(client: Client, stack: Stack = "labelwatch") -> None:
    """Make an upload token for a client and print it: this once, since only its hash is kept.

    Nothing but the token goes to standard output: TOKEN=$(labelwatch tokens create camera-north)
    """
    from labelwatch import tokens as upload_tokens  # noqa: PLC0415 - see above

    name = upload_tokens.checked(client)
    table = upload_tokens.token_table(stack)
    token = upload_tokens.create(table, name)
    try:
        print(token, flush=True)  # noqa: T201 - plain, for whatever reads it
    except OSError:
        upload_tokens.revoke(table, name)  # nobody has seen it
        raise
    print("Keep it now: it cannot be shown again.", file=sys.stderr)  # noqa: T201


@tokens.command("list")
def list_(stack: Stack = "labelwatch") -> None:
    """Show whose tokens there are, when they were made and last used, and which are revoked. Times are UTC."""
    from labelwatch import tokens as upload_tokens  # noqa: PLC0415 - see above

    _console().print(upload_tokens.shown(upload_tokens.records(upload_tokens.token_table(stack))))


@tokens.command()
def revoke(client: Client, stack: Stack = "labelwatch") -> None:
    """Take a client's token out of force. Its images stay, and a new token of the same name has the same folder."""
    from labelwatch import tokens as upload_tokens  # noqa: PLC0415 - see above

    name = upload_tokens.checked(client)
    upload_tokens.revoke(upload_tokens.token_table(stack), name)
    _console().print(f"{client}'s token is revoked. {upload_tokens.HOW_SOON}")


@local.command()
def up(
    images: Images = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The endpoint's port; without it, a free one.")
    ] = None,
    origin: Annotated[
        str, typer.Option(help="The origin of a web page that may upload, such as http://localhost:3000.")
    ] = "",
) -> None:
    """Start the embedded cloud, deploy into it, and follow the pipeline until Ctrl-C."""
    from labelwatch.local import follow  # noqa: PLC0415 - see above

    follow.run(images, BUILD / "up", CACHE, port, origin, _console())


@local.command()
def evaluate(
    images: Annotated[Path, typer.Argument(help="A folder with a sub-folder of images for each label.")],
    splits: Annotated[int, typer.Option(min=1, help="How many random splits to try.")] = 5,
    each: Annotated[int, typer.Option(min=2, help="How many images of each label to train on.")] = 30,
) -> None:
    """Say how often the model's stand-in is right on images of this folder that it was not trained on."""
    from labelwatch.local import judging  # noqa: PLC0415 - see above

    judging.run(images, splits, each, _console())


def main() -> None:
    """The command; what the user can mend is told in one sentence, with exit code 1."""
    for ending in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal too must stop what was started
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without these letters shows others
    try:
        app()
    except UserError as mistake:
        _end(str(mistake))
    except OSError as problem:
        # Where standard output is what failed, the interpreter must not fail on it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        _end(f"{problem.strerror or problem}: {problem.filename or 'while writing'}")
    except (BotoCoreError, ClientError) as problem:
        _end(f"a call to the cloud failed: {problem}")


def _end(sentence: str) -> NoReturn:
    print(f"labelwatch: {sentence}", file=sys.stderr)  # noqa: T201 - plain, for whatever reads it
    raise SystemExit(1)


def _console() -> Console:
    """What is printed is names of files and labels, which may look like markup and are none."""
    return Console(markup=False, emoji=False, highlight=False)


if __name__ == "__main__":
    main()
