"""Stacks against answers of CloudFormation that the local AWS does not give."""

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
PLAN = Plan("labelwatch-prod", "labelwatch-1", creates=False, changes=[])
FAILED_VALIDATION = {
    "Status": "FAILED",
    "StatusReason": "Validation failed with 1 error(s). Call DescribeEvents to see it.",
}


class FakeStack:
    """A stack with the events that a change or a deletion causes, and a change set."""

    def __init__(self, *events: dict[str, str], change_set: dict[str, str] | None = None) -> None:
        self.events = [{"EventId": "before", "ResourceStatus": "CREATE_COMPLETE", "StackId": STACK_ID}]
        self.next_events = [
            {"EventId": str(number), "StackId": STACK_ID} | event for number, event in enumerate(events)
        ]
        self.change_set = change_set or {}
        self.validation_events: list[dict[str, Any]] = []
        self.describe_events_request: dict[str, Any] = {}
        self.is_denied = False
        self.deleted: list[str] = []
        self.resources: list[dict[str, str]] = []

    def create_change_set(self, **_: Any) -> dict[str, str]:
        return {"Id": CHANGE_SET_ID, "StackId": STACK_ID}

    def describe_change_set(self, **_: Any) -> dict[str, str]:
        return self.change_set

    def delete_change_set(self, **_: Any) -> None:
        self.deleted.append("change set")

    def execute_change_set(self, **_: Any) -> None:
        self.events = [*reversed(self.next_events), *self.events]

    def delete_stack(self, **_: Any) -> None:
        self.deleted.append("stack")
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

    def _pages_of_describe_events(self, **request: Any) -> Iterator[dict[str, Any]]:
        self.describe_events_request = request
        if self.is_denied:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeEvents")
        yield {"OperationEvents": [{"EventType": "STACK_EVENT"}, *self.validation_events]}


def stack_event(status: str, reason: str = "") -> dict[str, str]:
    reasons = {"ResourceStatusReason": reason} if reason else {}
    return {"PhysicalResourceId": STACK_ID, "ResourceStatus": status} | reasons


def resource_event(name: str, status: str, reason: str = "") -> dict[str, str]:
    return {
        "LogicalResourceId": name,
        "PhysicalResourceId": name.lower(),
        "ResourceType": "AWS::SQS::Queue",
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


def validation_event(name: str, reason: str, *, operation: str, minute: int) -> dict[str, Any]:
    return {
        "LogicalResourceId": name,
        "ValidationStatusReason": reason,
        "OperationId": operation,
        "Timestamp": datetime(2026, 1, 1, 0, minute, tzinfo=UTC),
    }


def plan(fake: FakeStack) -> Plan | None:
    return Stacks(fake).plan("labelwatch-prod", TEMPLATE, {}, creates=False)


def refusal_of(fake: FakeStack) -> str:
    with pytest.raises(UserError) as refusal:
        Stacks(fake).apply(PLAN)
    return str(refusal.value)


def test_a_finding_of_early_validation_is_reported_with_its_resource() -> None:
    fake = FakeStack(change_set=FAILED_VALIDATION)
    fake.validation_events = [
        validation_event("InputBucket", "the name was taken", operation="earlier", minute=1),
        validation_event("InputBucket", "the name is taken", operation="last", minute=2),
        validation_event("OutputBucket", "it is not empty", operation="last", minute=2)
        | {"ValidationFailureMode": "WARN"},
    ]
    with pytest.raises(UserError) as refusal:
        plan(fake)
    assert "InputBucket: the name is taken" in str(refusal.value)
    assert "was taken" not in str(refusal.value)
    assert "OutputBucket" not in str(refusal.value)
    assert fake.describe_events_request == {"ChangeSetName": CHANGE_SET_ID, "Filters": {"FailedEvents": True}}
    assert fake.deleted == ["change set"]


@pytest.mark.parametrize("is_denied", [True, False])
def test_without_findings_of_early_validation_the_stack_s_own_reason_is_reported(*, is_denied: bool) -> None:
    fake = FakeStack(change_set=FAILED_VALIDATION)
    fake.is_denied = is_denied
    with pytest.raises(UserError, match="Validation failed with 1 error"):
        plan(fake)
    assert fake.deleted == ["change set"]


def test_a_plan_that_fails_without_a_reason_is_refused_and_deleted() -> None:
    fake = FakeStack(change_set={"Status": "FAILED"})
    with pytest.raises(UserError, match="no reason given"):
        plan(fake)
    assert fake.deleted == ["change set"]


def test_a_deletion_that_failed_with_a_reason_of_the_stack_alone_is_no_success() -> None:
    fake = FakeStack(stack_event("DELETE_IN_PROGRESS"), stack_event("DELETE_FAILED", "the role may not"))
    assert Stacks(fake).delete("labelwatch-prod") == ["the role may not"]


def test_a_deletion_that_stopped_without_a_reason_is_no_success() -> None:
    fake = FakeStack(stack_event("UPDATE_COMPLETE"))
    (reason,) = Stacks(fake).delete("labelwatch-prod")
    assert "UPDATE_COMPLETE" in reason


@pytest.mark.parametrize("operation", ["creation", "update", "deletion"])
def test_a_cancelled_resource_is_not_the_cause_of_a_failure(operation: str) -> None:
    fake = FakeStack(
        resource_event("Images", "UPDATE_FAILED", f"Resource {operation} cancelled"),
        resource_event("Predictions", "UPDATE_FAILED", "it is too long"),
        stack_event("UPDATE_ROLLBACK_COMPLETE"),
    )
    refusal = refusal_of(fake)
    assert "Predictions: it is too long" in refusal
    assert "Images" not in refusal


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED", "IMPORT_ROLLBACK_COMPLETE"])
def test_a_change_that_failed_never_deletes_the_stack(status: str) -> None:
    fake = FakeStack(resource_event("Images", "UPDATE_FAILED", "no"), stack_event(status))
    refusal_of(fake)
    assert fake.deleted == []


def test_a_finding_of_early_validation_during_the_update_is_reported_with_its_resource() -> None:
    early = stack_event("UPDATE_ROLLBACK_IN_PROGRESS", "") | {"ResourceStatus": "UPDATE_FAILED"}
    early["ResourceStatusReason"] = "Validation failed with 1 error(s). Call DescribeEvents to see it."
    fake = FakeStack(early, stack_event("UPDATE_ROLLBACK_COMPLETE"))
    fake.validation_events = [validation_event("InputBucket", "the name is taken", operation="last", minute=1)]
    assert "InputBucket: the name is taken" in refusal_of(fake)


def test_a_deleted_resource_is_no_resource_of_the_stack() -> None:
    fake = FakeStack()
    fake.resources = [
        {"LogicalResourceId": "Deleted", "ResourceType": "AWS::SQS::Queue", "ResourceStatus": "DELETE_COMPLETE"}
    ]
    assert Stacks(fake).resources("labelwatch-prod") == []


def test_a_failure_that_leaves_the_stack_stuck_gives_the_command_to_continue() -> None:
    fake = FakeStack(resource_event("Images", "UPDATE_FAILED", "no"), stack_event("UPDATE_ROLLBACK_FAILED", "stuck"))
    refusal = refusal_of(fake)
    assert "UPDATE_ROLLBACK_FAILED" in refusal
    assert "Images: no" in refusal
    assert "aws cloudformation continue-update-rollback --stack-name labelwatch-prod" in refusal


def test_a_resource_that_could_not_be_deleted_is_reported_though_the_update_succeeded() -> None:
    fake = FakeStack(resource_event("Old", "DELETE_FAILED", "not empty"), stack_event("UPDATE_COMPLETE"))
    events: list[tuple[str, str]] = []
    Stacks(fake).apply(PLAN, lambda event: events.append((event.logical_id, event.status)))
    assert events == [("Old", "DELETE_FAILED")]
