"""Queries on the predictions, through Athena."""

import time
from pathlib import Path
from typing import Any

from labelwatch.errors import UserError
from labelwatch.package import PROJECT

QUERIES = PROJECT / "athena"
TABLE_DDL = QUERIES / "rekognition_customlabels_analytics.sql"
LABELS_BY_COUNT = QUERIES / "labels_by_count.sql"
OUTPUT_BUCKET_IN_DDL = "OUTPUT_BUCKET"
_POLL_SECONDS = 0.1


class Athena:
    """One database, asked through one workgroup."""

    def __init__(self, client: Any, database: str, workgroup: str) -> None:  # noqa: ANN401 - the client of any endpoint
        self._client = client
        self._database = database
        self._workgroup = workgroup

    def create_table(self, output_bucket: str, ddl: Path = TABLE_DDL) -> None:
        """Makes the table by its DDL, if it is not there yet."""
        self.query(ddl.read_text().replace(OUTPUT_BUCKET_IN_DDL, output_bucket))

    def query(self, sql: str) -> list[dict[str, str | None]]:
        """The rows by column name, as Athena gives them: everything a string. Raises UserError with Athena's words."""
        execution = self._client.start_query_execution(
            QueryString=sql, QueryExecutionContext={"Database": self._database}, WorkGroup=self._workgroup
        )["QueryExecutionId"]
        while (status := self._status(execution))["State"] in {"QUEUED", "RUNNING"}:
            time.sleep(_POLL_SECONDS)
        if status["State"] != "SUCCEEDED":
            raise UserError(f"Athena did not answer: {status.get('StateChangeReason', status['State'])}")
        pages = self._client.get_paginator("get_query_results").paginate(QueryExecutionId=execution)
        rows = [
            [cell.get("VarCharValue") for cell in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]
        ]
        if not rows:
            return []
        names = [str(name) for name in rows[0]]
        return [dict(zip(names, row, strict=True)) for row in rows[1:]]

    def _status(self, execution: str) -> dict[str, Any]:
        answer = self._client.get_query_execution(QueryExecutionId=execution)
        status: dict[str, Any] = answer["QueryExecution"]["Status"]
        return status
