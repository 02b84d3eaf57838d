"""Items of the stack's table, by kind."""

from collections.abc import Iterable, Iterator
from itertools import batched
from typing import Any, NamedTuple

# DynamoDB's limit: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
MAX_ITEMS = 100


class Record(NamedTuple):
    """The key of an item."""

    kind: str
    id: str

    @property
    def key(self) -> dict[str, dict[str, str]]:
        """As DynamoDB names it."""
        return {"kind": {"S": self.kind}, "id": {"S": self.id}}


class Table:
    """The stack's table."""

    def __init__(self, dynamodb: Any, name: str) -> None:  # noqa: ANN401 - the client of any endpoint
        self._dynamodb = dynamodb
        self._name = name

    def of_kind(self, kind: str) -> Iterator[tuple[Record, dict[str, str]]]:
        """Each item of the kind, with its attributes."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._name,
            KeyConditionExpression="kind = :kind",
            ExpressionAttributeValues={":kind": {"S": kind}},
            ConsistentRead=True,
        )
        for page in pages:
            for item in page["Items"]:
                yield Record(kind, item["id"]["S"]), {name: next(iter(value.values())) for name, value in item.items()}

    def existing(self, kind: str, ids: Iterable[str]) -> list[Record]:
        """The records among these that exist."""
        found: list[Record] = []
        for batch in batched(dict.fromkeys(ids), MAX_ITEMS):
            keys = [Record(kind, record_id).key for record_id in batch]
            request = {self._name: {"Keys": keys, "ConsistentRead": True}}
            while request:
                response = self._dynamodb.batch_get_item(RequestItems=request)
                found += [Record(kind, item["id"]["S"]) for item in response["Responses"].get(self._name, [])]
                request = response.get("UnprocessedKeys")
        return found

    def delete(self, record: Record) -> None:
        """Deletes the item, if it exists."""
        self._dynamodb.delete_item(TableName=self._name, Key=record.key)
