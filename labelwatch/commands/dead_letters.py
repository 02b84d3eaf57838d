"""The commands on dead letters."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from labelwatch.commands.options import Profile, Region, Stack, Yes, console, open_terminal
from labelwatch.shared.errors import UserError

if TYPE_CHECKING:  # a command loads what it needs, so that --help is quick
    from labelwatch.dead_letters.reader import Held

app = typer.Typer(
    help="What was set aside, and why. Region and credentials as the AWS tools take them.",
    no_args_is_help=True,
)

Reason = Annotated[
    str | None, typer.Option(help='Only with this reason; * and ? as in a shell, "not recorded" where there is none.')
]
Key = Annotated[str | None, typer.Option(help="Only of images whose key is this; * and ? as in a shell.")]
Everything = Annotated[bool, typer.Option("--all", help="All that there are.")]


class Form(StrEnum):
    """How dead letters are written."""

    TABLE = "table"
    JSON = "json"


@app.command("list")
def list_(  # noqa: PLR0913 - a command's options, by name
    *,
    reason: Reason = None,
    key: Key = None,
    form: Annotated[Form, typer.Option("--format", help="How they are written.")] = Form.TABLE,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Show what was set aside, and why. Nothing is taken: all are given back at the end.

    While they are looked at, for some seconds, nobody else can receive them. Times are UTC.
    """
    from labelwatch.dead_letters import output, selection

    with _held(stack, profile, region) as held:
        letters = selection.chosen(held.letters, selection.Filter(reason, key))
        told = output.counted(letters, held.letters, held.elsewhere)
    if form == Form.JSON:
        sys.stdout.write(output.as_json(letters))
    elif letters:
        console().print(output.as_table(letters))
    _say(told)


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="IMAGE-OR-ID", help="An image's key, or an id, or its first 8 letters.")
    ],
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Show one whole: what its reason means, what to do, every attribute, the body."""
    from labelwatch.dead_letters import output, selection

    with _held(stack, profile, region) as held:
        letter = selection.the_one(held.letters, name, held.elsewhere)
    console().print(output.whole(letter), soft_wrap=True)


@app.command()
def redrive(  # noqa: PLR0913 - a command's options, by name
    *,
    everything: Everything = False,
    reason: Reason = None,
    key: Key = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be moved.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Move those as well that were rejected for good, such as what is no image.")
    ] = False,
    yes: Yes = False,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Put dead letters back on the queue that they came from, to be tried anew, once what was wrong is mended.

    labelwatch dead-letters redrive --reason ResourceNotReadyException
    """
    from labelwatch.dead_letters import redrive, selection

    asked = selection.wanted(reason, key, everything=everything)
    with _counted(stack, profile, region) as held:
        letters, left_out = selection.parted(selection.chosen(held.letters, asked), force=force)
        terminal = open_terminal(yes=yes, default=False)
        redrive.redrive(held, letters, left_out, terminal, dry=dry_run)


@app.command()
def purge(  # noqa: PLR0913 - a command's options, by name
    *,
    everything: Everything = False,
    reason: Reason = None,
    key: Key = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    yes: Yes = False,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Delete dead letters for good. The images and predictions that they are about stay; labelwatch audit knows of it.

    labelwatch dead-letters purge --reason InvalidImageFormatException
    """
    from labelwatch.dead_letters import purged, redrive, selection
    from labelwatch.shared.account import Account

    asked = selection.wanted(reason, key, everything=everything)
    with _counted(stack, profile, region) as held:
        letters = selection.chosen(held.letters, asked)
        terminal = open_terminal(yes=yes, default=False)
        redrive.purge(held, letters, purged.from_stack(Account(profile, region), stack), terminal, dry=dry_run)


@contextmanager
def _held(stack: str, profile: str | None, region: str | None) -> "Iterator[Held]":
    from labelwatch.dead_letters import dead_letter, reader
    from labelwatch.shared import stacks
    from labelwatch.shared.account import Account

    account = Account(profile, region)
    outputs = stacks.outputs(account.client("cloudformation"), stack, *dead_letter.OUTPUTS)
    with reader.held(account.client("sqs"), dead_letter.boxes(outputs), _say) as held:
        with _aside().status("") as status:
            held.read(lambda count: status.update(f"{count} dead letters"))
        yield held


@contextmanager
def _counted(stack: str, profile: str | None, region: str | None) -> "Iterator[Held]":
    """The same, told of at once: what is not seen is not moved either."""
    from labelwatch.dead_letters import output

    with _held(stack, profile, region) as held:
        told = output.counted(held.letters, held.letters, held.elsewhere)
        if held.elsewhere and not held.letters:
            raise UserError(told)
        _say(told)
        yield held


def _say(sentence: str) -> None:
    _aside().print(sentence, soft_wrap=True)


def _aside() -> Console:
    """Beside what goes to standard output, which may be read by a program."""
    return Console(stderr=True, markup=False, emoji=False, highlight=False)
