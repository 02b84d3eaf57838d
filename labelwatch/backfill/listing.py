"""The objects of a bucket, with and without a prediction."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from typing import Any, NamedTuple

from chalicelib.domain.images import is_folder_marker
from chalicelib.domain.predictions import prediction_id
from chalicelib.domain.rows import day_prefix
from labelwatch.shared.s3_uri import S3Location

# The size of a boto3 client's connection pool.
CALLS_AT_ONCE = 10


class Listed(NamedTuple):
    """An object as its bucket lists it: the current version."""

    key: str
    etag: str
    uploaded_at: datetime


class Page(NamedTuple):
    """The objects that S3 lists in one call, in the order of their keys, and the objects to send."""

    objects: list[Listed]
    to_send: list[Listed]


class Predictions:
    """The stored predictions of a model, listed by day: a request for each image would be slow.

    Predictions of uploads before the day `since` may have expired.
    """

    def __init__(
        self,
        s3: Any,  # noqa: ANN401 - the client of any endpoint
        output_bucket: str,
        model: str,
        since: date = date.min,
    ) -> None:
        self._s3 = s3
        self._output_bucket = output_bucket
        self._model = model
        self._since = since
        self._ids: dict[str, frozenset[str]] = {}

    def missing(self, bucket: str, listed: list[Listed]) -> list[Listed]:
        """The bucket's objects without a prediction, except those whose prediction may have expired."""
        listed = [item for item in listed if item.uploaded_at.date() >= self._since]
        days = {day_prefix(item.uploaded_at) for item in listed} - self._ids.keys()
        with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
            self._ids |= zip(days, pool.map(self._of_day, days), strict=True)
        return [
            item
            for item in listed
            if prediction_id(bucket, item.key, item.etag, self._model) not in self._ids[day_prefix(item.uploaded_at)]
        ]

    def _of_day(self, prefix: str) -> frozenset[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._output_bucket, Prefix=prefix)
        return frozenset(
            row_object["Key"].removeprefix(prefix).removesuffix(".json")
            for page in pages
            for row_object in page.get("Contents", [])
        )


class Listing:
    """The objects of a location; without `predictions`, all are sent."""

    def __init__(self, s3: Any, location: S3Location, predictions: Predictions | None) -> None:  # noqa: ANN401 - the same
        self._s3 = s3
        self._location = location
        self._predictions = predictions

    def after(self, key: str) -> Iterator[Page]:
        """The objects with keys after this key; without folder markers, which `detect` skips too."""
        pages = self._s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._location.bucket, Prefix=self._location.prefix, StartAfter=key):
            objects = [
                Listed(item["Key"], item["ETag"].strip('"'), item["LastModified"])
                for item in page.get("Contents", [])
                if not is_folder_marker(item["Key"], item["Size"])
            ]
            missing = self._predictions.missing(self._location.bucket, objects) if self._predictions else objects
            yield Page(objects, missing)
