"""New outcomes: the reader lists all rows at each call, and returns a prediction once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.domain import rows
from chalicelib.domain.predictions import Label
from labelwatch.local.outcomes import OutcomeReader
from tests.integration.conftest import REGION
from tests.support import builders

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OUTPUT_BUCKET = "leaves-out"
KEY = "predictions/dt=2026-11-22/x.json"


@pytest.fixture
def reader(s3: S3Client) -> OutcomeReader:
    s3.create_bucket(Bucket=OUTPUT_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    queues = dict.fromkeys(("ImagesDeadLettersUrl", "PredictionsDeadLettersUrl"), "")
    session: Any = SimpleNamespace(
        local_aws=SimpleNamespace(client=lambda _: s3), outputs={"OutputBucket": OUTPUT_BUCKET} | queues
    )
    return OutcomeReader(session)


def store(s3: S3Client, label: str) -> None:
    prediction = builders.prediction(Label(label, 90.5, None))
    content = rows.encoded(rows.rows_of(prediction, builders.rules((label, None), min_confidence=60)))
    s3.put_object(Bucket=OUTPUT_BUCKET, Key=KEY, Body=content)


def labels(reader: OutcomeReader) -> list[str]:
    return [prediction.labels[0][0] for prediction in reader.new_predictions()]


def test_a_prediction_is_new_once_and_once_more_when_its_rows_change(s3: S3Client, reader: OutcomeReader) -> None:
    store(s3, "leaf-smut")
    assert (labels(reader), labels(reader)) == (["leaf-smut"], [])
    store(s3, "rust")
    assert (labels(reader), labels(reader)) == (["rust"], [])


def test_unchanged_rows_of_a_second_delivery_are_not_new(s3: S3Client, reader: OutcomeReader) -> None:
    store(s3, "leaf-smut")
    assert labels(reader) == ["leaf-smut"]
    store(s3, "leaf-smut")
    assert labels(reader) == []
