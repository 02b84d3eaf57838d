"""What the follower of the local AWS reads; it must not stumble over what is no row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain import rows
from chalicelib.domain.predictions import Label
from labelwatch.local.follow import in_words
from labelwatch.local.outcomes import DeadLetterOutcome, PredictionOutcome, prediction_of
from tests.support import builders

KEY = "predictions/dt=2026-11-22/x.json"
ROW = b'{"image": "leaf.jpg", "label": "leaf-smut", "confidence": 90.5, "of_interest": true}'


def test_rows_are_told_with_the_surest_label_first() -> None:
    labels = (Label("leaf-smut", 70.5, None), Label("healthy", 90.5, None))
    wanted = builders.rules(("leaf-smut", None), min_confidence=60)
    content = rows.encoded(rows.rows_of(builders.prediction(*labels), wanted))
    found = PredictionOutcome("leaf.jpg", (("healthy", 90.5), ("leaf-smut", 70.5)), alert_expected=True, row_key=KEY)
    assert prediction_of(KEY, content) == found


def test_what_a_terminal_would_obey_is_told_as_escapes() -> None:
    predicted = PredictionOutcome("a\x1b[2J.jpg", (("smut\x07", 90.5),), alert_expected=True, row_key=KEY)
    assert in_words(predicted) == r"a\x1b[2J.jpg: smut\x07 90.5 %"
    assert (
        in_words(DeadLetterOutcome("s3://b/a%1B.jpg", "EmptyImage", "x\n"))
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
    ids=["nothing", "a number", "brackets", "half a letter", "cut off", "half of them rows", "an empty line"],
)
def test_what_is_no_row_is_no_prediction(content: bytes) -> None:
    assert prediction_of(KEY, content) is None


@given(content=st.binary() | st.text().map(str.encode))
def test_whatever_lies_there_it_goes_on(content: bytes) -> None:
    assert prediction_of(KEY, content) is None
