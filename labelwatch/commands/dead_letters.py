"""The commands on dead letters."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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

READING = "Reading dead letters…"
app = typer.Typer(
    help="List, redrive or delete dead letters: messages that failed for good.",
    no_args_is_help=True,
)

Reason = Annotated[
    str | None,
    typer.Option(help="Only this reason; * and ? are wildcards (example: Access*)."),
]
Key = Annotated[
    str | None, typer.Option(help="Only images with this key; * and ? are wildcards (example: 'field 7/*').")
]
Everything = Annotated[bool, typer.Option("--all", help="All dead letters.")]


class Form(StrEnum):
    """The form of the output."""

    TABLE = "table"
    JSON = "json"


@app.command("list")
def list_(  # noqa: PLR0913 - a command's options, by name
    *,
    reason: Reason = None,
    key: Key = None,
    form: Annotated[Form, typer.Option("--format", help="Output format.")] = Form.TABLE,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """List the dead letters with the reason of each failure.

    Nothing is changed. For a few seconds, no other consumer can receive the dead letters. Times are UTC.
    """
    from labelwatch.dead_letters import output, selection
    from labelwatch.shared.account import Account

    with _received(Account(profile, region), stack) as reader:
        dead_letters = selection.matching(reader.dead_letters, selection.Filter(reason, key))
        counts = output.count_sentence(dead_letters, reader.dead_letters, reader.hidden_by_others)
    if form == Form.JSON:
        sys.stdout.write(output.as_json(dead_letters))
    elif dead_letters:
        output.print_list(console(), dead_letters)
    _print_error(counts)


@app.command()
def show(
    name: Annotated[
        str,
        typer.Argument(metavar="IMAGE-OR-ID", help="An image's key, or an id or its first 8 characters."),
    ],
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Show a dead letter with its meaning, action, attributes and body."""
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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the selection, and change nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Include permanently rejected dead letters, such as invalid images.")
    ] = False,
    yes: Yes = False,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Send dead letters back to their source queue, with new tries.

    Correct the cause first.

    Example: `labelwatch dead-letters redrive --reason ResourceNotReadyException`
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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the selection, and change nothing.")] = False,
    yes: Yes = False,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Delete dead letters. This cannot be undone.

    Images and predictions are kept, and `labelwatch audit` counts the images as purged.

    Example: `labelwatch dead-letters purge --reason InvalidImageFormatException`
    """
    from labelwatch.dead_letters import purged, redrive, selection
    from labelwatch.shared.account import Account

    filter_ = selection.filter_of(reason, key, everything=everything)
    account = Account(profile, region)
    with _selected(account, stack, filter_, yes=yes) as (reader, dead_letters, terminal):
        redrive.purge(reader, dead_letters, purged.from_stack(account, stack), terminal, dry_run=dry_run)


@contextmanager
def _received(account: "Account", stack: str) -> "Iterator[DeadLetterReader]":
    """The dead letters of the stack, released at the end."""
    from labelwatch import dead_letters
    from labelwatch.shared import stacks

    with ExitStack() as opened:
        with stderr().status(READING) as status:
            outputs = stacks.outputs(account.client("cloudformation"), stack, *dead_letters.OUTPUTS)
            queues = dead_letters.dead_letter_queues(outputs)
            reader = opened.enter_context(dead_letters.receiving(account.client("sqs"), queues, _print_error))
            reader.receive_all(lambda count: status.update(f"{READING} {count:,}"))
        yield reader


@contextmanager
def _selected(
    account: "Account", stack: str, filter_: "Filter", *, yes: bool
) -> "Iterator[tuple[DeadLetterReader, list[DeadLetter], Terminal]]":
    """The dead letters to redrive or delete, and the terminal for the confirmation.

    The counts are printed first: dead letters in flight with another consumer are not included.
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
