"""The commands on dead letters."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from labelwatch.commands.options import Profile, Region, Stack, Yes, console, open_terminal, stderr
from labelwatch.shared.errors import UserError

if TYPE_CHECKING:  # a command imports what it needs, so that --help is quick
    from labelwatch.dead_letters.dead_letter import DeadLetter
    from labelwatch.dead_letters.reader import DeadLetterReader
    from labelwatch.dead_letters.selection import Filter
    from labelwatch.shared.account import Account
    from labelwatch.shared.console import Terminal

app = typer.Typer(
    help="Messages that failed for good, and why. Region and credentials as the AWS tools take them.",
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
    """Show the dead letters, and why each failed. Nothing is taken: all are given back at the end.

    While they are looked at, for some seconds, nobody else can receive them. Times are UTC.
    """
    from labelwatch.dead_letters import output, selection
    from labelwatch.shared.account import Account

    with _received(Account(profile, region), stack) as reader:
        dead_letters = selection.matching(reader.dead_letters, selection.Filter(reason, key))
        counts = output.count_sentence(dead_letters, reader.dead_letters, reader.hidden_by_others)
    if form == Form.JSON:
        sys.stdout.write(output.as_json(dead_letters))
    elif dead_letters:
        console().print(output.table(dead_letters))
    _print_error(counts)


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
    from labelwatch.shared.account import Account

    with _received(Account(profile, region), stack) as reader:
        dead_letter = selection.find(reader.dead_letters, name, reader.hidden_by_others)
    console().print(output.details(dead_letter), soft_wrap=True)


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
    from labelwatch.shared.account import Account

    filter_ = selection.filter_of(reason, key, everything=everything)
    with _selected(Account(profile, region), stack, filter_, yes=yes) as (reader, dead_letters, terminal):
        redrivable, rejected = selection.split_rejected(dead_letters, force=force)
        redrive.redrive(reader, redrivable, rejected, terminal, dry_run=dry_run)


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

    filter_ = selection.filter_of(reason, key, everything=everything)
    account = Account(profile, region)
    with _selected(account, stack, filter_, yes=yes) as (reader, dead_letters, terminal):
        redrive.purge(reader, dead_letters, purged.from_stack(account, stack), terminal, dry_run=dry_run)


@contextmanager
def _received(account: "Account", stack: str) -> "Iterator[DeadLetterReader]":
    """The dead letters of the stack, which are released at the end."""
    from labelwatch import dead_letters
    from labelwatch.shared import stacks

    outputs = stacks.outputs(account.client("cloudformation"), stack, *dead_letters.OUTPUTS)
    queues = dead_letters.dead_letter_queues(outputs)
    with dead_letters.receiving(account.client("sqs"), queues, _print_error) as reader:
        with stderr().status("") as status:
            reader.receive_all(lambda count: status.update(f"{count} dead letters"))
        yield reader


@contextmanager
def _selected(
    account: "Account", stack: str, filter_: "Filter", *, yes: bool
) -> "Iterator[tuple[DeadLetterReader, list[DeadLetter], Terminal]]":
    """The dead letters to move or to delete, and the terminal that asks for a confirmation.

    The counts are printed first: a dead letter that another consumer hides is not moved either.
    """
    from labelwatch.dead_letters import output, selection

    with _received(account, stack) as reader:
        counts = output.count_sentence(reader.dead_letters, reader.dead_letters, reader.hidden_by_others)
        if reader.hidden_by_others and not reader.dead_letters:
            raise UserError(counts)
        _print_error(counts)
        dead_letters = selection.matching(reader.dead_letters, filter_)
        yield reader, dead_letters, open_terminal(yes=yes, default=False)


def _print_error(sentence: str) -> None:
    stderr().print(sentence, soft_wrap=True)
