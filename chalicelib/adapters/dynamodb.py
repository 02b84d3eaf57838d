"""DynamoDB: the stack's table.

The kinds of its items are `token`, `upload`, `upload-count`, `image-count`, `model`, `alert`, `test-alert`,
`dead-letter` and `link`. Another kind, `purged`, is only of the command (labelwatch/dead_letters/purged.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, cast

import msgspec

from chalicelib.adapters.faults import raising_faults
from chalicelib.domain.errors import Fault
from chalicelib.domain.idempotency import RecordState
from chalicelib.domain.links import PictureLink
from chalicelib.domain.model import ModelState
from chalicelib.domain.tokens import UPLOADS_PER_DAY, AuthorizedClient, TokenCredential, TokenRecord
from chalicelib.domain.uploads import UploadRecord, end_of_day

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    type Item = dict[str, AttributeValueTypeDef]

# A message lives for 14 days, and as long again as a dead letter; one that is moved back may then do so once more.
RECORD_RETENTION = timedelta(days=60)

# Long enough to look back at a day of last month.
IMAGE_COUNT_RETENTION = timedelta(days=60)

# The conditions: DynamoDB does a write only where its condition holds, so of two writes at one moment one is refused.
# In each, the part about this very write lets it pass a second time, where its first answer was lost on the way.

# Passes where the client has no token, or only a revoked one, which has no digest; or for this very token.
DIGEST_IS_FREE = "attribute_not_exists(digest) OR digest = :digest"
# Passes for the secret of a token in force.
DIGEST_MATCHES = "digest = :digest"
# Passes where the client has a token in force.
DIGEST_EXISTS = "attribute_exists(digest)"

# Passes where the client has presigned uploads left on this day. A write whose first answer was lost counts twice.
BELOW_LIMIT = "attribute_not_exists(uploads) OR uploads < :limit"

# Passes where no run of the model is counted, or where it is counted no further than in the state that was read; or for
# this very write.
STATE_UNCHANGED = "attribute_not_exists(counted_until) OR counted_until IN (:before, :after)"

# Passes where no delivery has acquired the record, where it was completed too long ago to count, or where it is not
# completed and its lock has expired; or for this very owner.
MAY_ACQUIRE = (
    "attribute_not_exists(id) OR completed_at < :since OR "
    "(attribute_not_exists(completed_at) AND (in_progress_until < :now OR owner_id = :owner))"
)
# Passes where the lock is still the owner's: a late release frees no lock of another delivery.
LOCK_IS_OWN = "owner_id = :owner"
# Passes where the record is still there: it may have expired at this moment.
IS_COMPLETED = "attribute_exists(completed_at)"


class _Items:
    """The items of one kind, by id."""

    def __init__(self, client: DynamoDBClient, table: str, kind: str) -> None:
        self.client = client
        self.table = table
        self.kind = kind

    def key(self, item_id: str) -> Item:
        return {"kind": {"S": self.kind}, "id": {"S": item_id}}

    def get(self, item_id: str) -> Item:
        """The item; empty where there is none."""
        with raising_faults():
            answer = self.client.get_item(TableName=self.table, Key=self.key(item_id), ConsistentRead=True)
        return answer.get("Item", {})

    def all(self, prefix: str = "") -> Iterator[Item]:
        """Every item of the kind, by id, or those whose ids have this prefix."""
        values: Item = {":kind": {"S": self.kind}}
        if prefix:
            values[":prefix"] = {"S": prefix}
        with raising_faults():
            pages = self.client.get_paginator("query").paginate(
                TableName=self.table,
                KeyConditionExpression="kind = :kind" + (" AND begins_with(id, :prefix)" if prefix else ""),
                ExpressionAttributeValues=values,
                ConsistentRead=True,
            )
            for page in pages:
                yield from page["Items"]

    def delete(self, item_id: str) -> bool:
        """Deletes the item; False where there is none."""
        with raising_faults():
            answer = self.client.delete_item(TableName=self.table, Key=self.key(item_id), ReturnValues="ALL_OLD")
        return bool(answer.get("Attributes"))

    def put(self, item_id: str, attributes: Item, condition: str | None = None, values: Item | None = None) -> bool:
        """Writes the whole item; False where the condition refuses it."""
        item = self.key(item_id) | attributes
        return self._write("put_item", Item=item, **_conditional(condition, values)) is None

    def update(
        self, item_id: str, change: str, values: Item, condition: str | None = None, *, existing: bool = False
    ) -> Item | None:
        """Changes attributes of the item; None where that is done.

        Where the condition refuses it, the item as it is with `existing`, else an empty one.
        """
        return self._write(
            "update_item",
            Key=self.key(item_id),
            UpdateExpression=change,
            **_conditional(condition, values),
            **({"ReturnValuesOnConditionCheckFailure": "ALL_OLD"} if existing else {}),
        )

    def change(self, item_id: str, change: str, values: Item, condition: str) -> Item | None:
        """Changes attributes of the item, and returns it as it then is; None where the condition refuses it."""
        with raising_faults():
            try:
                answer = self.client.update_item(
                    TableName=self.table,
                    Key=self.key(item_id),
                    UpdateExpression=change,
                    ConditionExpression=condition,
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                )
            except self.client.exceptions.ConditionalCheckFailedException:
                return None
        return answer["Attributes"]

    def updated(self, item_id: str, change: str, values: Item) -> Item:
        """Changes attributes of the item in any case; returns the new values of those."""
        with raising_faults():
            answer = self.client.update_item(
                TableName=self.table,
                Key=self.key(item_id),
                UpdateExpression=change,
                ExpressionAttributeValues=values,
                ReturnValues="UPDATED_NEW",
            )
        return answer["Attributes"]

    def _write(self, operation: str, **request: object) -> Item | None:
        with raising_faults():
            try:
                # By its name: what fails when the client is created is a Fault as well.
                getattr(self.client, operation)(TableName=self.table, **request)
            except self.client.exceptions.ConditionalCheckFailedException as refusal:
                return cast("Item", refusal.response.get("Item", {}))
        return None


class TokenTable:
    """Upload tokens by client; a revoked token stays without its digest, so that nothing matches it."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._items = _Items(client, table, "token")

    def use(self, credential: TokenCredential, now: datetime) -> AuthorizedClient | None:
        """The client, if the token is in force; the same conditional write notes its last use and reads its limit."""
        values: Item = {":now": _time(now), ":digest": {"S": credential.digest}}
        item = self._items.change(credential.client, "SET last_used_at = :now", values, DIGEST_MATCHES)
        return AuthorizedClient(credential.client, _uploads_per_day(item)) if item else None

    def add(self, credential: TokenCredential, now: datetime, uploads_per_day: int = UPLOADS_PER_DAY) -> bool:
        """Adds a new token; False where the client has another one in force."""
        digest: AttributeValueTypeDef = {"S": credential.digest}
        limit: AttributeValueTypeDef = {"N": str(uploads_per_day)}
        attributes: Item = {"digest": digest, "created_at": _time(now), "uploads_per_day": limit}
        return self._items.put(credential.client, attributes, DIGEST_IS_FREE, {":digest": digest})

    def revoke(self, client: str, now: datetime) -> bool:
        """Revokes the client's token; False where the client has none in force."""
        change = "SET revoked_at = :now REMOVE digest"
        return self._items.update(client, change, {":now": _time(now)}, DIGEST_EXISTS) is None

    def all(self) -> list[TokenRecord]:
        """The record of every client's token, by client."""
        return [_token_record(item) for item in self._items.all()]


class UploadTable:
    """The records of presigned uploads, and how many each client had on each day (UTC), until they expire."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._records = _Items(client, table, "upload")
        self._counts = _Items(client, table, "upload-count")

    def count(self, client: AuthorizedClient, now: datetime) -> bool:
        """One conditional write counts and compares, so of two requests at the limit one is refused."""
        change = "SET expires_at = :expiry ADD uploads :one"
        values: Item = {
            ":one": {"N": "1"},
            ":limit": {"N": str(client.uploads_per_day)},
            ":expiry": _expiry(end_of_day(now)),
        }
        return self._counts.update(f"{client.name}/{now:%Y-%m-%d}", change, values, BELOW_LIMIT) is None

    def counts(self, day: date) -> dict[str, int]:
        """How many uploads were presigned on this day, by client."""
        items = ((*item["id"]["S"].split("/"), item["uploads"]["N"]) for item in self._counts.all())
        return {client: int(uploads) for client, of_day, uploads in items if of_day == f"{day}"}

    def add(self, record: UploadRecord) -> None:
        """Adds the record of a new upload, by its key."""
        attributes: Item = {
            "client": {"S": record.client},
            "content_type": {"S": record.content_type},
            "size": {"N": str(record.size)},
            "created_at": _time(record.created_at),
            "expires_at": _expiry(record.expires_at),
        }
        self._records.put(record.key, attributes)

    def delete(self, client: str) -> None:
        """Deletes the records and counts of this client."""
        for items, prefix in ((self._records, f"uploads/{client}/"), (self._counts, f"{client}/")):
            for item in items.all(prefix):
                items.delete(item["id"]["S"])


class ModelStateTable:
    """The state of the model between two checks: one item of `manage_model`, and one of the model's last use."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._items = _Items(client, table, "model")

    def load(self) -> ModelState:
        """The state that was kept last; an empty one where there is none."""
        return msgspec.convert(self._texts("state"), ModelState, strict=False)

    def save(self, state: ModelState, instead_of: ModelState) -> bool:
        """Replaces the state that was loaded; False where another check has written of a run meanwhile."""
        attributes, before = _attributes(state), _attributes(instead_of)
        never: AttributeValueTypeDef = {"S": "never"}
        values = {":before": before.get("counted_until", never), ":after": attributes.get("counted_until", never)}
        return self._items.put("state", attributes, STATE_UNCHANGED, values)

    def record(self, now: datetime) -> None:
        """Writes this time as the model's last use."""
        self._items.put("use", {"at": {"S": now.isoformat()}})

    def last_used(self) -> datetime | None:
        """When the model was last used, as far as that was written."""
        item = self._texts("use")
        return datetime.fromisoformat(item["at"]) if item else None

    def _texts(self, item_id: str) -> dict[str, str]:
        key = self._items.key(item_id)
        return {name: value["S"] for name, value in self._items.get(item_id).items() if name not in key}


class IdempotencyTable:
    """The idempotency records of one kind: one item for each alert or dead letter, until it expires."""

    def __init__(self, client: DynamoDBClient, table: str, kind: str) -> None:
        self._items = _Items(client, table, kind)

    def acquire(
        self, record_id: str, owner: str, now: datetime, until: datetime, since: datetime | None = None
    ) -> RecordState:
        """One conditional write divides all deliveries; an owner that dies loses the record at `until`."""
        expiry = _expiry(now + RECORD_RETENTION)
        refused = self._items.update(
            record_id,
            "SET owner_id = :owner, in_progress_until = :until, expires_at = :expiry REMOVE completed_at",
            {
                ":owner": {"S": owner}, ":until": _seconds(until), ":now": _seconds(now),
                ":since": _time(since or now - RECORD_RETENTION), ":expiry": expiry,
            },
            MAY_ACQUIRE,
            existing=True,
        )  # fmt: skip
        if refused is None:
            return RecordState.ACQUIRED
        if "completed_at" not in refused:
            return RecordState.IN_PROGRESS
        # For the audit, which reads the record of a repeat as long as any other. It is completed even if this fails.
        with suppress(Fault):
            self._items.update(record_id, "SET expires_at = :expiry", {":expiry": expiry}, IS_COMPLETED)
        return RecordState.COMPLETED

    def complete(self, record_id: str, now: datetime) -> None:
        """Writes that the action has happened, even if another owner has the lock by now."""
        self._items.update(record_id, "SET completed_at = :now", {":now": _time(now)})

    def is_completed(self, record_id: str) -> bool:
        """Whether the action has happened, as far as that was written."""
        return "completed_at" in self._items.get(record_id)

    def release(self, record_id: str, owner: str) -> None:
        """Ends the owner's lock early, so that the next delivery need not wait for its end."""
        values: Item = {":ended": {"N": "0"}, ":owner": {"S": owner}}
        self._items.update(record_id, "SET in_progress_until = :ended", values, LOCK_IS_OWN)


class ImageCountTable:
    """The images of each day (UTC) that were sent to the model; the client must not repeat a write by itself."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._items = _Items(client, table, "image-count")

    def of(self, day: date) -> int:
        """The number of this day."""
        return int(self._items.get(day.isoformat()).get("images", {"N": "0"})["N"])

    def add(self, day: date, images: int) -> int:
        """Adds so many images to the day in one atomic write, and returns the sum; fewer than 0 are given back."""
        expiry = datetime(day.year, day.month, day.day, tzinfo=UTC) + IMAGE_COUNT_RETENTION
        values: Item = {":images": {"N": str(images)}, ":expiry": {"N": str(int(expiry.timestamp()))}}
        change = "ADD images :images SET expires_at = :expiry"
        return int(self._items.updated(day.isoformat(), change, values)["images"]["N"])


class LinkTable:
    """The links to picture pages, by the hash of their id, until DynamoDB deletes them after their end."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._items = _Items(client, table, "link")

    def add(self, link: PictureLink) -> None:
        """Adds a new link."""
        attributes: Item = {
            "row_key": {"S": link.row_key},
            "source": {"S": link.source},
            "expires_at": _expiry(link.expires_at),
        }
        self._items.put(link.digest, attributes)

    def find(self, digest: str) -> PictureLink | None:
        """The link, which may have expired: DynamoDB deletes it hours later."""
        item = self._items.get(digest)
        return _picture_link(item) if item else None

    def all(self) -> Iterator[PictureLink]:
        """Every link, which may have expired."""
        return map(_picture_link, self._items.all())

    def revoke(self, digest: str) -> bool:
        """Deletes the link; False where there is none."""
        return self._items.delete(digest)


def _conditional(condition: str | None, values: Item | None) -> dict[str, object]:
    """The condition of a write and the values of its expressions; DynamoDB takes no empty ones."""
    parameters = {"ConditionExpression": condition, "ExpressionAttributeValues": values}
    return {name: value for name, value in parameters.items() if value}


def _attributes(state: ModelState) -> Item:
    return {name: {"S": str(value)} for name, value in msgspec.to_builtins(state).items() if value}


def _seconds(moment: datetime) -> AttributeValueTypeDef:
    return {"N": f"{moment.timestamp():.3f}"}


def _expiry(moment: datetime) -> AttributeValueTypeDef:
    """The time from which on DynamoDB may delete the item, in whole seconds."""
    return {"N": str(int(moment.timestamp()))}


def _time(moment: datetime) -> AttributeValueTypeDef:
    return {"S": moment.astimezone(UTC).isoformat(timespec="seconds")}


def _picture_link(item: Item) -> PictureLink:
    return PictureLink(
        digest=item["id"]["S"],
        row_key=item["row_key"]["S"],
        source=item["source"]["S"],
        expires_at=datetime.fromtimestamp(int(item["expires_at"]["N"]), UTC),
    )


def _token_record(item: Item) -> TokenRecord:
    times = {
        name: datetime.fromisoformat(item[name]["S"])
        for name in ("created_at", "last_used_at", "revoked_at")
        if name in item
    }
    return TokenRecord(item["id"]["S"], uploads_per_day=_uploads_per_day(item), **times)


def _uploads_per_day(item: Item) -> int:
    return int(item["uploads_per_day"]["N"]) if "uploads_per_day" in item else UPLOADS_PER_DAY
