"""What was purged, remembered in the stack's table: nothing else tells it from what was lost."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import batched
from typing import Any, NamedTuple

from chalicelib.domain.images import ObjectCreated
from labelwatch.dead_letters.dead_letter import Letter
from labelwatch.shared import stacks
from labelwatch.shared.account import Account

# DynamoDB's limit: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
MAX_ITEMS = 25
_KIND = {"S": "purged"}


class PurgedImage(NamedTuple):
    """An image, which is one version of an object, whose dead letter was purged; without a version it is any.

    `box` is where the dead letter was; `day` (UTC) is when it was purged last.
    """

    box: str
    bucket: str
    key: str
    version_id: str | None
    reason: str
    day: date


class Purged:
    """The images whose dead letters were purged. The items do not expire: an audit may ask for any day."""

    def __init__(self, dynamodb: Any, table: str) -> None:  # noqa: ANN401 - the client of any endpoint
        self._dynamodb = dynamodb
        self._table = table

    def note(self, letters: Sequence[Letter]) -> None:
        """Remembers the images that they are about."""
        items = [_item(one, image) for one in letters for image in one.images]
        # An upload and a backfill may have a dead letter each, and DynamoDB takes no item twice in a call.
        for few in batched({item["id"]["S"]: item for item in items}.values(), MAX_ITEMS):
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


def from_stack(account: Account, name: str) -> Purged:
    """Those of the stack; raises UserError where there is no such stack."""
    table = stacks.outputs(account.client("cloudformation"), name, "TableName")["TableName"]
    return Purged(account.client("dynamodb"), table)


def _item(letter: Letter, image: ObjectCreated) -> dict[str, Any]:
    of = {"box": letter.box.name, "bucket": image.bucket, "key": image.key, "version_id": image.version_id}
    # A key may be as long as an id may be, and the rest comes on top.
    identity = hashlib.sha256(json.dumps(of).encode()).hexdigest()
    names = of | {"reason": letter.reason}
    item = {"kind": _KIND, "id": {"S": identity}, "purged_at": {"S": datetime.now(UTC).isoformat(timespec="seconds")}}
    return item | {name: {"S": value} for name, value in names.items() if value}


def _image(item: dict[str, Any]) -> PurgedImage:
    texts = {name: value["S"] for name, value in item.items()}
    day = datetime.fromisoformat(texts["purged_at"]).date()
    return PurgedImage(texts["box"], texts["bucket"], texts["key"], texts.get("version_id"), texts["reason"], day)
