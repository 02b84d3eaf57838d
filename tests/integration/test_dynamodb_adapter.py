"""Upload tokens and told predictions on moto, in a table as the deployment's template makes it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from chalicelib.adapters.dynamodb import REMEMBERED, IdempotencyTable, ModelStateTable, TokenTable
from chalicelib.domain.errors import Retryable
from chalicelib.domain.idempotency import RecordState
from chalicelib.domain.model import ModelState
from chalicelib.domain.tokens import TokenCredential, TokenRecord
from tests.integration.conftest import TABLE
from tests.support.builders import NOW

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CLAIM = TokenCredential("camera-north", "a" * 64)
LATER = NOW + timedelta(days=1)
# Kept to the second.
THEN, THEN_LATER = NOW.replace(microsecond=0), LATER.replace(microsecond=0)


@pytest.fixture
def tokens(dynamodb: DynamoDBClient) -> TokenTable:
    return TokenTable(dynamodb, TABLE)


def test_a_token_that_was_added_may_be_used_and_its_use_is_noted(tokens: TokenTable) -> None:
    assert tokens.add(CLAIM, NOW)
    assert tokens.all() == [TokenRecord("camera-north", THEN)]
    assert tokens.use(CLAIM, LATER)
    assert tokens.all() == [TokenRecord("camera-north", THEN, last_used_at=THEN_LATER)]


@pytest.mark.parametrize(
    "claim", [TokenCredential("camera-north", "b" * 64), TokenCredential("camera-south", "a" * 64)]
)
def test_no_other_secret_and_no_other_client_is_let_in_and_nothing_is_written(
    tokens: TokenTable, claim: TokenCredential
) -> None:
    tokens.add(CLAIM, NOW)
    assert not tokens.use(claim, LATER)
    assert tokens.all() == [TokenRecord("camera-north", THEN)]


def test_a_client_has_one_token_at_a_time(tokens: TokenTable) -> None:
    tokens.add(CLAIM, NOW)
    assert not tokens.add(TokenCredential("camera-north", "b" * 64), LATER)
    assert tokens.use(CLAIM, LATER)


def test_a_write_whose_answer_was_lost_may_be_done_again(tokens: TokenTable) -> None:
    assert [tokens.add(CLAIM, NOW), tokens.add(CLAIM, NOW)] == [True, True]


def test_a_revoked_token_is_refused_and_still_listed_without_its_hash(
    tokens: TokenTable, dynamodb: DynamoDBClient
) -> None:
    tokens.add(CLAIM, NOW)
    assert tokens.revoke("camera-north", LATER)
    assert not tokens.use(CLAIM, LATER)
    assert tokens.all() == [TokenRecord("camera-north", THEN, revoked_at=THEN_LATER)]
    assert "digest" not in dynamodb.scan(TableName=TABLE)["Items"][0]


def test_a_client_whose_token_was_revoked_may_have_a_new_one(tokens: TokenTable) -> None:
    tokens.add(CLAIM, NOW)
    tokens.revoke("camera-north", NOW)
    new = TokenCredential("camera-north", "b" * 64)
    assert tokens.add(new, LATER)
    assert (tokens.use(CLAIM, LATER), tokens.use(new, LATER)) == (False, True)


@pytest.mark.parametrize("revoked_before", [False, True])
def test_what_is_not_in_force_cannot_be_revoked(tokens: TokenTable, revoked_before: bool) -> None:  # noqa: FBT001
    if revoked_before:
        tokens.add(CLAIM, NOW)
        tokens.revoke("camera-north", NOW)
    assert not tokens.revoke("camera-north", LATER)


def test_a_use_that_comes_after_the_end_does_not_bring_a_token_back(tokens: TokenTable) -> None:
    assert not tokens.use(CLAIM, NOW)
    assert tokens.all() == []


def test_all_clients_are_listed_and_nothing_else_of_the_table(tokens: TokenTable, dynamodb: DynamoDBClient) -> None:
    for client in ("b", "a", "c"):
        tokens.add(TokenCredential(client, "a" * 64), NOW)
    dynamodb.put_item(TableName=TABLE, Item={"kind": {"S": "another"}, "id": {"S": "x"}})
    assert [one.client for one in tokens.all()] == ["a", "b", "c"]


def test_a_refusal_of_the_service_is_a_fault_that_keeps_its_name(dynamodb: DynamoDBClient) -> None:
    with Stubber(dynamodb) as stub:
        stub.add_client_error("update_item", "ProvisionedThroughputExceededException", "slow down")
        with pytest.raises(Retryable, match="ProvisionedThroughputExceededException: slow down"):
            TokenTable(dynamodb, TABLE).use(CLAIM, NOW)


UNTIL = NOW + timedelta(seconds=65)
AFTER = UNTIL + timedelta(milliseconds=1)
A_DAY_LATER = NOW + timedelta(days=1)


@pytest.fixture
def claims(dynamodb: DynamoDBClient) -> IdempotencyTable:
    return IdempotencyTable(dynamodb, TABLE, "alert")


def test_one_of_two_deliveries_tells(claims: IdempotencyTable) -> None:
    standing = [claims.claim("p1", owner, NOW, UNTIL) for owner in ("one", "another")]
    assert standing == [RecordState.ACQUIRED, RecordState.IN_PROGRESS]


def test_what_was_told_is_told_for_good(claims: IdempotencyTable) -> None:
    claims.claim("p1", "one", NOW, UNTIL)
    claims.told("p1", NOW)
    assert claims.claim("p1", "another", A_DAY_LATER, A_DAY_LATER) is RecordState.COMPLETED
    assert claims.claim("p1", "one", NOW, UNTIL) is RecordState.COMPLETED


def test_a_claim_ends_with_its_time_and_not_before(claims: IdempotencyTable) -> None:
    claims.claim("p1", "one", NOW, UNTIL)
    assert claims.claim("p1", "another", UNTIL, AFTER) is RecordState.IN_PROGRESS
    assert claims.claim("p1", "another", AFTER, AFTER) is RecordState.ACQUIRED


def test_a_claim_that_was_given_up_is_anybody_s(claims: IdempotencyTable) -> None:
    claims.claim("p1", "one", NOW, UNTIL)
    claims.release("p1")
    assert claims.claim("p1", "another", NOW, UNTIL) is RecordState.ACQUIRED


def test_the_same_owner_may_ask_again_as_after_an_answer_that_was_lost(claims: IdempotencyTable) -> None:
    assert [claims.claim("p1", "one", NOW, UNTIL) for _ in range(2)] == [RecordState.ACQUIRED, RecordState.ACQUIRED]


def test_what_was_told_before_a_moment_may_be_told_again_where_that_is_asked_for(claims: IdempotencyTable) -> None:
    claims.claim("p1", "one", NOW, UNTIL)
    claims.told("p1", NOW)
    assert claims.claim("p1", "another", A_DAY_LATER, A_DAY_LATER, NOW - timedelta(seconds=1)) is RecordState.COMPLETED
    assert claims.claim("p1", "another", A_DAY_LATER, A_DAY_LATER, NOW + timedelta(seconds=1)) is RecordState.ACQUIRED
    assert (
        claims.claim("p1", "a third", A_DAY_LATER, A_DAY_LATER, NOW + timedelta(seconds=1)) is RecordState.IN_PROGRESS
    )


def test_what_was_told_longer_ago_than_it_is_remembered_may_be_told_again(claims: IdempotencyTable) -> None:
    """DynamoDB deletes late."""
    claims.claim("p1", "one", NOW, UNTIL)
    claims.told("p1", NOW)
    assert claims.claim("p1", "another", NOW + REMEMBERED, AFTER) is RecordState.COMPLETED
    assert claims.claim("p1", "another", NOW + REMEMBERED + timedelta(seconds=1), AFTER) is RecordState.ACQUIRED


def test_a_repeat_is_remembered_to_have_been_told_for_as_long_as_any_other(
    claims: IdempotencyTable, dynamodb: DynamoDBClient
) -> None:
    claims.claim("p1", "one", NOW, UNTIL)
    claims.told("p1", NOW)
    claims.claim("p1", "another", A_DAY_LATER, A_DAY_LATER)
    (item,) = dynamodb.scan(TableName=TABLE)["Items"]
    assert int(item["expires_at"]["N"]) == int((A_DAY_LATER + REMEMBERED).timestamp())
    assert item["told_at"]["S"] == THEN.isoformat()


def test_a_claim_is_of_one_prediction(claims: IdempotencyTable) -> None:
    claims.claim("p1", "one", NOW, UNTIL)
    assert claims.claim("p2", "another", NOW, UNTIL) is RecordState.ACQUIRED


def test_what_was_told_is_forgotten_after_two_months_by_the_attribute_that_the_table_expires_by(
    claims: IdempotencyTable, dynamodb: DynamoDBClient, template: dict[str, Any]
) -> None:
    claims.claim("p1", "one", NOW, UNTIL)
    claims.told("p1", NOW)
    (item,) = dynamodb.scan(TableName=TABLE)["Items"]
    expires = template["Resources"]["Table"]["Properties"]["TimeToLiveSpecification"]["AttributeName"]
    assert int(item[expires]["N"]) == int((NOW + timedelta(days=60)).timestamp())


def test_tokens_and_told_predictions_do_not_meet(claims: IdempotencyTable, tokens: TokenTable) -> None:
    tokens.add(CLAIM, NOW)
    claims.claim(CLAIM.client, "one", NOW, UNTIL)
    assert tokens.all() == [TokenRecord("camera-north", THEN)]
    assert tokens.use(CLAIM, LATER)


@pytest.mark.parametrize("call", ["claim", "told", "release"])
def test_a_table_that_refuses_a_claim_is_a_fault_to_retry(dynamodb: DynamoDBClient, call: str) -> None:
    claims = IdempotencyTable(dynamodb, "no-such-table", "alert")
    arguments = {"claim": ("p1", "one", NOW, UNTIL), "told": ("p1", NOW), "release": ("p1",)}[call]
    with pytest.raises(Retryable, match="ResourceNotFoundException"):
        getattr(claims, call)(*arguments)


def test_what_is_remembered_of_the_model_comes_back_as_it_was_kept(dynamodb: DynamoDBClient) -> None:
    model_states = ModelStateTable(dynamodb, TABLE)
    assert (model_states.load(), model_states.last_used()) == (ModelState(), None)
    kept = ModelState(model="arn:of:a:model", month="2026-11", seconds=5400.25, started_at=NOW, counted_until=LATER)
    assert model_states.save(kept, ModelState())
    model_states.used(NOW)
    assert (model_states.load(), model_states.last_used()) == (kept, NOW)


def test_what_is_no_longer_so_is_forgotten(dynamodb: DynamoDBClient) -> None:
    model_states = ModelStateTable(dynamodb, TABLE)
    started = ModelState(model="arn:of:a:model", started_at=NOW, counted_until=NOW)
    model_states.save(started, ModelState())
    model_states.save(ModelState(model="arn:of:a:model"), started)
    assert model_states.load().started_at is None


def test_what_another_look_noted_of_a_run_meanwhile_stays(dynamodb: DynamoDBClient) -> None:
    model_states = ModelStateTable(dynamodb, TABLE)
    before = ModelState(model="arn:of:a:model", counted_until=NOW)
    model_states.save(before, ModelState())
    noted = ModelState(model="arn:of:a:model", started_at=LATER, counted_until=LATER)
    # The second time as after an answer that was lost.
    assert [model_states.save(noted, before) for _ in range(2)] == [True, True]
    assert not model_states.save(ModelState(model="arn:of:a:model"), before)
    assert not model_states.save(ModelState(model="arn:of:a:model"), ModelState())
    assert model_states.load() == noted


def test_what_is_remembered_of_the_model_is_no_token(dynamodb: DynamoDBClient, tokens: TokenTable) -> None:
    model_states = ModelStateTable(dynamodb, TABLE)
    model_states.save(ModelState(model="arn:of:a:model"), ModelState())
    model_states.used(NOW)
    assert tokens.all() == []
