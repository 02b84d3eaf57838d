"""Outcomes read from the output bucket: an object without rows must not stop `labelwatch local up`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain import rows
from chalicelib.domain.predictions import Label
from labelwatch.local.outcomes import DeadLetterOutcome, PredictionOutcome, prediction_of
from labelwatch.local.up import line_for
from tests.support import builders

KEY = "predictions/dt=2026-11-22/x.json"
ROW = b'{"image": "leaf.jpg", "label": "leaf-smut", "confidence": 90.5, "of_interest": true}'


def test_labels_are_sorted_by_confidence() -> None:
    labels = (Label("leaf-smut", 70.5, None), Label("healthy", 90.5, None))
    rules = builders.rules(("leaf-smut", None), min_confidence=60)
    content = rows.encoded(rows.rows_of(builders.prediction(*labels), rules))
    found = PredictionOutcome("leaf.jpg", (("healthy", 90.5), ("leaf-smut", 70.5)), alert_expected=True, row_key=KEY)
    assert prediction_of(KEY, content) == found


def test_control_characters_are_escaped() -> None:
    prediction = PredictionOutcome("a\x1b[2J.jpg", (("smut\x07", 90.5),), alert_expected=True, row_key=KEY)
    assert line_for(prediction) == r"a\x1b[2J.jpg: smut\x07 90.5 %"
    assert (
        line_for(DeadLetterOutcome("s3://b/a%1B.jpg", "EmptyImage", "x\n"))
        == r"s3://b/a\x1b.jpg: dead letter, EmptyImage (x\n)"
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1\n",
        ROW[:-1] + b', "other": ' + b"[" * 100_000,
        ROW.replace(b"leaf.jpg", b"\xff"),
        ROW[:-1],
        ROW + b"\n{}\n",
        b"\n" + ROW,
    ],
    ids=["nothing", "a number", "brackets", "half a character", "cut off", "half of them rows", "an empty line"],
)
def test_an_object_without_rows_is_no_prediction(content: bytes) -> None:
    assert prediction_of(KEY, content) is None


@given(content=st.binary() | st.text().map(str.encode))
def test_any_content_is_read_without_an_error(content: bytes) -> None:
    assert prediction_of(KEY, content) is None
