"""The images whose dead letters were purged, in the stack's table, so that an audit does not report them as lost."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import batched
from typing import Any, NamedTuple

from chalicelib.domain.images import ObjectCreated
from labelwatch.dead_letters.dead_letter import DeadLetter
from labelwatch.shared import stacks
from labelwatch.shared.account import Account

# DynamoDB's limit: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
MAX_ITEMS = 25
_KIND = {"S": "purged"}


class PurgedImage(NamedTuple):
    """An image (one version of an object) whose dead letter was purged; without a version, any version of the key.

    `queue` is the short name of its dead-letter queue; `day` (UTC) is when it was purged last.
    """

    queue: str
    bucket: str
    key: str
    version_id: str | None
    reason: str
    day: date


class PurgedImages:
    """The images whose dead letters were purged. The items do not expire: an audit may be of any day."""

    def __init__(self, dynamodb: Any, table: str) -> None:  # noqa: ANN401 - the client of any endpoint
        self._dynamodb = dynamodb
        self._table = table

    def record(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Records the images that they are about."""
        items = [_item(dead_letter, image) for dead_letter in dead_letters for image in dead_letter.images]
        # An upload and a backfill may have a dead letter each, and DynamoDB takes no item twice in a call.
        for batch in batched({item["id"]["S"]: item for item in items}.values(), MAX_ITEMS):
            request = {self._table: [{"PutRequest": {"Item": item}} for item in batch]}
            while request:
                request = self._dynamodb.batch_write_item(RequestItems=request)["UnprocessedItems"]

    def all(self) -> list[PurgedImage]:
        """All images whose dead letters were ever purged."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="kind = :kind",
            ExpressionAttributeValues={":kind": _KIND},
            ConsistentRead=True,
        )
        return [_image(item) for page in pages for item in page["Items"]]


def from_stack(account: Account, name: str) -> PurgedImages:
    """The purged images of the stack; raises UserError where there is no such stack."""
    table = stacks.outputs(account.client("cloudformation"), name, "TableName")["TableName"]
    return PurgedImages(account.client("dynamodb"), table)


def _item(dead_letter: DeadLetter, image: ObjectCreated) -> dict[str, Any]:
    identity = {
        "queue": dead_letter.queue.name, "bucket": image.bucket, "key": image.key, "version_id": image.version_id,
    }  # fmt: skip
    # Hashed: a key alone may be as long as an item's id may be.
    item_id = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
    texts = identity | {"reason": dead_letter.reason}
    item = {"kind": _KIND, "id": {"S": item_id}, "purged_at": {"S": datetime.now(UTC).isoformat(timespec="seconds")}}
    return item | {name: {"S": value} for name, value in texts.items() if value}


def _image(item: dict[str, Any]) -> PurgedImage:
    texts = {name: value["S"] for name, value in item.items()}
    day = datetime.fromisoformat(texts["purged_at"]).date()
    return PurgedImage(texts["queue"], texts["bucket"], texts["key"], texts.get("version_id"), texts["reason"], day)
