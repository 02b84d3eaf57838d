"""Queries run by Athena."""

import re
import time
from typing import Any, NamedTuple, Self

from botocore.exceptions import ClientError

from labelwatch.shared import stacks
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError

INTEGER_TYPES = frozenset({"tinyint", "smallint", "integer", "int", "bigint"})
DECIMAL_TYPES = frozenset({"double", "float", "real"})
# The messages of Athena and of the local AWS.
_MISSING_TABLE = re.compile("TABLE_NOT_FOUND|[Tt]able .* does not exist")

type Value = str | float | bool | None


class QueryResult(NamedTuple):
    """Rows as Athena returns them: every value a text or None; `types` are Athena's own, such as bigint."""

    columns: list[str]
    types: list[str]
    rows: list[list[str | None]]
    scanned_bytes: int

    @property
    def records(self) -> list[dict[str, Value]]:
        """The rows by column name, with JSON's types."""
        return [
            {name: _value(cell, kind) for name, cell, kind in zip(self.columns, row, self.types, strict=True)}
            for row in self.rows
        ]


class Athena:
    """One database, queried through one workgroup."""

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - the client of any endpoint
        database: str,
        workgroup: str,
        poll_seconds: float = 0.1,
    ) -> None:
        self._client = client
        self._poll_seconds = poll_seconds
        self._database = database
        self._workgroup = workgroup

    @classmethod
    def from_stack(cls, account: Account, name: str) -> Self:
        """The stack's database, through its workgroup; raises UserError where the stack does not exist."""
        outputs = stacks.outputs(account.client("cloudformation"), name, "DatabaseName", "WorkgroupName")
        return cls(account.client("athena"), outputs["DatabaseName"], outputs["WorkgroupName"])

    def query(self, sql: str) -> QueryResult:
        """The result; raises UserError with Athena's reason.

        An interrupted call stops its query, which would otherwise continue to scan data at a cost.
        """
        try:
            query_id = self._client.start_query_execution(
                QueryString=sql, QueryExecutionContext={"Database": self._database}, WorkGroup=self._workgroup
            )["QueryExecutionId"]
        except ClientError as problem:
            raise UserError(f"Athena rejected the query: {problem.response['Error']['Message']}") from None
        try:
            execution = self._wait(query_id)
        except BaseException:
            self._client.stop_query_execution(QueryExecutionId=query_id)
            raise
        status = execution["Status"]
        if status["State"] != "SUCCEEDED":
            reason = " ".join((status.get("StateChangeReason") or status["State"]).split())
            hint = " Run `labelwatch athena up` to create the tables." if _MISSING_TABLE.search(reason) else ""
            raise UserError(f"Athena query failed: {reason.rstrip('.')}.{hint}")
        return self._result(query_id, execution["Statistics"].get("DataScannedInBytes", 0))

    def _wait(self, query_id: str) -> dict[str, Any]:
        while True:
            execution: dict[str, Any] = self._client.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
            if execution["Status"]["State"] not in {"QUEUED", "RUNNING"}:
                return execution
            time.sleep(self._poll_seconds)

    def _result(self, query_id: str, scanned_bytes: int) -> QueryResult:
        pages = list(self._client.get_paginator("get_query_results").paginate(QueryExecutionId=query_id))
        described = pages[0]["ResultSet"].get("ResultSetMetadata", {}).get("ColumnInfo", [])
        rows = [
            [cell.get("VarCharValue") for cell in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]
        ]
        columns = [column["Name"] for column in described]
        types = [column["Type"] for column in described]
        # The first row of a query has the columns' names; a statement, such as DROP TABLE, has no such row.
        return QueryResult(columns, types, rows[rows[:1] == [columns] :], scanned_bytes)


def _value(cell: str | None, kind: str) -> Value:
    """The value of Athena's text of this type."""
    if cell is None:
        return None
    if kind in INTEGER_TYPES:
        return int(cell)
    if kind in DECIMAL_TYPES:
        return float(cell)
    return cell == "true" if kind == "boolean" else cell
