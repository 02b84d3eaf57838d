"""What is in the bucket, and what of it has been predicted."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, NamedTuple

from chalicelib.domain.predictions import prediction_id
from chalicelib.domain.rows import day_prefix
from labelwatch.backfill.target import Place

# As many as a client of boto3 keeps connections for.
CALLS_AT_ONCE = 10


class Listed(NamedTuple):
    """An object as its bucket lists it: the current version."""

    key: str
    etag: str
    uploaded_at: datetime


class Page(NamedTuple):
    """As many objects as S3 lists at once, in the order of their keys, and those of them that are to be sent."""

    objects: list[Listed]
    to_send: list[Listed]


class Predictions:
    """The predictions of a model that are stored, read a whole day at once: a request for each image would be slow."""

    def __init__(self, s3: Any, output_bucket: str, model: str) -> None:  # noqa: ANN401 - the client of any endpoint
        self._s3 = s3
        self._output_bucket = output_bucket
        self._model = model
        self._ids: dict[str, frozenset[str]] = {}

    def missing(self, bucket: str, listed: list[Listed]) -> list[Listed]:
        """Those of the bucket's objects that have no prediction."""
        days = {day_prefix(one.uploaded_at) for one in listed} - self._ids.keys()
        with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
            self._ids |= zip(days, pool.map(self._of_day, days), strict=True)
        return [
            one
            for one in listed
            if prediction_id(bucket, one.key, one.etag, self._model) not in self._ids[day_prefix(one.uploaded_at)]
        ]

    def _of_day(self, prefix: str) -> frozenset[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._output_bucket, Prefix=prefix)
        return frozenset(
            one["Key"].removeprefix(prefix).removesuffix(".json") for page in pages for one in page.get("Contents", [])
        )


class Listing:
    """A place's objects; without `predictions` all are to be sent."""

    def __init__(self, s3: Any, place: Place, predictions: Predictions | None) -> None:  # noqa: ANN401 - the same
        self._s3 = s3
        self._place = place
        self._predictions = predictions

    def after(self, key: str) -> Iterator[Page]:
        """The objects whose keys come after this one; not folder markers, which `detect` leaves out as well."""
        pages = self._s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._place.bucket, Prefix=self._place.prefix, StartAfter=key):
            objects = [
                Listed(one["Key"], one["ETag"].strip('"'), one["LastModified"])
                for one in page.get("Contents", [])
                if one["Size"] or not one["Key"].endswith("/")
            ]
            missing = self._predictions.missing(self._place.bucket, objects) if self._predictions else objects
            yield Page(objects, missing)
