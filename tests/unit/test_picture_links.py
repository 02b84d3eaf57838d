"""The links in an alert, and what is stored of them."""

import re
from datetime import timedelta

import pytest

from chalicelib.domain.errors import Fault, Rejected, Retryable
from chalicelib.domain.links import LINK_LIFETIME, digest_of, new_link
from chalicelib.domain.predictions import Label
from chalicelib.domain.rows import row_key
from chalicelib.steps.picture_links import PictureLinks
from tests.support.builders import NOW, prediction
from tests.support.fakes import FakeApi, FakeDeadLetters, FakeLinks, FakeQueue, FakeTelemetry, batch_of

PREDICTIONS = [prediction(Label("rust", 95), key=f"field-3/{number}.jpg") for number in range(3)]


class Bench:
    """The links with a fake in each port."""

    def __init__(self) -> None:
        self.api, self.links, self.telemetry = FakeApi(), FakeLinks(), FakeTelemetry()
        batch = batch_of(FakeQueue(), FakeDeadLetters(), self.telemetry)
        self.make = PictureLinks(api=self.api, links=self.links, batch=batch, telemetry=self.telemetry, now=lambda: NOW)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_each_prediction_has_a_link_of_its_own_for_thirty_days(bench: Bench) -> None:
    pages = bench.make(PREDICTIONS)
    assert pages.keys() == {each.id for each in PREDICTIONS}
    for each in PREDICTIONS:
        address = re.fullmatch(r"https://api/p/([a-z2-7]{32})", pages[each.id])
        assert address
        link = bench.links.stored[digest_of(address[1]) or ""]
        assert (link.row_key, link.source, link.expires_at) == (row_key(each), "field-3", NOW + timedelta(days=30))
    assert bench.telemetry.counts == {}


def test_the_link_of_a_test_has_no_row_key(bench: Bench) -> None:
    assert bench.make([prediction(Label("rust", 95), key="field-3/test.jpg", test=True)])
    (link,) = bench.links.stored.values()
    assert (link.row_key, link.source) == ("", "field-3")


def test_only_the_hash_of_an_id_is_stored_and_nothing_of_it_is_logged(bench: Bench) -> None:
    (page,) = bench.make(PREDICTIONS[:1]).values()
    link_id = page.rpartition("/")[2]
    assert link_id not in repr(bench.links.stored)
    assert bench.telemetry.log == []


def test_a_link_that_cannot_be_stored_is_missing_and_counted(bench: Bench) -> None:
    bench.links.unstorable[row_key(PREDICTIONS[1])] = Retryable("ThrottlingException", "later")
    assert bench.make(PREDICTIONS).keys() == {PREDICTIONS[0].id, PREDICTIONS[2].id}
    assert bench.telemetry.counts == {"PicturesWithoutLink": 1}


def test_without_an_api_no_link_is_stored_and_all_pictures_are_counted(bench: Bench) -> None:
    bench.api.address = None
    assert bench.make(PREDICTIONS) == {}
    assert bench.links.stored == {}
    assert bench.telemetry.counts == {"PicturesWithoutLink": 3}


@pytest.mark.parametrize(
    "fault", [Retryable("AccessDenied", "no right"), Rejected("Odd", "never"), KeyError("a bug")], ids=type
)
def test_an_api_that_cannot_be_found_stops_no_alert(bench: Bench, fault: Exception) -> None:
    bench.api.fault = fault
    assert bench.make(PREDICTIONS) == {}
    assert bench.telemetry.counts == {"PicturesWithoutLink": 3}
    ((_, fields),) = bench.telemetry.log
    assert (fault.reason if isinstance(fault, Fault) else "a bug") in str(fields)


def test_an_id_has_160_random_bits() -> None:
    ids = [new_link("key", "source", NOW)[0] for _ in range(200)]
    assert len(set(ids)) == 200
    assert {len(link_id) * 5 for link_id in ids} == {160}
    assert timedelta(days=30) == LINK_LIFETIME


@pytest.mark.parametrize("text", ["", "a" * 31, "a" * 33, "A" * 32, "a" * 31 + "1", "a" * 31 + "\n", "a" * 32 + "\n"])
def test_what_is_no_id_has_no_hash(text: str) -> None:
    assert digest_of(text) is None
