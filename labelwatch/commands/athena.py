"""The commands on tables and queries."""

import sys
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from labelwatch.commands.options import Profile, Region, Stack, console

app = typer.Typer(
    help="Tables over the predictions, and ready queries on them. Region and credentials as the AWS tools take them.",
    no_args_is_help=True,
)

From = Annotated[str | None, typer.Option("--from", help="The first day of upload, UTC, such as 2026-11-01.")]
To = Annotated[str | None, typer.Option("--to", help="The last day of upload, UTC.")]
Label = Annotated[list[str] | None, typer.Option(help="Only this label; may be given several times.")]


class Form(StrEnum):
    """How a result is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@app.command()
def up(stack: Stack = "labelwatch", profile: Profile = None, region: Region = None) -> None:
    """Make the tables in the stack's database; once more, and they stay as they are.

    rekognition_customlabels_analytics has all columns and reads only the days that are asked for;
    rekognition_customlabels_plain has image, label and confidence.
    """
    from labelwatch.analytics import TABLES, Tables
    from labelwatch.shared.account import Account

    tables = Tables.from_stack(Account(profile, region), stack)
    for name in TABLES:
        console().print(f"{name}: {tables.create(name)}", soft_wrap=True)


@app.command()
def down(stack: Stack = "labelwatch", profile: Profile = None, region: Region = None) -> None:
    """Take the tables away. They hold nothing: the predictions stay in the output bucket."""
    from labelwatch.analytics import TABLES, Tables
    from labelwatch.shared.account import Account

    tables = Tables.from_stack(Account(profile, region), stack)
    for name in TABLES:
        console().print(f"{name}: {'deleted' if tables.drop(name) else 'did not exist'}", soft_wrap=True)


@app.command()
def query(  # noqa: PLR0913 - a command's options, by name
    name: Annotated[
        str | None, typer.Argument(help="Which; without it, they are listed with what they answer.")
    ] = None,
    *,
    first: From = None,
    last: To = None,
    label: Label = None,
    form: Annotated[Form, typer.Option("--format", help="How the result is written.")] = Form.TABLE,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Ask one of the ready queries of athena/, over all days or some of them. The answer goes to standard output.

    labelwatch athena query labels_by_count --from 2026-11-01 --format csv > labels.csv
    """
    from labelwatch.analytics import Athena, output, queries
    from labelwatch.shared.account import Account

    if name is None:
        console().print(output.list_of(queries.load_queries()))
        return
    sql = queries.narrow_query(queries.load_query(name), queries.parse_narrowing(first, last, label or []))
    athena = Athena.from_stack(Account(profile, region), stack)
    stderr = Console(stderr=True, markup=False, emoji=False, highlight=False)
    with stderr.status("QUEUED") as status:
        result = athena.query(sql, status.update)
    if form == Form.TABLE:
        console().print(output.as_table(result))
    else:
        sys.stdout.write(output.as_csv(result) if form == Form.CSV else output.as_json(result))
    stderr.print(output.price(result.scanned_bytes), soft_wrap=True)
