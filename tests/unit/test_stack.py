"""What CloudFormation can answer and the local AWS does not."""

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labelwatch.shared.errors import UserError
from labelwatch.shared.stacks import Plan, Stacks

STACK_ID = "arn:aws:cloudformation:eu-west-1:123456789012:stack/labelwatch-prod/1"
CHANGE_SET_ID = "arn:aws:cloudformation:eu-west-1:123456789012:changeSet/labelwatch-1/2"
TEMPLATE: dict[str, Any] = {"Parameters": {}, "Resources": {}}
CHANGE = Plan("labelwatch-prod", "labelwatch-1", creates=False, changes=[])
FAILED_EARLY = {"Status": "FAILED", "StatusReason": "Validation failed with 1 error(s). Call DescribeEvents to see it."}


class FakeCloudFormation:
    """One stack and the events that a change or a deletion brings about; one change set."""

    def __init__(self, *events: dict[str, str], change_set: dict[str, str] | None = None) -> None:
        self.events = [{"EventId": "before", "ResourceStatus": "CREATE_COMPLETE", "StackId": STACK_ID}]
        self.to_come = [{"EventId": str(number), "StackId": STACK_ID} | one for number, one in enumerate(events)]
        self.change_set = change_set or {}
        self.found_early: list[dict[str, Any]] = []
        self.asked_of: dict[str, Any] = {}
        self.may_not_ask = False
        self.forgotten: list[str] = []
        self.resources: list[dict[str, str]] = []

    def create_change_set(self, **_: Any) -> dict[str, str]:
        return {"Id": CHANGE_SET_ID, "StackId": STACK_ID}

    def describe_change_set(self, **_: Any) -> dict[str, str]:
        return self.change_set

    def delete_change_set(self, **_: Any) -> None:
        self.forgotten.append("change set")

    def execute_change_set(self, **_: Any) -> None:
        self.events = [*reversed(self.to_come), *self.events]

    def delete_stack(self, **_: Any) -> None:
        self.forgotten.append("stack")
        self.execute_change_set()

    def describe_stacks(self, **_: Any) -> dict[str, Any]:
        return {"Stacks": [{"StackStatus": "UPDATE_COMPLETE", "StackId": STACK_ID}]}

    def describe_stack_events(self, **_: Any) -> dict[str, Any]:
        return {"StackEvents": self.events}

    def get_paginator(self, name: str) -> Any:
        return SimpleNamespace(paginate=getattr(self, f"_pages_of_{name}"))

    def _pages_of_describe_stack_events(self, **_: Any) -> Iterator[dict[str, Any]]:
        yield self.describe_stack_events()

    def _pages_of_list_stack_resources(self, **_: Any) -> Iterator[dict[str, Any]]:
        yield {"StackResourceSummaries": self.resources}

    def _pages_of_describe_events(self, **which: Any) -> Iterator[dict[str, Any]]:
        self.asked_of = which
        if self.may_not_ask:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeEvents")
        yield {"OperationEvents": [{"EventType": "STACK_EVENT"}, *self.found_early]}


def from_stack(status: str, reason: str = "") -> dict[str, str]:
    told = {"ResourceStatusReason": reason} if reason else {}
    return {"PhysicalResourceId": STACK_ID, "ResourceStatus": status} | told


def of(name: str, status: str, reason: str = "") -> dict[str, str]:
    return {
        "LogicalResourceId": name,
        "PhysicalResourceId": name.lower(),
        "ResourceType": "AWS::SQS::Queue",
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


def found(name: str, reason: str, *, operation: str, minute: int) -> dict[str, Any]:
    return {
        "LogicalResourceId": name,
        "ValidationStatusReason": reason,
        "OperationId": operation,
        "Timestamp": datetime(2026, 1, 1, 0, minute, tzinfo=UTC),
    }


def planned(fake: FakeCloudFormation) -> Plan | None:
    return Stacks(fake).plan("labelwatch-prod", TEMPLATE, {}, creates=False)


def refused(fake: FakeCloudFormation) -> str:
    with pytest.raises(UserError) as mistake:
        Stacks(fake).apply(CHANGE)
    return str(mistake.value)


def test_what_early_checks_refuse_is_told_with_the_resource_that_it_is_of() -> None:
    fake = FakeCloudFormation(change_set=FAILED_EARLY)
    fake.found_early = [
        found("InputBucket", "the name was taken", operation="earlier", minute=1),
        found("InputBucket", "the name is taken", operation="last", minute=2),
        found("OutputBucket", "it is not empty", operation="last", minute=2) | {"ValidationFailureMode": "WARN"},
    ]
    with pytest.raises(UserError, match=r"^CloudFormation does not take it: InputBucket: the name is taken$"):
        planned(fake)
    assert fake.asked_of == {"ChangeSetName": CHANGE_SET_ID, "Filters": {"FailedEvents": True}}
    assert fake.forgotten == ["change set"]


@pytest.mark.parametrize("may", [True, False])
def test_where_early_checks_say_no_more_the_stack_s_own_words_are_told(*, may: bool) -> None:
    fake = FakeCloudFormation(change_set=FAILED_EARLY)
    fake.may_not_ask = not may
    with pytest.raises(UserError, match=r"^CloudFormation does not take it: Validation failed with 1 error"):
        planned(fake)
    assert fake.forgotten == ["change set"]


def test_a_plan_that_fails_without_a_reason_says_so_and_leaves_nothing() -> None:
    fake = FakeCloudFormation(change_set={"Status": "FAILED"})
    with pytest.raises(UserError, match="it gives no reason"):
        planned(fake)
    assert fake.forgotten == ["change set"]


def test_a_deletion_that_failed_with_its_reason_on_the_stack_alone_is_no_success() -> None:
    fake = FakeCloudFormation(from_stack("DELETE_IN_PROGRESS"), from_stack("DELETE_FAILED", "the role may not"))
    assert Stacks(fake).delete("labelwatch-prod") == ["the role may not"]


def test_a_deletion_that_stopped_without_a_word_is_no_success() -> None:
    fake = FakeCloudFormation(from_stack("UPDATE_COMPLETE"))
    assert Stacks(fake).delete("labelwatch-prod") == ["it is UPDATE_COMPLETE, and CloudFormation does not say why"]


@pytest.mark.parametrize("kind", ["creation", "update", "deletion"])
def test_what_was_given_up_because_of_another_is_no_cause(kind: str) -> None:
    fake = FakeCloudFormation(
        of("Images", "UPDATE_FAILED", f"Resource {kind} cancelled"),
        of("Predictions", "UPDATE_FAILED", "it is too long"),
        from_stack("UPDATE_ROLLBACK_COMPLETE"),
    )
    assert refused(fake).endswith("is as it was before, since this failed: Predictions: it is too long")


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED", "IMPORT_ROLLBACK_COMPLETE"])
def test_a_change_that_failed_never_deletes_the_stack(status: str) -> None:
    fake = FakeCloudFormation(of("Images", "UPDATE_FAILED", "no"), from_stack(status))
    refused(fake)
    assert fake.forgotten == []


def test_what_early_checks_refuse_at_the_change_itself_is_told_with_its_resource() -> None:
    early = from_stack("UPDATE_ROLLBACK_IN_PROGRESS", "") | {"ResourceStatus": "UPDATE_FAILED"}
    early["ResourceStatusReason"] = "Validation failed with 1 error(s). Call DescribeEvents to see it."
    fake = FakeCloudFormation(early, from_stack("UPDATE_ROLLBACK_COMPLETE"))
    fake.found_early = [found("InputBucket", "the name is taken", operation="last", minute=1)]
    assert refused(fake).endswith("since this failed: InputBucket: the name is taken")


def test_what_is_deleted_already_is_no_resource_of_the_stack() -> None:
    fake = FakeCloudFormation()
    fake.resources = [
        {"LogicalResourceId": "Gone", "ResourceType": "AWS::SQS::Queue", "ResourceStatus": "DELETE_COMPLETE"}
    ]
    assert Stacks(fake).resources("labelwatch-prod") == []


def test_a_change_that_is_stuck_says_how_to_go_on() -> None:
    fake = FakeCloudFormation(of("Images", "UPDATE_FAILED", "no"), from_stack("UPDATE_ROLLBACK_FAILED", "stuck"))
    said = refused(fake)
    assert "is UPDATE_ROLLBACK_FAILED, since this failed: Images: no." in said
    assert "aws cloudformation continue-update-rollback --stack-name labelwatch-prod" in said


def test_what_could_not_be_cleaned_away_is_heard_though_the_change_is_done() -> None:
    fake = FakeCloudFormation(of("Old", "DELETE_FAILED", "not empty"), from_stack("UPDATE_COMPLETE"))
    heard: list[tuple[str, str]] = []
    Stacks(fake).apply(CHANGE, lambda event: heard.append((event.name, event.status)))
    assert heard == [("Old", "DELETE_FAILED")]
