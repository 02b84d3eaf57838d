"""What `labelwatch down` plans to delete, keep and leave alone."""

import pytest

from labelwatch.deploy.down import Removal, StageState, plan
from labelwatch.shared.errors import UserError
from labelwatch.shared.stacks import Stack

STACK = Stack("CREATE_COMPLETE", {}, {})
STATE = StageState(
    stage_name="prod",
    stack_name="labelwatch-prod",
    region="eu-west-1",
    stack=STACK,
    resources=[],
    buckets=["images", "predictions"],
    unreadable_buckets=["unknown"],
    functions=[],
)


def test_the_buckets_are_kept_and_buckets_of_others_are_not_mentioned() -> None:
    removal = plan(STATE, delete_data=False)
    assert removal == Removal(STACK, [], ["images", "predictions"], [])
    assert removal.sentences() == [
        "The stack with its queues, messages, topics, subscriptions, upload tokens and logs goes away.",
        "The buckets images, predictions are kept, with all that is in them.",
    ]


def test_the_buckets_are_deleted_where_that_is_requested_and_unreadable_buckets_are_left_alone() -> None:
    removal = plan(STATE, delete_data=True)
    assert removal == Removal(STACK, ["images", "predictions"], [], ["unknown"])
    assert removal.sentences()[1:] == [
        "The buckets images, predictions are DELETED with all that is in them.",
        "Left alone, since these credentials may not read their tags: unknown.",
    ]


def test_the_buckets_of_a_deleted_stack_can_be_deleted_later() -> None:
    removal = plan(STATE._replace(stack=None), delete_data=True)
    assert removal == Removal(None, ["images", "predictions"], [], ["unknown"])
    assert removal.sentences()[0] == "The buckets images, predictions are DELETED with all that is in them."


def test_a_missing_stack_is_refused_and_its_kept_buckets_are_named() -> None:
    with pytest.raises(UserError, match=r"^there is no stack labelwatch-prod in eu-west-1; its buckets images, pred"):
        plan(STATE._replace(stack=None), delete_data=False)


@pytest.mark.parametrize("delete_data", [True, False])
def test_a_missing_stack_without_buckets_is_refused(*, delete_data: bool) -> None:
    with pytest.raises(UserError, match=r"^there is no stack labelwatch-prod in eu-west-1\.$"):
        plan(STATE._replace(stack=None, buckets=[]), delete_data=delete_data)


@pytest.mark.parametrize(
    ("stack", "delete_data"), [(STACK, False), (STACK, True), (None, True)], ids=["stack", "stack and data", "data"]
)
def test_nothing_is_deleted_while_functions_are_deployed(stack: Stack | None, *, delete_data: bool) -> None:
    with pytest.raises(UserError, match="take them down first: chalice delete --stage prod"):
        plan(STATE._replace(stack=stack, functions=["labelwatch-prod-detect"]), delete_data=delete_data)
