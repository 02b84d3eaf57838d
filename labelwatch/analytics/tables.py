"""The tables over the rows, created by the DDL of athena/."""

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, Self

import sqlglot
from botocore.exceptions import ClientError
from sqlglot import exp

from labelwatch.analytics.athena import Athena
from labelwatch.analytics.queries import FOLDER, TABLE
from labelwatch.shared import stacks
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError

PLAIN_TABLE = "rekognition_customlabels_plain"
TABLES = (TABLE, PLAIN_TABLE)
BUCKET_IN_DDL = "OUTPUT_BUCKET"

type Change = Literal["created", "replaced", "unchanged"]


class Shape(NamedTuple):
    """The properties that are compared: columns and types, partitions, location, projection, SerDe."""

    columns: list[tuple[str, str]]
    partitions: list[tuple[str, str]]
    location: str
    projection: dict[str, str]
    serde: str


class Tables:
    """The tables of one database over one output bucket. A dropped table loses no data: the rows are objects in S3."""

    def __init__(self, athena: Athena, glue: Any, database: str, bucket: str) -> None:  # noqa: ANN401 - of any endpoint
        self._athena = athena
        self._glue = glue
        self._database = database
        self._bucket = bucket

    @classmethod
    def from_stack(cls, account: Account, name: str) -> Self:
        """The tables of the stack; raises UserError where the stack does not exist."""
        outputs = stacks.outputs(account.client("cloudformation"), name, "DatabaseName", "OutputBucket")
        athena = Athena.from_stack(account, name)
        return cls(athena, account.client("glue"), outputs["DatabaseName"], outputs["OutputBucket"])

    def create(self, name: str) -> Change:
        """Creates a missing table with its DDL, or replaces a table of another shape."""
        exists, equals = self.state(name)
        if equals:
            return "unchanged"
        if exists:
            self.drop(name)
        self._athena.query(self._ddl(name))
        return "replaced" if exists else "created"

    def state(self, name: str) -> tuple[bool, bool]:
        """Whether the table exists, and whether it equals its DDL."""
        shape = self._shape(name)
        return shape is not None, shape == shape_of(self._ddl(name))

    def _ddl(self, name: str) -> str:
        return (FOLDER / f"{name}.sql").read_text().replace(BUCKET_IN_DDL, self._bucket)

    def drop(self, name: str) -> bool:
        """Drops the table; False where it did not exist."""
        existed = self._shape(name) is not None
        self._athena.query(f"DROP TABLE IF EXISTS {name}")
        return existed

    def _shape(self, name: str) -> Shape | None:
        try:
            table = self._glue.get_table(DatabaseName=self._database, Name=name)["Table"]
        except ClientError as problem:
            if problem.response["Error"]["Code"] != "EntityNotFoundException":
                raise
            return None
        if table.get("TableType") != "EXTERNAL_TABLE" or table.get("Parameters", {}).get("table_type"):
            # A view, or a table whose data is deleted with the table.
            raise UserError(
                f"{self._database}.{name} was not created by `labelwatch athena up` and is unchanged. Drop or rename "
                "the table or view, then run the command again."
            )
        storage = table["StorageDescriptor"]
        return Shape(
            _columns_of(storage["Columns"]),
            _columns_of(table.get("PartitionKeys", [])),
            storage["Location"].rstrip("/"),
            {key: value for key, value in table.get("Parameters", {}).items() if _is_projection(key)},
            storage.get("SerdeInfo", {}).get("SerializationLibrary", ""),
        )


def shape_of(ddl: str) -> Shape:
    """The shape of the DDL's table."""
    create = sqlglot.parse_one(ddl, dialect="athena")
    clauses = create.args["properties"].expressions
    (location,) = _contents(clauses, exp.LocationProperty)
    (serde,) = _contents(clauses, exp.RowFormatSerdeProperty)
    partitions = _contents(clauses, exp.PartitionedByProperty)
    properties = {clause.name: clause.args["value"].name for clause in clauses if type(clause) is exp.Property}
    return Shape(
        _columns_in(create.this.expressions),
        [column for schema in partitions for column in _columns_in(schema.expressions)],
        location.name.rstrip("/"),
        {key: value for key, value in properties.items() if _is_projection(key)},
        serde.name,
    )


def _contents(clauses: Iterable[exp.Expression], clause_type: type[exp.Expression]) -> list[exp.Expression]:
    return [clause.this for clause in clauses if isinstance(clause, clause_type)]


def _columns_of(columns: Iterable[dict[str, str]]) -> list[tuple[str, str]]:
    """Names and types in Glue."""
    return [(column["Name"].lower(), _plain(column["Type"])) for column in columns]


def _columns_in(columns: Iterable[exp.Expression]) -> list[tuple[str, str]]:
    """Names and types in the DDL."""
    return [(column.name.lower(), _plain(column.args["kind"].sql(dialect="hive"))) for column in columns]


def _plain(type_name: str) -> str:
    """A type in lower case without blanks and quotation marks, in which Glue and the library may differ."""
    return type_name.lower().replace(" ", "").replace("`", "")


def _is_projection(key: str) -> bool:
    return key.startswith(("projection.", "storage.location."))
