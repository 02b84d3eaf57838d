"""Upload tokens, the model's state and idempotency records on moto, in the table of the deployment's template."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import NoCredentialsError
from botocore.stub import Stubber
from rich.console import Console

from chalicelib.adapters.dynamodb import (
    RECORD_RETENTION,
    IdempotencyTable,
    ImageCountTable,
    LinkTable,
    ModelStateTable,
    TokenTable,
    UploadTable,
)
from chalicelib.domain.errors import Retryable
from chalicelib.domain.idempotency import RecordState
from chalicelib.domain.links import new_link
from chalicelib.domain.model import ModelState
from chalicelib.domain.tokens import AuthorizedClient, TokenCredential, TokenRecord
from chalicelib.domain.uploads import UploadRecord
from chalicelib.wiring import LazyClient
from labelwatch.links import revoking
from labelwatch.shared.console import Terminal
from tests.integration.conftest import TABLE
from tests.support.builders import NOW

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CREDENTIAL = TokenCredential("camera-north", "a" * 64)
LATER = NOW + timedelta(days=1)
# Kept to the second.
THEN, THEN_LATER = NOW.replace(microsecond=0), LATER.replace(microsecond=0)


@pytest.fixture
def tokens(dynamodb: DynamoDBClient) -> TokenTable:
    return TokenTable(dynamodb, TABLE)


def test_a_token_that_was_added_may_be_used_and_its_use_is_written(tokens: TokenTable) -> None:
    assert tokens.add(CREDENTIAL, NOW)
    assert tokens.all() == [TokenRecord("camera-north", THEN)]
    assert tokens.use(CREDENTIAL, LATER)
    assert tokens.all() == [TokenRecord("camera-north", THEN, last_used_at=THEN_LATER)]


@pytest.mark.parametrize(
    "credential", [TokenCredential("camera-north", "b" * 64), TokenCredential("camera-south", "a" * 64)]
)
def test_no_other_secret_and_no_other_client_is_accepted_and_nothing_is_written(
    tokens: TokenTable, credential: TokenCredential
) -> None:
    tokens.add(CREDENTIAL, NOW)
    assert not tokens.use(credential, LATER)
    assert tokens.all() == [TokenRecord("camera-north", THEN)]


def test_a_client_has_one_token_at_a_time(tokens: TokenTable) -> None:
    tokens.add(CREDENTIAL, NOW)
    assert not tokens.add(TokenCredential("camera-north", "b" * 64), LATER)
    assert tokens.use(CREDENTIAL, LATER)


def test_a_write_whose_answer_was_lost_may_be_repeated(tokens: TokenTable) -> None:
    assert [tokens.add(CREDENTIAL, NOW), tokens.add(CREDENTIAL, NOW)] == [True, True]


def test_a_revoked_token_is_refused_and_still_listed_without_its_digest(
    tokens: TokenTable, dynamodb: DynamoDBClient
) -> None:
    tokens.add(CREDENTIAL, NOW)
    assert tokens.revoke("camera-north", LATER)
    assert not tokens.use(CREDENTIAL, LATER)
    assert tokens.all() == [TokenRecord("camera-north", THEN, revoked_at=THEN_LATER)]
    assert "digest" not in dynamodb.scan(TableName=TABLE)["Items"][0]


def test_a_client_whose_token_was_revoked_may_have_a_new_one(tokens: TokenTable) -> None:
    tokens.add(CREDENTIAL, NOW)
    tokens.revoke("camera-north", NOW)
    new = TokenCredential("camera-north", "b" * 64)
    assert tokens.add(new, LATER)
    assert (tokens.use(CREDENTIAL, LATER), tokens.use(new, LATER)) == (None, AuthorizedClient("camera-north"))


@pytest.mark.parametrize("revoked_before", [False, True])
def test_a_token_that_is_not_in_force_cannot_be_revoked(tokens: TokenTable, revoked_before: bool) -> None:  # noqa: FBT001
    if revoked_before:
        tokens.add(CREDENTIAL, NOW)
        tokens.revoke("camera-north", NOW)
    assert not tokens.revoke("camera-north", LATER)


def test_a_use_that_comes_after_the_end_does_not_bring_a_token_back(tokens: TokenTable) -> None:
    assert not tokens.use(CREDENTIAL, NOW)
    assert tokens.all() == []


def test_all_clients_are_listed_and_nothing_else_of_the_table(tokens: TokenTable, dynamodb: DynamoDBClient) -> None:
    for client in ("b", "a", "c"):
        tokens.add(TokenCredential(client, "a" * 64), NOW)
    dynamodb.put_item(TableName=TABLE, Item={"kind": {"S": "another"}, "id": {"S": "x"}})
    assert [token.client for token in tokens.all()] == ["a", "b", "c"]


def test_a_refusal_of_the_service_is_a_fault_that_keeps_its_name(dynamodb: DynamoDBClient) -> None:
    with Stubber(dynamodb) as stub:
        stub.add_client_error("update_item", "ProvisionedThroughputExceededException", "slow down")
        with pytest.raises(Retryable, match="ProvisionedThroughputExceededException: slow down"):
            TokenTable(dynamodb, TABLE).use(CREDENTIAL, NOW)


def test_a_token_has_its_limit_and_a_token_of_earlier_versions_the_default(
    tokens: TokenTable, dynamodb: DynamoDBClient
) -> None:
    tokens.add(CREDENTIAL, NOW, uploads_per_day=7)
    assert tokens.use(CREDENTIAL, NOW) == AuthorizedClient("camera-north", uploads_per_day=7)
    key: Any = {"kind": {"S": "token"}, "id": {"S": "camera-north"}}
    dynamodb.update_item(TableName=TABLE, Key=key, UpdateExpression="REMOVE uploads_per_day")
    assert tokens.use(CREDENTIAL, NOW) == AuthorizedClient("camera-north", uploads_per_day=10_000)
    assert tokens.all() == [TokenRecord("camera-north", THEN, last_used_at=THEN, uploads_per_day=10_000)]


@pytest.fixture
def uploads(dynamodb: DynamoDBClient) -> UploadTable:
    return UploadTable(dynamodb, TABLE)


def limited(client: str, uploads_per_day: int = 2) -> AuthorizedClient:
    return AuthorizedClient(client, uploads_per_day)


def test_a_client_s_uploads_are_counted_up_to_its_limit_on_each_day(uploads: UploadTable) -> None:
    assert [uploads.count(limited("a"), NOW) for _ in range(3)] == [True, True, False]
    assert uploads.count(limited("a-b"), NOW)
    assert uploads.count(limited("a"), LATER)
    assert uploads.counts(NOW.date()) == {"a": 2, "a-b": 1}
    assert uploads.counts(LATER.date()) == {"a": 1}


def test_a_higher_limit_counts_on_at_once(uploads: UploadTable) -> None:
    assert [uploads.count(limited("a", limit), NOW) for limit in (1, 1, 2, 2)] == [True, False, True, False]


def test_a_count_expires_when_its_day_ends(uploads: UploadTable, dynamodb: DynamoDBClient) -> None:
    uploads.count(limited("a"), datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC))
    (item,) = dynamodb.scan(TableName=TABLE)["Items"]
    assert item["id"] == {"S": "a/2026-11-22"}
    assert item["expires_at"] == {"N": str(int(datetime(2026, 11, 23, tzinfo=UTC).timestamp()))}


def record(client: str) -> UploadRecord:
    return UploadRecord(
        key=f"uploads/{client}/2026-11-22/{'a' * 16}-稲.jpg",
        client=client,
        content_type="image/jpeg",
        size=204_800,
        created_at=NOW,
        expires_at=NOW + timedelta(minutes=15),
    )


def test_a_presigned_upload_has_one_item_under_its_key_until_it_expires(
    uploads: UploadTable, dynamodb: DynamoDBClient
) -> None:
    uploads.add(record("a"))
    (item,) = dynamodb.scan(TableName=TABLE)["Items"]
    assert item == {
        "kind": {"S": "upload"},
        "id": {"S": record("a").key},
        "client": {"S": "a"},
        "content_type": {"S": "image/jpeg"},
        "size": {"N": "204800"},
        "created_at": {"S": THEN.isoformat()},
        "expires_at": {"N": str(int((NOW + timedelta(minutes=15)).timestamp()))},
    }


def test_the_records_and_counts_of_one_client_are_deleted_and_no_others(
    uploads: UploadTable, dynamodb: DynamoDBClient, tokens: TokenTable
) -> None:
    tokens.add(TokenCredential("a", "a" * 64), NOW)
    for client in ("a", "a-b"):
        uploads.add(record(client))
        uploads.count(limited(client), NOW)
    uploads.delete("a")
    left = [(item["kind"]["S"], item["id"]["S"]) for item in dynamodb.scan(TableName=TABLE)["Items"]]
    assert sorted(left) == [("token", "a"), ("upload", record("a-b").key), ("upload-count", "a-b/2026-11-22")]


UNTIL = NOW + timedelta(seconds=65)
AFTER = UNTIL + timedelta(milliseconds=1)
A_DAY_LATER = NOW + timedelta(days=1)


@pytest.fixture
def records(dynamodb: DynamoDBClient) -> IdempotencyTable:
    return IdempotencyTable(dynamodb, TABLE, "alert")


def test_one_of_two_deliveries_acquires_the_record(records: IdempotencyTable) -> None:
    states = [records.acquire("p1", owner, NOW, UNTIL) for owner in ("one", "another")]
    assert states == [RecordState.ACQUIRED, RecordState.IN_PROGRESS]


def test_a_completed_record_stays_completed(records: IdempotencyTable) -> None:
    records.acquire("p1", "one", NOW, UNTIL)
    records.complete("p1", NOW)
    assert records.acquire("p1", "another", A_DAY_LATER, A_DAY_LATER) is RecordState.COMPLETED
    assert records.acquire("p1", "one", NOW, UNTIL) is RecordState.COMPLETED


def test_a_record_is_completed_after_its_action_and_not_when_it_is_acquired(records: IdempotencyTable) -> None:
    assert not records.is_completed("p1")
    records.acquire("p1", "owner", NOW, UNTIL)
    assert not records.is_completed("p1")
    records.complete("p1", NOW)
    assert records.is_completed("p1")


def test_a_lock_ends_with_its_time_and_not_before(records: IdempotencyTable) -> None:
    records.acquire("p1", "one", NOW, UNTIL)
    assert records.acquire("p1", "another", UNTIL, AFTER) is RecordState.IN_PROGRESS
    assert records.acquire("p1", "another", AFTER, AFTER) is RecordState.ACQUIRED


def test_a_released_record_may_be_acquired_by_another_owner(records: IdempotencyTable) -> None:
    records.acquire("p1", "one", NOW, UNTIL)
    records.release("p1", "one")
    assert records.acquire("p1", "another", NOW, UNTIL) is RecordState.ACQUIRED


def test_a_late_release_frees_no_lock_of_another_owner(records: IdempotencyTable) -> None:
    records.acquire("p1", "one", NOW, UNTIL)
    records.acquire("p1", "another", AFTER, A_DAY_LATER)
    records.release("p1", "one")
    assert records.acquire("p1", "a third", AFTER, A_DAY_LATER) is RecordState.IN_PROGRESS


def test_a_late_acquire_takes_no_record_that_was_acquired_or_completed_since(records: IdempotencyTable) -> None:
    records.acquire("p1", "another", AFTER, A_DAY_LATER)
    assert records.acquire("p1", "late", NOW, UNTIL) is RecordState.IN_PROGRESS
    records.complete("p1", AFTER)
    assert records.acquire("p1", "late", NOW, UNTIL) is RecordState.COMPLETED


def test_the_same_owner_may_repeat_acquire_as_after_an_answer_that_was_lost(records: IdempotencyTable) -> None:
    assert [records.acquire("p1", "one", NOW, UNTIL) for _ in range(2)] == [RecordState.ACQUIRED, RecordState.ACQUIRED]


def test_a_record_that_was_completed_before_since_may_be_acquired_once_more(records: IdempotencyTable) -> None:
    records.acquire("p1", "one", NOW, UNTIL)
    records.complete("p1", NOW)
    assert (
        records.acquire("p1", "another", A_DAY_LATER, A_DAY_LATER, NOW - timedelta(seconds=1)) is RecordState.COMPLETED
    )
    assert (
        records.acquire("p1", "another", A_DAY_LATER, A_DAY_LATER, NOW + timedelta(seconds=1)) is RecordState.ACQUIRED
    )
    assert (
        records.acquire("p1", "a third", A_DAY_LATER, A_DAY_LATER, NOW + timedelta(seconds=1))
        is RecordState.IN_PROGRESS
    )


def test_a_completed_record_that_should_have_expired_may_be_acquired_once_more(records: IdempotencyTable) -> None:
    """DynamoDB deletes late."""
    records.acquire("p1", "one", NOW, UNTIL)
    records.complete("p1", NOW)
    assert records.acquire("p1", "another", NOW + RECORD_RETENTION, AFTER) is RecordState.COMPLETED
    assert (
        records.acquire("p1", "another", NOW + RECORD_RETENTION + timedelta(seconds=1), AFTER) is RecordState.ACQUIRED
    )


def test_a_repeat_extends_the_expiry_of_a_completed_record(records: IdempotencyTable, dynamodb: DynamoDBClient) -> None:
    records.acquire("p1", "one", NOW, UNTIL)
    records.complete("p1", NOW)
    records.acquire("p1", "another", A_DAY_LATER, A_DAY_LATER)
    (item,) = dynamodb.scan(TableName=TABLE)["Items"]
    assert int(item["expires_at"]["N"]) == int((A_DAY_LATER + RECORD_RETENTION).timestamp())
    assert item["completed_at"]["S"] == THEN.isoformat()


def test_each_prediction_has_a_record_of_its_own(records: IdempotencyTable) -> None:
    records.acquire("p1", "one", NOW, UNTIL)
    assert records.acquire("p2", "another", NOW, UNTIL) is RecordState.ACQUIRED


def test_a_record_expires_after_two_months_by_the_attribute_that_the_table_expires_by(
    records: IdempotencyTable, dynamodb: DynamoDBClient, template: dict[str, Any]
) -> None:
    records.acquire("p1", "one", NOW, UNTIL)
    records.complete("p1", NOW)
    (item,) = dynamodb.scan(TableName=TABLE)["Items"]
    expires = template["Resources"]["Table"]["Properties"]["TimeToLiveSpecification"]["AttributeName"]
    assert int(item[expires]["N"]) == int((NOW + timedelta(days=60)).timestamp())


def test_a_token_and_a_record_of_the_same_id_are_separate(records: IdempotencyTable, tokens: TokenTable) -> None:
    tokens.add(CREDENTIAL, NOW)
    records.acquire(CREDENTIAL.client, "one", NOW, UNTIL)
    assert tokens.all() == [TokenRecord("camera-north", THEN)]
    assert tokens.use(CREDENTIAL, LATER)


@pytest.mark.parametrize("call", ["acquire", "complete", "release"])
def test_a_table_that_does_not_exist_is_a_fault_to_retry(dynamodb: DynamoDBClient, call: str) -> None:
    records = IdempotencyTable(dynamodb, "no-such-table", "alert")
    arguments = {"acquire": ("p1", "one", NOW, UNTIL), "complete": ("p1", NOW), "release": ("p1", "one")}[call]
    with pytest.raises(Retryable, match="ResourceNotFoundException"):
        getattr(records, call)(*arguments)


def test_a_client_that_cannot_be_created_is_a_fault_to_retry() -> None:
    def create() -> Any:
        raise NoCredentialsError

    with pytest.raises(Retryable, match="Unable to locate credentials"):
        IdempotencyTable(cast("DynamoDBClient", LazyClient(create)), TABLE, "alert").complete("p1", NOW)


def test_the_model_s_state_is_loaded_as_it_was_kept(dynamodb: DynamoDBClient) -> None:
    model_states = ModelStateTable(dynamodb, TABLE)
    assert (model_states.load(), model_states.last_used()) == (ModelState(), None)
    kept = ModelState(
        model="arn:of:a:model", month="2026-11", seconds=5400.25, started_at=NOW, counted_until=LATER, image_found=True
    )
    assert model_states.save(kept, ModelState())
    model_states.record(NOW)
    assert (model_states.load(), model_states.last_used()) == (kept, NOW)


def test_an_attribute_that_the_new_state_has_not_is_removed(dynamodb: DynamoDBClient) -> None:
    model_states = ModelStateTable(dynamodb, TABLE)
    started = ModelState(model="arn:of:a:model", started_at=NOW, counted_until=NOW)
    model_states.save(started, ModelState())
    model_states.save(ModelState(model="arn:of:a:model"), started)
    assert model_states.load().started_at is None


def test_the_run_that_another_check_has_written_meanwhile_stays(dynamodb: DynamoDBClient) -> None:
    model_states = ModelStateTable(dynamodb, TABLE)
    before = ModelState(model="arn:of:a:model", counted_until=NOW)
    model_states.save(before, ModelState())
    newer = ModelState(model="arn:of:a:model", started_at=LATER, counted_until=LATER)
    # The second time as after an answer that was lost.
    assert [model_states.save(newer, before) for _ in range(2)] == [True, True]
    assert not model_states.save(ModelState(model="arn:of:a:model"), before)
    assert not model_states.save(ModelState(model="arn:of:a:model"), ModelState())
    assert model_states.load() == newer


def test_the_model_s_state_is_no_token(dynamodb: DynamoDBClient, tokens: TokenTable) -> None:
    model_states = ModelStateTable(dynamodb, TABLE)
    model_states.save(ModelState(model="arn:of:a:model"), ModelState())
    model_states.record(NOW)
    assert tokens.all() == []


@pytest.fixture
def links(dynamodb: DynamoDBClient) -> LinkTable:
    return LinkTable(dynamodb, TABLE)


def test_a_link_is_found_by_its_hash_until_dynamodb_deletes_it(links: LinkTable, dynamodb: DynamoDBClient) -> None:
    link_id, link = new_link("predictions/dt=2026-11-22/a.json", "field-3", THEN)
    links.add(link)
    assert links.find(link.digest) == link
    assert links.find("0" * 64) is None
    (item,) = dynamodb.scan(TableName=TABLE)["Items"]
    assert item["expires_at"] == {"N": str(int(link.expires_at.timestamp()))}
    assert link_id not in str(item)


def test_a_revoked_link_is_deleted_and_the_others_stay(links: LinkTable) -> None:
    first, second = (new_link("row", source, THEN)[1] for source in ("field-3", "稲 田"))
    links.add(first)
    links.add(second)
    assert links.revoke(first.digest)
    assert not links.revoke(first.digest)
    assert (links.find(first.digest), list(links.all())) == (None, [second])


def test_revoking_all_links_of_a_table_leaves_its_other_items(links: LinkTable, tokens: TokenTable) -> None:
    for number in range(30):
        links.add(new_link("row", f"field-{number}", THEN)[1])
    tokens.add(CREDENTIAL, NOW)
    revoking.revoke(links, list(links.all()), Terminal(Console(quiet=True), lambda _: True))
    assert list(links.all()) == []
    assert tokens.all() == [TokenRecord("camera-north", THEN)]


DAY = date(2026, 11, 22)


def test_each_day_has_its_own_count_of_images(dynamodb: DynamoDBClient) -> None:
    counts = ImageCountTable(dynamodb, TABLE)
    assert (counts.of(DAY), counts.add(DAY, 10), counts.add(DAY, -3), counts.of(DAY)) == (0, 10, 7, 7)
    assert counts.of(DAY + timedelta(days=1)) == 0


def test_the_count_of_a_day_expires_after_that_day(dynamodb: DynamoDBClient, template: dict[str, Any]) -> None:
    ImageCountTable(dynamodb, TABLE).add(DAY, 1)
    expiring = template["Resources"]["Table"]["Properties"]["TimeToLiveSpecification"]["AttributeName"]
    (item,) = dynamodb.scan(TableName=TABLE)["Items"]
    assert datetime.fromtimestamp(int(item[expiring]["N"]), UTC).date() > DAY + timedelta(days=1)
