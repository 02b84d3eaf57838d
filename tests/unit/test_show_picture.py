"""The show_picture step: which ids show what, and which calls that takes."""

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.domain import rows
from chalicelib.domain.errors import Retryable
from chalicelib.domain.links import LINK_LIFETIME, new_link
from chalicelib.domain.pages import AlertTestPage, PicturePage
from chalicelib.domain.predictions import BoundingBox, Label
from chalicelib.steps.show_picture import ShowPicture
from tests.support.builders import MODEL, NOW, prediction, rules
from tests.support.fakes import FakeLinks, FakePictures, FakeStore, FakeTelemetry

BOX = BoundingBox(0.1, 0.2, 0.3, 0.4)
SEEN = prediction(Label("rust", 40), Label("leaf-smut", 95, BOX), key="field-3/leaf.jpg", detected_at=NOW)


class Bench:
    """The step with a fake in each port, and a link to a stored prediction."""

    def __init__(self) -> None:
        self.links, self.store, self.pictures, self.telemetry = (
            FakeLinks(),
            FakeStore(),
            FakePictures(),
            FakeTelemetry(),
        )
        self.clock = NOW
        self.step = ShowPicture(
            links=self.links, stored_rows=self.store, pictures=self.pictures, telemetry=self.telemetry,
            now=lambda: self.clock,
        )  # fmt: skip
        content = rows.encoded(rows.rows_of(SEEN, rules(("leaf-smut", 90))))
        self.store.put(rows.row_key(SEEN), content, notify=True)
        self.link_id, link = new_link(rows.row_key(SEEN), "field-3", NOW)
        self.links.add(link)

    def page(self) -> PicturePage:
        page = self.step(self.link_id)
        assert isinstance(page, PicturePage)
        return page


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_link_shows_its_picture_with_labels_source_times_and_model(bench: Bench) -> None:
    page = bench.page()
    assert (page.image, page.bucket, page.source, page.model) == ("field-3/leaf.jpg", "images", "field-3", MODEL)
    assert [(label.name, label.confidence, label.of_interest) for label in page.labels] == [
        ("leaf-smut", 95, True),
        ("rust", 40, False),
    ]
    assert page.labels[0].bounding_box == BOX
    assert page.uploaded_at == datetime(2026, 11, 22, 10, 0, 0, 123_000, tzinfo=UTC)
    assert page.expires_at == NOW + LINK_LIFETIME
    assert page.console == "https://console/images/field-3/leaf.jpg/v1"


def test_each_view_signs_the_picture_of_the_link_and_no_other(bench: Bench) -> None:
    bench.page()
    bench.clock += timedelta(days=3)
    page = bench.page()
    assert bench.pictures.signed == [("images", "field-3/leaf.jpg", "v1")] * 2
    assert page.picture
    assert page.picture.expires_at == bench.clock + timedelta(minutes=5)


def test_a_picture_that_was_deleted_leaves_its_labels_and_is_logged(bench: Bench) -> None:
    bench.pictures.deleted = {"field-3/leaf.jpg"}
    page = bench.page()
    assert page.picture is None
    assert len(page.labels) == 2
    assert [event for event, _ in bench.telemetry.log] == ["picture not found"]


def test_an_unknown_an_expired_and_a_revoked_id_make_the_same_calls(bench: Bench) -> None:
    unknown, revoked = new_link("", "", NOW)[0], new_link("", "", NOW)[0]
    bench.clock += LINK_LIFETIME
    assert [bench.step(link_id) for link_id in (unknown, bench.link_id, revoked)] == [None, None, None]
    assert len(bench.links.finds) == 3
    assert bench.pictures.signed == []
    assert bench.telemetry.counts == {"LinksRejected": 3}


@pytest.mark.parametrize("text", ["", "leaf.jpg", "../../predictions", "a" * 31, "A" * 32, "%00" * 20, "稲" * 32])
def test_what_is_no_id_reads_nothing(bench: Bench, text: str) -> None:
    assert bench.step(text) is None
    assert (bench.links.finds, bench.pictures.signed) == ([], [])


def test_a_link_whose_rows_were_deleted_shows_nothing(bench: Bench) -> None:
    bench.store.objects.clear()
    assert bench.step(bench.link_id) is None


def test_the_link_of_a_test_alert_shows_its_own_page_until_it_expires(bench: Bench) -> None:
    link_id, link = new_link("", "field-3", NOW)
    bench.links.add(link)
    assert bench.step(link_id) == AlertTestPage(source="field-3", expires_at=NOW + LINK_LIFETIME)
    assert bench.telemetry.counts == {}
    bench.clock += LINK_LIFETIME
    assert bench.step(link_id) is None


def test_an_id_is_in_no_log(bench: Bench) -> None:
    bench.page()
    bench.clock += LINK_LIFETIME
    bench.step(bench.link_id)
    assert bench.link_id not in repr(bench.telemetry.log)


@pytest.mark.parametrize("port", ["links", "store", "pictures"])
def test_a_service_that_fails_is_no_missing_link(bench: Bench, port: str) -> None:
    getattr(bench, port).fault = Retryable("ThrottlingException", "later")
    with pytest.raises(Retryable):
        bench.step(bench.link_id)
