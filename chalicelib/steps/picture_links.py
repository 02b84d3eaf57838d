"""The links in an alert: a part of the notify step."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from chalicelib.domain import rows
from chalicelib.domain.errors import Fault, fault_of
from chalicelib.domain.links import PictureLink, new_link
from chalicelib.domain.predictions import Prediction
from chalicelib.queues.batch import SECONDS_TO_SETTLE, Batch
from chalicelib.telemetry import Telemetry

LINKS_AT_ONCE = 20
# What takes longer is left out: an alert without a link is better than a late alert.
SECONDS_FOR_LINKS = 3


class Api(Protocol):
    """The REST API that has the picture pages. Raises a Fault where it cannot be looked up."""

    def find(self) -> str | None:
        """Its address; None where there is no API."""


class Links(Protocol):
    """The links to picture pages. Raises a Fault where a link could not be stored."""

    def add(self, link: PictureLink) -> None:
        """Adds a new link."""


class PictureLinks(Struct, frozen=True, kw_only=True):
    """Makes a link for each prediction of an alert; never raises."""

    api: Api
    links: Links
    batch: Batch
    telemetry: Telemetry
    now: Callable[[], datetime]

    def __call__(self, predictions: Sequence[Prediction]) -> dict[str, str]:
        """The addresses of the picture pages by prediction id; those that could not be made are missing."""
        try:
            address = self.api.find()
            faults: dict[str, Fault] = {} if address else {"": Fault("NoApi", "The stack has no REST API")}
        except Exception as problem:  # noqa: BLE001 - the alert goes out without links
            address, faults = None, {"": fault_of(problem)}
        pages: dict[str, str] = {}
        if address:
            pages, faults = self.batch.attempt(
                lambda prediction: f"{address}/p/{self._new_id(prediction)}",
                {prediction.id: prediction for prediction in predictions},
                threads=LINKS_AT_ONCE,
                seconds_left=SECONDS_TO_SETTLE + SECONDS_FOR_LINKS,
            )
        if faults:
            missing = len(predictions) - len(pages)
            self.telemetry.count("PicturesWithoutLink", missing)
            reasons = sorted({str(fault) for fault in faults.values()})
            self.telemetry.warn("pictures without a link", pictures=missing, reasons=reasons)
        return pages

    def _new_id(self, prediction: Prediction) -> str:
        row_key = "" if prediction.test else rows.row_key(prediction)
        link_id, link = new_link(row_key, prediction.image.source, self.now())
        self.links.add(link)
        return link_id
