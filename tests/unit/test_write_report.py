"""The whole report from fake services: what it reads, says and writes."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from botocore.exceptions import ClientError

from labelwatch.analytics import Athena, Narrowing
from labelwatch.analytics.queries import load_queries
from labelwatch.report import Report, Scope, write_report
from labelwatch.report.build import BOXES, OUTPUTS, SHARE
from labelwatch.report.counts import UNKNOWN
from labelwatch.report.thumbnails import ACCESS_DENIED
from tests.support import sample_images
from tests.support.fake_account import client_error

ROW = {
    "uploaded_at": "2026-11-01 10:00:00.123", "source": "field 1", "bucket": "pictures", "version_id": None,
    "label": "leaf-smut", "confidence": 97.0, "box_left": None, "box_top": None, "box_width": None, "box_height": None,
}  # fmt: skip
OUTPUT_VALUES = dict.fromkeys(OUTPUTS, "x") | {"LabelsofInterest": "leaf-smut:90", "MinConfidence": "60"}


class Services:
    """Three images in Athena's answer, and S3, SQS and DynamoDB that answer or refuse."""

    def __init__(self, refusal: ClientError | None = None) -> None:
        self.refusal = refusal
        self.answers: dict[str, list[dict[str, Any]]] = {
            BOXES: [ROW | {"prediction_id": key, "image": key} for key in ("a", "b", "c")],
            SHARE: [{"day": "2026-11-01", "images": 4, "of_interest": 3, "without_label": 0}],
        }
        self.steps: list[str] = []

    def client(self, name: str) -> Any:
        calls = {
            "s3": {"get_object": self.get_object},
            "sqs": {"get_queue_attributes": self.refuse},
            "dynamodb": {"get_paginator": self.refuse},
        }
        return SimpleNamespace(**calls[name])

    def get_object(self, **_: str) -> dict[str, Any]:
        if self.refusal:
            raise self.refusal
        content = sample_images.plain()
        return {"Body": io.BytesIO(content), "ContentLength": len(content)}

    def refuse(self, *_: Any, **__: Any) -> Any:
        raise client_error("AccessDenied")

    def query(self, sql: str) -> Any:
        (name,) = [name for name, query in load_queries().items() if query.sql == sql]
        return SimpleNamespace(records=self.answers.get(name, []))

    def write(self, folder: Path) -> tuple[Report, str]:
        """The report and its text."""
        scope = Scope("leaves", OUTPUT_VALUES, Narrowing())
        athena = cast("Athena", self)
        report = write_report(self.client, athena, scope, folder, address_of=None, on_step=self.steps.append)
        return report, report.page.read_text()


def test_a_person_sees_how_many_images_are_read(tmp_path: Path) -> None:
    services = Services()
    _, text = services.write(tmp_path)
    assert text.count("data:image/jpeg") == 3
    assert [step for step in services.steps if "images…" in step] == [f"Reading images… {n} of 3" for n in (1, 2, 3)]


def test_images_that_may_not_be_read_are_named_once_and_stop_nothing(tmp_path: Path) -> None:
    report, text = Services(client_error("AccessDenied")).write(tmp_path)
    (problem,) = [problem for problem in report.problems if "s3:GetObject" in problem]
    assert "pictures" in problem
    assert text.count(problem) == 1
    assert text.count(f">{ACCESS_DENIED}<") == 3


def test_counts_that_aws_refuses_are_unknown_and_say_which_permissions_are_missing(tmp_path: Path) -> None:
    report, text = Services().write(tmp_path)
    (problem,) = report.problems
    assert {"dynamodb:Query", "sqs:GetQueueAttributes"} <= set(problem.split())
    assert text.count(f"<dd>{UNKNOWN}</dd>") == 2
