"""The stack's table: its partitions are `token`, `model` (its life), `alert` and `dead-letter` (what is told once).

A fifth, `purged`, is the operator's alone (labelwatch/deadletters/purged.py).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib.adapters.faults import told_as_faults
from chalicelib.model import LONG_AGO, Claim, ModelMemory, Standing, TokenRecord

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

_TOKENS: AttributeValueTypeDef = {"S": "token"}
_MEMORY: dict[str, AttributeValueTypeDef] = {"kind": {"S": "model"}, "id": {"S": "memory"}}
_USE: dict[str, AttributeValueTypeDef] = {"kind": {"S": "model"}, "id": {"S": "use"}}
# A message lives for 14 days, and as long again as a dead letter; one that is moved back may then do so once more.
REMEMBERED = timedelta(days=60)


class TokenTable:
    """Upload tokens by client; a revoked one is kept without its hash, so that nothing matches it."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def use(self, claim: Claim, now: datetime) -> bool:
        """Whether the claim holds; one conditional write asks it and notes the last use, so no race divides them."""
        return self._update(
            claim.client,
            "SET last_used_at = :now",
            "digest = :digest",
            {":now": _time(now), ":digest": {"S": claim.digest}},
        )

    def add(self, claim: Claim, now: datetime) -> bool:
        """Keeps a new token; False where the client has one that is not revoked."""
        with told_as_faults():
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item={**_key(claim.client), "digest": {"S": claim.digest}, "created_at": _time(now)},
                    # The second: this write again, where its first answer was lost on the way.
                    ConditionExpression="attribute_not_exists(digest) OR digest = :digest",
                    ExpressionAttributeValues={":digest": {"S": claim.digest}},
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def revoke(self, client: str, now: datetime) -> bool:
        """Takes the token out of force; False where the client has none that is."""
        return self._update(
            client, "SET revoked_at = :now REMOVE digest", "attribute_exists(digest)", {":now": _time(now)}
        )

    def all(self) -> list[TokenRecord]:
        """What is known of every client's token, by client."""
        with told_as_faults():
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="kind = :kind",
                ExpressionAttributeValues={":kind": _TOKENS},
                ConsistentRead=True,
            )
            return [_record(item) for page in pages for item in page["Items"]]

    def _update(self, client: str, change: str, condition: str, values: dict[str, AttributeValueTypeDef]) -> bool:
        with told_as_faults():
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=_key(client),
                    UpdateExpression=change,
                    ConditionExpression=condition,
                    ExpressionAttributeValues=values,
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
        return True


class ModelMemories:
    """What is remembered of the model's life: one item of `keep_model`, and one of the model's last use."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def recall(self) -> ModelMemory:
        """What was kept last; an empty one where nothing was."""
        return msgspec.convert(self._item(_MEMORY), ModelMemory, strict=False)

    def keep(self, memory: ModelMemory) -> None:
        """Keeps this in place of what was kept before."""
        self._put(_MEMORY, {name: str(value) for name, value in msgspec.to_builtins(memory).items() if value})

    def used(self, now: datetime) -> None:
        """Notes that the model was of use."""
        self._put(_USE, {"at": now.isoformat()})

    def last_used(self) -> datetime | None:
        """When the model was of use last, as far as anybody noted it."""
        item = self._item(_USE)
        return datetime.fromisoformat(item["at"]) if item else None

    def _item(self, key: dict[str, AttributeValueTypeDef]) -> dict[str, str]:
        with told_as_faults():
            item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item", {})
        return {name: value["S"] for name, value in item.items() if name not in key}

    def _put(self, key: dict[str, AttributeValueTypeDef], values: dict[str, str]) -> None:
        with told_as_faults():
            self._client.put_item(
                TableName=self._table, Item=key | {name: {"S": value} for name, value in values.items()}
            )


class ClaimItems:
    """What has been told of, and what is being told: one item for each, by kind and id, until it expires."""

    def __init__(self, client: DynamoDBClient, table: str, kind: str) -> None:
        self._client = client
        self._table = table
        self._kind = kind

    def claim(self, what: str, owner: str, now: datetime, until: datetime, since: datetime = LONG_AGO) -> Standing:
        """One conditional write divides all deliveries; whoever dies with a claim loses it at `until`."""
        with told_as_faults():
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=self._key(what),
                    UpdateExpression="SET claimed_by = :owner, claimed_until = :until, expires_at = :expiry "
                    "REMOVE told_at",
                    # The last: this write again, where its first answer was lost on the way.
                    ConditionExpression="attribute_not_exists(id) OR told_at < :since OR "
                    "(attribute_not_exists(told_at) AND (claimed_until < :now OR claimed_by = :owner))",
                    ExpressionAttributeValues={
                        ":owner": {"S": owner}, ":until": _seconds(until), ":now": _seconds(now),
                        ":since": _time(since), ":expiry": {"N": str(int((now + REMEMBERED).timestamp()))},
                    },
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )  # fmt: skip
            except self._client.exceptions.ConditionalCheckFailedException as problem:
                there: Any = problem.response.get("Item", {})
                return Standing.TOLD if "told_at" in there else Standing.BEING_TOLD
        return Standing.OURS

    def told(self, what: str, now: datetime) -> None:
        """Remembers that it was told."""
        self._update(what, "SET told_at = :now", {":now": _time(now)})

    def release(self, what: str) -> None:
        """Gives up a claim, so that the next delivery need not wait for its end."""
        self._update(what, "SET claimed_until = :never", {":never": {"N": "0"}})

    def _update(self, what: str, change: str, values: dict[str, AttributeValueTypeDef]) -> None:
        with told_as_faults():
            self._client.update_item(
                TableName=self._table,
                Key=self._key(what),
                UpdateExpression=change,
                ExpressionAttributeValues=values,
            )

    def _key(self, what: str) -> dict[str, AttributeValueTypeDef]:
        return {"kind": {"S": self._kind}, "id": {"S": what}}


def _seconds(moment: datetime) -> AttributeValueTypeDef:
    return {"N": f"{moment.timestamp():.3f}"}


def _key(client: str) -> dict[str, AttributeValueTypeDef]:
    return {"kind": _TOKENS, "id": {"S": client}}


def _time(moment: datetime) -> AttributeValueTypeDef:
    return {"S": moment.astimezone(UTC).isoformat(timespec="seconds")}


def _record(item: dict[str, AttributeValueTypeDef]) -> TokenRecord:
    times = {
        name: datetime.fromisoformat(item[name]["S"])
        for name in ("created_at", "last_used_at", "revoked_at")
        if name in item
    }
    return TokenRecord(item["id"]["S"], **times)
