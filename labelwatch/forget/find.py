"""Finds all that a stack stores about the selected images, and changes nothing."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import batched
from pathlib import PurePath
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from chalicelib.domain.predictions import Prediction, prediction_id
from labelwatch.dead_letters import DeadLetter, DeadLetterReader
from labelwatch.forget.objects import ObjectVersion, versions
from labelwatch.forget.records import Record, Table
from labelwatch.forget.selection import Selection

CALLS_AT_ONCE = 10
# As many rows are read before the count is reported.
_ROWS_PER_REPORT = 100
_ROW_PREFIX = "predictions/"

type OnStep = Callable[[str], None]


class Found(NamedTuple):
    """What is stored about the selected images. Versions of `images` and `existing_images` are older and current ones.

    `existing_images` are in the existing bucket, which is not the stack's. `records` are items of the table.
    """

    links: Sequence[Record]
    dead_letters: Sequence[DeadLetter]
    records: Sequence[Record]
    rows: Sequence[ObjectVersion]
    images: Sequence[ObjectVersion]
    existing_images: Sequence[ObjectVersion]

    @property
    def total(self) -> int:
        """The number of things to delete."""
        return sum(map(len, self))


class _Row(Struct):
    image: str
    bucket: str


_decode_rows = msgspec.json.Decoder(_Row).decode_lines


class Finder:
    """Reads the stores of a stack with these outputs; `on_step` is called with the current work."""

    def __init__(self, s3: Any, table: Table, outputs: dict[str, str], on_step: OnStep) -> None:  # noqa: ANN401 - of any endpoint
        self._s3 = s3
        self._table = table
        self._outputs = outputs
        self._on_step = on_step

    def find(self, selection: Selection, reader: DeadLetterReader) -> Found:
        """All that is stored about the selected images; the dead letters stay received by the reader."""
        images = self._images(self._outputs["InputBucket"], selection)
        existing = self._images(self._outputs.get("ExistingBucketName", ""), selection)
        rows = self._rows(selection)
        # After the rows, which may take longer to read than dead letters stay hidden.
        self._on_step("Reading dead letters…")
        reader.receive_all()
        dead_letters = [
            dead_letter
            for dead_letter in reader.dead_letters
            if any(selection.includes(image.bucket, image.key) for image in dead_letter.images)
        ]
        self._on_step("Reading links and records…")
        ids = self._prediction_ids([*images, *existing], rows, dead_letters)
        return Found(
            links=self._links(selection, ids),
            dead_letters=dead_letters,
            records=[
                *self._table.existing("alert", ids),
                *self._table.existing("dead-letter", (dead_letter.record_id for dead_letter in dead_letters)),
                *self._records_with_key(selection),
            ],
            rows=rows,
            images=images,
            existing_images=existing,
        )

    def _images(self, bucket: str, selection: Selection) -> list[ObjectVersion]:
        if not bucket:
            return []
        self._on_step(f"Listing images in {bucket}…")
        listed = versions(self._s3, bucket, selection.prefix)
        return [version for version in listed if selection.includes(bucket, version.key)]

    def _rows(self, selection: Selection) -> list[ObjectVersion]:
        """The rows of all days: the key of an object with rows is a hash, and its content names the image."""
        self._on_step("Listing predictions…")
        listed = list(versions(self._s3, self._outputs["OutputBucket"], _ROW_PREFIX))
        stored = [version for version in listed if version.etag]
        keys: set[str] = set()
        with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
            for number, chunk in enumerate(batched(stored, _ROWS_PER_REPORT)):
                self._on_step(f"Reading predictions… {number * _ROWS_PER_REPORT:,} of {len(stored):,}")
                selected = pool.map(lambda version: self._is_of(version, selection), chunk)
                keys |= {version.key for version, is_selected in zip(chunk, selected, strict=True) if is_selected}
        return [version for version in listed if version.key in keys]

    def _is_of(self, version: ObjectVersion, selection: Selection) -> bool:
        """Whether the object has rows of a selected image; False for an object without rows."""
        name = {"Bucket": version.bucket, "Key": version.key, "VersionId": version.version_id}
        try:
            content = self._s3.get_object(**name)["Body"].read()
            rows = _decode_rows(content)
        except (self._s3.exceptions.NoSuchKey, ValueError, RecursionError):
            return False
        return any(selection.includes(row.bucket, row.image) for row in rows)

    def _prediction_ids(
        self, images: Sequence[ObjectVersion], rows: Sequence[ObjectVersion], dead_letters: Sequence[DeadLetter]
    ) -> set[str]:
        """The ids of the predictions: of stored ones, of dead letters, and of images by the stack's present model."""
        model = self._outputs["CustomModelARN"]
        return {
            *(PurePath(row.key).stem for row in rows),
            *(prediction_id(image.bucket, image.key, image.etag, model) for image in images if image.etag),
            *(_prediction(dead_letter).id for dead_letter in dead_letters if dead_letter.queue.name == "predictions"),
        }

    def _links(self, selection: Selection, ids: set[str]) -> list[Record]:
        return [
            record
            for record, link in self._table.of_kind("link")
            if PurePath(link["row_key"]).stem in ids or selection.source == link["source"]
        ]

    def _records_with_key(self, selection: Selection) -> Iterator[Record]:
        """Records that name an image: of presigned uploads, whose id is the key, and of purged dead letters."""
        for record, _ in self._table.of_kind("upload"):
            if selection.includes(self._outputs["InputBucket"], record.id):
                yield record
        for record, purged in self._table.of_kind("purged"):
            if selection.includes(purged["bucket"], purged["key"]):
                yield record


def _prediction(dead_letter: DeadLetter) -> Prediction:
    return msgspec.json.decode(dead_letter.body, type=Prediction)
