import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.predictions import BoundingBox, Label
from chalicelib.domain.rows import encoded, row_key, rows_of
from tests.support.builders import MODEL, NOW, image, prediction, rules

RULES = rules(("leaf-smut", 90))


def test_a_row_has_all_columns_of_the_label_and_its_image() -> None:
    seen = prediction(Label("leaf-smut", 97.25, BoundingBox(0.1, 0.2, 0.3, 0.4)))
    assert json.loads(encoded(rows_of(seen, RULES))) == {
        "image": "leaf.jpg",
        "label": "leaf-smut",
        "confidence": 97.25,
        "source": "images",
        "bucket": "images",
        "version_id": "v1",
        "etag": "0123456789abcdef",
        "size": 1024,
        "content_type": "image/jpeg",
        "metadata": {"field": "7"},
        "uploaded_at": "2026-11-22 10:00:00.123",
        "detected_at": "2026-11-22 10:00:00.123",
        "model": MODEL,
        "min_confidence": 80.0,
        "of_interest": True,
        "bounding_box": {"left": 0.1, "top": 0.2, "width": 0.3, "height": 0.4},
        "prediction_id": seen.id,
    }


def test_there_is_one_row_for_each_label() -> None:
    lines = encoded(rows_of(prediction(Label("a", 90), Label("b", 85)), RULES)).splitlines()
    assert [json.loads(line)["label"] for line in lines] == ["a", "b"]


def test_an_image_without_labels_has_one_row_with_none() -> None:
    (row,) = rows_of(prediction(), RULES)
    assert (row.label, row.confidence, row.of_interest) == (None, None, False)


def test_only_a_label_that_reached_its_threshold_is_of_interest() -> None:
    rows = rows_of(prediction(Label("leaf-smut", 89), Label("Leaf-Smut", 91), Label("rust", 99)), RULES)
    assert [row.of_interest for row in rows] == [False, True, False]


def test_the_day_of_a_row_is_the_upload_s_and_not_the_detection_s() -> None:
    late = prediction(
        image=image(uploaded_at=datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC)),
        detected_at=datetime(2026, 11, 22, 0, 0, 1, tzinfo=UTC),
    )
    assert row_key(late) == f"predictions/dt=2026-11-21/{late.id}.json"


def test_a_repeat_has_the_same_key_at_any_time_and_with_any_labels() -> None:
    first = prediction(Label("a", 90))
    repeated = prediction(Label("b", 95), detected_at=datetime(2027, 1, 1, tzinfo=UTC))
    assert row_key(first) == row_key(repeated)


def test_another_bucket_key_content_or_model_makes_another_prediction() -> None:
    others = [
        prediction(),
        prediction(key="other.jpg"),
        prediction(image=image(bucket="other")),
        prediction(image=image(etag="other")),
        prediction(model="other"),
        prediction(image=image(bucket="imagesl", key="eaf.jpg")),
    ]
    assert len({other.id for other in others}) == len(others)


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_any_key_and_label_stay_on_the_line_of_their_row(key: str, label: str) -> None:
    content = encoded(rows_of(prediction(Label(label, 90), key=key), RULES))
    (line,) = content.split(b"\n")[:-1]
    assert (json.loads(line)["image"], json.loads(line)["label"]) == (key, label)


@pytest.mark.parametrize(("microsecond", "written"), [(0, "000"), (1_999, "001"), (999_999, "999")])
def test_times_are_written_as_athena_reads_them(microsecond: int, written: str) -> None:
    (row,) = rows_of(prediction(detected_at=NOW.replace(microsecond=microsecond)), RULES)
    assert row.detected_at == f"2026-11-22 10:00:00.{written}"
