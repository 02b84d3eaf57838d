"""Our own rule: the partition projection of a DDL is whole, and about its partition columns; a part of `make lint`.

Athena accepts any properties; a mistake in them shows in the queries, as an error or as no rows.
It runs in .venv:
    .venv/bin/python -m checks.projection athena/*.sql
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sqlglot import exp, parse_one

from checks.ddl import is_ddl

TEMPLATE = "storage.location.template"
PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
# https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
NEEDED = {"date": ("format", "range"), "enum": ("values",), "injected": (), "integer": ("range",)}


class Table(NamedTuple):
    """The parts of a table's DDL that define its partitions."""

    columns: set[str]
    location: str
    properties: dict[str, str]

    def projected(self) -> dict[str, dict[str, str]]:
        """The settings of the projection, by column."""
        columns: dict[str, dict[str, str]] = {}
        for name, value in self.properties.items():
            match name.split(".", 2):
                case ["projection", column, setting]:
                    columns.setdefault(column, {})[setting] = value
        return columns


def read(ddl: str) -> Table:
    """The table that the DDL makes; raises ValueError where sqlglot cannot read it."""
    tree = parse_one(ddl, dialect="athena").find(exp.Create)
    if tree is None:
        raise ValueError(f"sqlglot cannot read this DDL. Remove unusual clauses one by one to find the cause: {ddl}")
    partitions, location = tree.find(exp.PartitionedByProperty), tree.find(exp.LocationProperty)
    return Table(
        columns={column.name for column in partitions.this.expressions} if partitions else set(),
        location=location.name if location else "",
        # Its own alone: those of the SerDe are nested, and its clauses are of derived types.
        properties={
            expression.name: expression.args["value"].name
            for expression in tree.args["properties"].expressions
            if type(expression) is exp.Property
        },
    )


def problems(table: Table) -> Iterator[str]:
    """What is wrong with the table's projection; nothing of a table without partitions that projects none."""
    if table.columns and table.properties.get("projection.enabled") != "true":
        yield "projection.enabled is not 'true'"
    projected = table.projected()
    for column in sorted(projected.keys() - table.columns):
        yield f"projection.{column}.* is set, but {column} is not a partition column"
    for column in sorted(table.columns):
        settings = projected.get(column, {})
        kind = settings.get("type", "")
        if kind not in NEEDED:
            yield f"projection.{column}.type must be one of {', '.join(NEEDED)}"
        for missing in [name for name in NEEDED.get(kind, ()) if name not in settings]:
            yield f"projection.{column}.{missing} is missing; type {kind} requires it"
    if TEMPLATE in table.properties:
        yield from _problems_of_template(table, table.properties[TEMPLATE])


def main(*names: str) -> int:
    """Prints what is wrong with the DDL among the files; 1 where there is anything."""
    ddl = {name: text for name in names if is_ddl(text := Path(name).read_text())}
    wrong = [f"{name}: {problem}." for name, text in ddl.items() for problem in problems(read(text))]
    sys.stdout.write("\n".join(wrong or [f"Partition projection: {len(ddl)} DDL files checked, all complete."]) + "\n")
    return bool(wrong)


def _problems_of_template(table: Table, template: str) -> Iterator[str]:
    named = set(PLACEHOLDER.findall(template))
    for column in sorted(named - table.columns):
        yield f"{TEMPLATE} names ${{{column}}}, which is not a partition column"
    for column in sorted(table.columns - named):
        yield f"{TEMPLATE} does not name ${{{column}}}"
    if not template.startswith(f"{table.location.rstrip('/')}/"):
        yield f"{TEMPLATE} is not under LOCATION '{table.location}'"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
