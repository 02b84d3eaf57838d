"""The commands on tables and queries."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from labelwatch.commands.options import Profile, Region, Stack, console, stderr
from labelwatch.shared.errors import UserError
from labelwatch.shared.project import PROJECT

app = typer.Typer(
    help="Create the Athena tables, and run ready queries on the predictions.",
    no_args_is_help=True,
)

From = Annotated[str | None, typer.Option("--from", help="The first day of upload, UTC (example: 2026-11-01).")]
To = Annotated[str | None, typer.Option("--to", help="The last day of upload, UTC.")]
Label = Annotated[list[str] | None, typer.Option(help="Only this label. Repeat for more labels.")]
Source = Annotated[list[str] | None, typer.Option(help="Only this source (example: field-3). Repeat for more.")]


class Form(StrEnum):
    """The form of the output."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def query_names(incomplete: str) -> list[str]:
    """The names that begin so, for the shell's completion: from the files, since SQL libraries are slow to import."""
    files = sorted((PROJECT / "athena").glob("*.sql"))
    return [file.stem for file in files if file.stem.startswith(incomplete) and "Takes --from" in file.read_text()]


@app.command()
def up(stack: Stack = "labelwatch", profile: Profile = None, region: Region = None) -> None:
    """Create the tables in the stack's Glue database.

    rekognition_customlabels_analytics has all columns and reads only the selected days. rekognition_customlabels_plain
    has image, label and confidence.
    """
    from labelwatch.analytics import TABLES, Tables
    from labelwatch.shared.account import Account

    tables = Tables.from_stack(Account(profile, region), stack)
    for name in TABLES:
        with stderr().status(f"Creating table {name}…"):
            change = tables.create(name)
        console().print(f"{name}: {change}", soft_wrap=True)


@app.command()
def down(stack: Stack = "labelwatch", profile: Profile = None, region: Region = None) -> None:
    """Delete the tables. The predictions in the output bucket are kept."""
    from labelwatch.analytics import TABLES, Tables
    from labelwatch.shared.account import Account

    tables = Tables.from_stack(Account(profile, region), stack)
    for name in TABLES:
        with stderr().status(f"Deleting table {name}…"):
            existed = tables.drop(name)
        console().print(f"{name}: {'deleted' if existed else 'not found'}", soft_wrap=True)


@app.command()
def query(  # noqa: PLR0913 - a command's options, by name
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="QUERY", autocompletion=query_names, help="The query. Without a name: list all queries."
        ),
    ] = None,
    *,
    first: From = None,
    last: To = None,
    label: Label = None,
    source: Source = None,
    form: Annotated[Form, typer.Option("--format", help="Output format.")] = Form.TABLE,
    raw: Annotated[
        bool, typer.Option("--raw", help="Write csv for programs: without an apostrophe before formulas.")
    ] = False,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Run a ready query of athena/, or list all queries.

    The table has rounded numbers; csv and json are exact. In csv, a text that a spreadsheet would take for a formula
    gets an apostrophe before the formula.

    Example: `labelwatch athena query labels_by_day --format csv > labels.csv`
    """
    from labelwatch.analytics import Athena, output, queries
    from labelwatch.shared import interest, stacks
    from labelwatch.shared.account import Account

    if name is None:
        output.print_queries(console(), queries.load_queries())
        return
    if raw and form != Form.CSV:
        raise UserError("--raw changes csv only. Pass --format csv, or omit --raw.")
    narrowing = queries.parse_narrowing(first, last, label or [], source or [])
    sql = queries.narrow_query(queries.load_query(name), narrowing)
    account = Account(profile, region)
    with stderr().status("Running query…"):
        athena = Athena.from_stack(account, stack)
        result = athena.query(sql)
        empty, scanned = (None, []) if result.rows else output.explain_empty(athena, narrowing)
    if form == Form.CSV:
        sys.stdout.write(output.as_csv(result, raw=raw))
    elif form == Form.JSON:
        sys.stdout.write(output.as_json(result))
    elif result.rows:
        parameters = stacks.outputs(account.client("cloudformation"), stack, *interest.PARAMETERS)
        output.print_result(console(), result, interest.rules_of(parameters))
    for line in (empty, output.price(result.scanned_bytes, *scanned)):
        if line:
            stderr().print(line, soft_wrap=True)
