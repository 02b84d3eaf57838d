"""The stack's table: its partitions are `token`, `model` (its life), `alert` and `dead-letter` (what is told once).

A fifth, `purged`, is the operator's alone (labelwatch/dead_letters/purged.py).
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib.adapters.faults import told_as_faults
from chalicelib.domain.errors import Fault
from chalicelib.domain.idempotency import RecordState
from chalicelib.domain.model import ModelState
from chalicelib.domain.tokens import TokenCredential, TokenRecord

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

_TOKENS: AttributeValueTypeDef = {"S": "token"}
_MEMORY: dict[str, AttributeValueTypeDef] = {"kind": {"S": "model"}, "id": {"S": "memory"}}
_USE: dict[str, AttributeValueTypeDef] = {"kind": {"S": "model"}, "id": {"S": "use"}}
_NEVER: AttributeValueTypeDef = {"S": "never"}
# A message lives for 14 days, and as long again as a dead letter; one that is moved back may then do so once more.
REMEMBERED = timedelta(days=60)


class TokenTable:
    """Upload tokens by client; a revoked one is kept without its hash, so that nothing matches it."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def use(self, claim: TokenCredential, now: datetime) -> bool:
        """Whether the claim holds; one conditional write asks it and notes the last use, so no race divides them."""
        return self._update(
            claim.client,
            "SET last_used_at = :now",
            "digest = :digest",
            {":now": _time(now), ":digest": {"S": claim.digest}},
        )

    def add(self, claim: TokenCredential, now: datetime) -> bool:
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


class ModelStateTable:
    """What is remembered of the model's life: one item of `manage_model`, and one of the model's last use."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def load(self) -> ModelState:
        """What was kept last; an empty one where nothing was."""
        return msgspec.convert(self._item(_MEMORY), ModelState, strict=False)

    def save(self, state: ModelState, instead_of: ModelState) -> bool:
        """Saves the state in place of the loaded one; False where another check saved one of a run meanwhile."""
        item, before = _texts(state), _texts(instead_of)
        with told_as_faults():
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=_MEMORY | item,
                    # The last: this write again, where its first answer was lost on the way.
                    ConditionExpression="attribute_not_exists(counted_until) OR counted_until IN (:before, :this)",
                    ExpressionAttributeValues={
                        ":before": before.get("counted_until", _NEVER), ":this": item.get("counted_until", _NEVER),
                    },
                )  # fmt: skip
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def used(self, now: datetime) -> None:
        """Notes that the model was of use."""
        with told_as_faults():
            self._client.put_item(TableName=self._table, Item=_USE | {"at": {"S": now.isoformat()}})

    def last_used(self) -> datetime | None:
        """When the model was of use last, as far as anybody noted it."""
        item = self._item(_USE)
        return datetime.fromisoformat(item["at"]) if item else None

    def _item(self, key: dict[str, AttributeValueTypeDef]) -> dict[str, str]:
        with told_as_faults():
            item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item", {})
        return {name: value["S"] for name, value in item.items() if name not in key}


class IdempotencyTable:
    """What has been told of, and what is being told: one item for each, by kind and id, until it expires."""

    def __init__(self, client: DynamoDBClient, table: str, kind: str) -> None:
        self._client = client
        self._table = table
        self._kind = kind

    def claim(
        self, what: str, owner: str, now: datetime, until: datetime, since: datetime | None = None
    ) -> RecordState:
        """One conditional write divides all deliveries; whoever dies with a claim loses it at `until`."""
        expiry: AttributeValueTypeDef = {"N": str(int((now + REMEMBERED).timestamp()))}
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
                        ":since": _time(since or now - REMEMBERED), ":expiry": expiry,
                    },
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )  # fmt: skip
            except self._client.exceptions.ConditionalCheckFailedException as problem:
                there: Any = problem.response.get("Item", {})
                if "told_at" not in there:
                    return RecordState.IN_PROGRESS
                self._remember_on(what, expiry)
                return RecordState.COMPLETED
        return RecordState.ACQUIRED

    def told(self, what: str, now: datetime) -> None:
        """Remembers that it was told."""
        self._update(what, "SET told_at = :now", {":now": _time(now)})

    def release(self, what: str) -> None:
        """Gives up a claim, so that the next delivery need not wait for its end."""
        self._update(what, "SET claimed_until = :never", {":never": {"N": "0"}})

    def _remember_on(self, what: str, expiry: AttributeValueTypeDef) -> None:
        """For the audit: a repeat is as young as ever. That it was told stays true where this cannot be noted."""
        with suppress(Fault), told_as_faults():
            self._client.update_item(
                TableName=self._table,
                Key=self._key(what),
                UpdateExpression="SET expires_at = :expiry",
                ConditionExpression="attribute_exists(told_at)",  # it may have expired just now
                ExpressionAttributeValues={":expiry": expiry},
            )

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


def _texts(memory: ModelState) -> dict[str, AttributeValueTypeDef]:
    return {name: {"S": str(value)} for name, value in msgspec.to_builtins(memory).items() if value}


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
