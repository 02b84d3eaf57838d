"""What `labelwatch up` does with a stack that stands, or is in somebody's hands."""

import json
import re
from typing import Any

import pytest
from rich.console import Console

from labelwatch import up
from labelwatch.errors import UserError
from labelwatch.operator import Operator
from labelwatch.package import resources
from labelwatch.stack import Stack


class FakeStacks:
    def __init__(self, status: str | None, left: list[str] | None = None) -> None:
        self.status = status
        self.left = left or []
        self.deleted = False

    def find(self, _name: str) -> Stack | None:
        return Stack(self.status, {}, {}) if self.status else None

    def delete(self, _name: str) -> list[str]:
        self.deleted = True
        return self.left


def stands(stacks: FakeStacks, *, agrees: bool = True) -> Stack | None:
    there: Any = stacks
    return up.as_it_stands(there, "labelwatch-prod", Operator(Console(quiet=True), agrees=lambda _: agrees))


@pytest.mark.parametrize("status", sorted(up.STOPPED))
def test_a_stack_that_has_come_to_rest_is_worked_on(status: str) -> None:
    stacks = FakeStacks(status)
    assert stands(stacks) == Stack(status, {}, {})
    assert not stacks.deleted


def test_where_there_is_none_there_is_nothing_to_do() -> None:
    assert stands(FakeStacks(None)) is None


@pytest.mark.parametrize("status", ["CREATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "DELETE_IN_PROGRESS"])
def test_a_stack_that_somebody_is_changing_is_left_alone(status: str) -> None:
    stacks = FakeStacks(status)
    with pytest.raises(UserError, match=f"is {status}; try again when that is over"):
        stands(stacks)
    assert not stacks.deleted


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_FAILED", "DELETE_FAILED", "IMPORT_ROLLBACK_FAILED"])
def test_a_stack_that_is_stuck_is_left_alone(status: str) -> None:
    stacks = FakeStacks(status)
    with pytest.raises(UserError, match=f"is {status}; the CloudFormation console says why"):
        stands(stacks)
    assert not stacks.deleted


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED"])
def test_what_is_left_of_a_creation_that_failed_is_deleted(status: str) -> None:
    stacks = FakeStacks(status)
    assert stands(stacks) is None
    assert stacks.deleted


def test_what_is_left_and_cannot_be_deleted_is_told() -> None:
    with pytest.raises(UserError, match="could not be deleted: Topic: no"):
        stands(FakeStacks("ROLLBACK_FAILED", ["Topic: no"]))


@pytest.mark.parametrize("agrees", [True, False])
def test_a_plan_of_a_colleague_is_dropped_by_consent_only(*, agrees: bool) -> None:
    stacks = FakeStacks("REVIEW_IN_PROGRESS")
    if agrees:
        assert stands(stacks) is None
    else:
        with pytest.raises(UserError, match="nothing was changed"):
            stands(stacks, agrees=False)
    assert stacks.deleted is agrees


def test_buckets_are_imported_with_their_guards_and_nothing_that_is_not_there_yet() -> None:
    template = up.buckets_alone(resources(), {"InputBucket": "images", "WorkspaceBucket": "workspace"})
    buckets = template["Resources"]
    assert {name: one["Properties"]["BucketName"] for name, one in buckets.items()} == {
        "InputBucket": "images", "WorkspaceBucket": "workspace",
    }  # fmt: skip
    for one in buckets.values():
        assert one["DeletionPolicy"] == "Retain"  # an import wants one, and what fails must not take the bucket along
        assert {"BucketEncryption", "PublicAccessBlockConfiguration", "OwnershipControls"} <= set(one["Properties"])
    assert set(re.findall(r'"(?:Ref|Fn::\w+)": "?([\w:]+)', json.dumps(template))) == {"AWS::StackName"}
