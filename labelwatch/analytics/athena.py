"""Asking Athena."""

import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from labelwatch.shared import stacks
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError

_POLL_SECONDS = 0.1
# Athena's words, and the local AWS's.
NO_TABLE = re.compile("TABLE_NOT_FOUND|[Tt]able .* does not exist")


class Answer(NamedTuple):
    """Rows as Athena gives them: everything a text, or None; `types` are Athena's own, such as bigint."""

    columns: list[str]
    types: list[str]
    rows: list[list[str | None]]
    scanned_bytes: int

    @property
    def records(self) -> list[dict[str, str | None]]:
        """The rows by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class Athena:
    """One database, asked through one workgroup."""

    def __init__(self, client: Any, database: str, workgroup: str) -> None:  # noqa: ANN401 - the client of any endpoint
        self._client = client
        self._database = database
        self._workgroup = workgroup

    def ask(self, sql: str, watch: Callable[[str], None] = lambda _: None) -> Answer:
        """The answer; `watch` hears of the query's state. Raises UserError with Athena's words.

        A query that nobody waits for any longer is stopped: it would go on to scan, and to cost.
        """
        try:
            query = self._client.start_query_execution(
                QueryString=sql, QueryExecutionContext={"Database": self._database}, WorkGroup=self._workgroup
            )["QueryExecutionId"]
        except ClientError as problem:
            raise UserError(f"Athena does not take the query: {problem.response['Error']['Message']}") from None
        try:
            execution = self._when_done(query, watch)
        except BaseException:
            self._client.stop_query_execution(QueryExecutionId=query)
            raise
        status = execution["Status"]
        if status["State"] != "SUCCEEDED":
            reason = " ".join((status.get("StateChangeReason") or status["State"]).split())
            missing = " `labelwatch athena up` makes the tables." if NO_TABLE.search(reason) else ""
            raise UserError(f"Athena did not answer: {reason}.{missing}")
        return self._answer(query, execution["Statistics"].get("DataScannedInBytes", 0))

    def _when_done(self, query: str, watch: Callable[[str], None]) -> dict[str, Any]:
        while True:
            execution: dict[str, Any] = self._client.get_query_execution(QueryExecutionId=query)["QueryExecution"]
            watch(execution["Status"]["State"])
            if execution["Status"]["State"] not in {"QUEUED", "RUNNING"}:
                return execution
            time.sleep(_POLL_SECONDS)

    def _answer(self, query: str, scanned_bytes: int) -> Answer:
        pages = list(self._client.get_paginator("get_query_results").paginate(QueryExecutionId=query))
        described = pages[0]["ResultSet"].get("ResultSetMetadata", {}).get("ColumnInfo", [])
        rows = [
            [cell.get("VarCharValue") for cell in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]
        ]
        columns = [one["Name"] for one in described]
        # A query's first row is its columns' names; that of a statement, such as DROP TABLE, is not.
        return Answer(columns, [one["Type"] for one in described], rows[rows[:1] == [columns] :], scanned_bytes)


def from_stack(account: Account, name: str) -> Athena:
    """The stack's database, through its workgroup; raises UserError where there is no such stack."""
    outputs = stacks.outputs(account.client("cloudformation"), name, "DatabaseName", "WorkgroupName")
    return Athena(account.client("athena"), outputs["DatabaseName"], outputs["WorkgroupName"])
