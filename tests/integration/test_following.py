"""What is new to whoever follows the local AWS, which lists its rows again and again."""

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

OUT = "leaves-out"
KEY = "predictions/dt=2026-11-22/x.json"


@pytest.fixture
def watch(s3: S3Client) -> OutcomeReader:
    s3.create_bucket(Bucket=OUT, CreateBucketConfiguration={"LocationConstraint": REGION})
    queues = dict.fromkeys(("ImagesDeadLettersUrl", "PredictionsDeadLettersUrl"), "")
    session: Any = SimpleNamespace(
        local_aws=SimpleNamespace(client=lambda _: s3), outputs={"OutputBucket": OUT} | queues
    )
    return OutcomeReader(session)


def store(s3: S3Client, label: str) -> None:
    prediction = builders.prediction(Label(label, 90.5, None))
    content = rows.encoded(rows.rows_of(prediction, builders.rules((label, None), min_confidence=60)))
    s3.put_object(Bucket=OUT, Key=KEY, Body=content)


def seen(watch: OutcomeReader) -> list[str]:
    return [one.labels[0][0] for one in watch.new_predictions()]


def test_rows_are_told_once_and_once_more_where_another_look_at_the_image_wrote_others(
    s3: S3Client, watch: OutcomeReader
) -> None:
    store(s3, "leaf-smut")
    assert (seen(watch), seen(watch)) == (["leaf-smut"], [])
    store(s3, "rust")
    assert (seen(watch), seen(watch)) == (["rust"], [])


def test_rows_that_were_delivered_twice_are_told_once(s3: S3Client, watch: OutcomeReader) -> None:
    store(s3, "leaf-smut")
    assert seen(watch) == ["leaf-smut"]
    store(s3, "leaf-smut")
    assert seen(watch) == []
