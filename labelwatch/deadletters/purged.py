"""What was purged, remembered in the stack's table: nothing else tells it from what was lost."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import batched
from typing import Any, NamedTuple

from chalicelib.model import ObjectCreated
from labelwatch import stack
from labelwatch.aws import Account
from labelwatch.deadletters.letters import Letter

# DynamoDB's limit: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
MOST_ITEMS = 25
_KIND = {"S": "purged"}


class PurgedImage(NamedTuple):
    """An image, which is one version of an object, whose dead letter was purged; without a version it is any."""

    bucket: str
    key: str
    version_id: str | None
    reason: str


class Purged:
    """The images whose dead letters were purged. The items do not expire: an audit may ask for any day."""

    def __init__(self, dynamodb: Any, table: str) -> None:  # noqa: ANN401 - the client of any endpoint
        self._dynamodb = dynamodb
        self._table = table

    def note(self, letters: Sequence[Letter]) -> None:
        """Remembers the images that they are about."""
        items = {image: _item(image, one.reason) for one in letters for image in one.images}
        for few in batched(items.values(), MOST_ITEMS):
            asked = {self._table: [{"PutRequest": {"Item": item}} for item in few]}
            while asked:
                asked = self._dynamodb.batch_write_item(RequestItems=asked)["UnprocessedItems"]

    def all(self) -> list[PurgedImage]:
        """All that were ever purged."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="kind = :kind",
            ExpressionAttributeValues={":kind": _KIND},
            ConsistentRead=True,
        )
        return [_image(item) for page in pages for item in page["Items"]]


def of_stack(account: Account, name: str) -> Purged:
    """Those of the stack; raises UserError where there is no such stack."""
    table = stack.outputs(account.client("cloudformation"), name, "TableName")["TableName"]
    return Purged(account.client("dynamodb"), table)


def _item(image: ObjectCreated, reason: str) -> dict[str, Any]:
    names = {"bucket": image.bucket, "key": image.key, "version_id": image.version_id, "reason": reason}
    # A key may be as long as an id may be, and the bucket comes on top.
    identity = hashlib.sha256(json.dumps([image.bucket, image.key, image.version_id]).encode()).hexdigest()
    item = {"kind": _KIND, "id": {"S": identity}, "purged_at": {"S": datetime.now(UTC).isoformat(timespec="seconds")}}
    return item | {name: {"S": value} for name, value in names.items() if value}


def _image(item: dict[str, Any]) -> PurgedImage:
    version = item.get("version_id", {}).get("S")
    return PurgedImage(item["bucket"]["S"], item["key"]["S"], version, item["reason"]["S"])
