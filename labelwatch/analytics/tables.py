"""The tables over the rows, made by the DDL of athena/."""

from typing import Any, Literal, NamedTuple

import sqlglot
from botocore.exceptions import ClientError
from sqlglot import exp

from labelwatch.analytics import athena
from labelwatch.analytics.athena import Athena
from labelwatch.analytics.queries import FOLDER, TABLE
from labelwatch.shared import stacks
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError

PLAIN = "rekognition_customlabels_plain"
ALL = (TABLE, PLAIN)
BUCKET_IN_DDL = "OUTPUT_BUCKET"

type Disposition = Literal["made", "made again, since it was another", "as it should be"]


class Shape(NamedTuple):
    """What makes two tables the same: columns and types, partitions, place, how days are found, how rows are read."""

    columns: list[tuple[str, str]]
    partitions: list[tuple[str, str]]
    location: str
    projection: dict[str, str]
    serde: str


class Tables:
    """The tables of one database over one output bucket. They hold nothing: the rows stay when they go."""

    def __init__(self, asked: Athena, glue: Any, database: str, bucket: str) -> None:  # noqa: ANN401 - of any endpoint
        self._athena = asked
        self._glue = glue
        self._database = database
        self._bucket = bucket

    def make(self, name: str) -> Disposition:
        """Makes the table by its DDL where it is not there yet, or there is another."""
        ddl = (FOLDER / f"{name}.sql").read_text().replace(BUCKET_IN_DDL, self._bucket)
        there = self._shape(name)
        if there == shape_of(ddl):
            return "as it should be"
        if there:
            self.drop(name)
        self._athena.ask(ddl)
        return "made again, since it was another" if there else "made"

    def drop(self, name: str) -> bool:
        """Takes the table away; says whether it was there."""
        there = self._shape(name) is not None
        self._athena.ask(f"DROP TABLE IF EXISTS {name}")
        return there

    def _shape(self, name: str) -> Shape | None:
        try:
            table = self._glue.get_table(DatabaseName=self._database, Name=name)["Table"]
        except ClientError as problem:
            if problem.response["Error"]["Code"] != "EntityNotFoundException":
                raise
            return None
        if table.get("TableType") != "EXTERNAL_TABLE" or table.get("Parameters", {}).get("table_type"):
            # A view, or a table of a kind that would take its data along.
            raise UserError(
                f"{self._database}.{name} is no table that `labelwatch athena up` made, and is left as it is; drop or "
                "rename it yourself."
            )
        storage = table["StorageDescriptor"]
        return Shape(
            [(one["Name"].lower(), _plain(one["Type"])) for one in storage["Columns"]],
            [(one["Name"].lower(), _plain(one["Type"])) for one in table.get("PartitionKeys", [])],
            storage["Location"].rstrip("/"),
            {key: value for key, value in table.get("Parameters", {}).items() if _is_projection(key)},
            storage.get("SerdeInfo", {}).get("SerializationLibrary", ""),
        )


def from_stack(account: Account, name: str) -> Tables:
    """Those of the stack; raises UserError where there is no such stack."""
    outputs = stacks.outputs(account.client("cloudformation"), name, "DatabaseName", "OutputBucket")
    return Tables(
        athena.from_stack(account, name), account.client("glue"), outputs["DatabaseName"], outputs["OutputBucket"]
    )


def shape_of(ddl: str) -> Shape:
    """What the DDL makes."""
    create = sqlglot.parse_one(ddl, dialect="athena")
    properties = create.args["properties"].expressions
    columns = [(one.name.lower(), _type(one)) for one in create.this.expressions]
    partitions = [
        (one.name.lower(), _type(one))
        for held in properties
        if isinstance(held, exp.PartitionedByProperty)
        for one in held.this.expressions
    ]
    (location,) = [one.this.name for one in properties if isinstance(one, exp.LocationProperty)]
    told = {one.name: one.args["value"].name for one in properties if type(one) is exp.Property}
    projection = {key: value for key, value in told.items() if _is_projection(key)}
    (serde,) = [one.this.name for one in properties if isinstance(one, exp.RowFormatSerdeProperty)]
    return Shape(columns, partitions, location.rstrip("/"), projection, serde)


def _type(column: exp.Expression) -> str:
    return _plain(column.args["kind"].sql(dialect="hive"))


def _plain(kind: str) -> str:
    """A type in small letters, without blanks and quotation marks, in which Glue and the library may differ."""
    return kind.lower().replace(" ", "").replace("`", "")


def _is_projection(key: str) -> bool:
    return key.startswith(("projection.", "storage.location."))
