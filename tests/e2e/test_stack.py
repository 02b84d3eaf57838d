"""Stacks through plans, on the local AWS, with templates of a few lines."""

from collections.abc import Iterator
from typing import Any

import pytest

from labelwatch.shared.errors import UserError
from labelwatch.shared.stacks import Event, Stacks
from tests.support.pipeline import Pipeline

NAME = "a-stack"
TAKEN = "primary"  # the workgroup that every account has


def template(**resources: Any) -> dict[str, Any]:
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": {},
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}} | resources,
        "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}},
    }


WORKGROUP = {"Type": "AWS::Athena::WorkGroup", "Properties": {"Name": TAKEN}}
QUEUE = {"Type": "AWS::SQS::Queue"}


@pytest.fixture
def stacks(running: Pipeline) -> Iterator[Stacks]:
    stacks = Stacks(running.session.local_aws.client("cloudformation"), poll_seconds=0.1)
    yield stacks
    if stacks.find(NAME):
        assert stacks.delete(NAME) == []
    assert stacks.find(NAME) is None


def make(stacks: Stacks, what: dict[str, Any], *, creates: bool = True) -> list[Event]:
    events: list[Event] = []
    plan = stacks.plan(NAME, what, {}, creates=creates)
    assert plan
    stacks.apply(plan, events.append)
    return events


def test_a_plan_says_what_would_change_and_changes_nothing(stacks: Stacks) -> None:
    make(stacks, template())
    plan = stacks.plan(NAME, template(Queue=QUEUE), {}, creates=False)
    assert plan
    assert [(one.action, one.name, one.kind) for one in plan.changes] == [("Add", "Queue", "AWS::SQS::Queue")]
    assert [one.name for one in stacks.resources(NAME)] == ["Topic"]


def test_where_nothing_would_change_there_is_no_plan(stacks: Stacks) -> None:
    make(stacks, template())
    assert stacks.plan(NAME, template(), {}, creates=False) is None


def test_a_plan_that_nobody_wants_leaves_nothing(stacks: Stacks) -> None:
    plan = stacks.plan(NAME, template(), {}, creates=True)
    assert plan
    stacks.drop(plan)
    assert stacks.find(NAME) is None


def test_each_resource_is_heard_of_as_it_is_made(stacks: Stacks) -> None:
    events = make(stacks, template(Queue=QUEUE))
    assert {one.name for one in events if one.status == "CREATE_COMPLETE"} == {"Topic", "Queue"}


def test_a_creation_that_fails_is_gone_and_says_which_resource_and_why(stacks: Stacks) -> None:
    with pytest.raises(
        UserError, match=r"was not created, and nothing of it is left\. What failed: Workgroup: .*already"
    ):
        make(stacks, template(Workgroup=WORKGROUP))
    assert stacks.find(NAME) is None


def test_a_change_that_fails_leaves_the_stack_as_it_was(stacks: Stacks) -> None:
    make(stacks, template())
    with pytest.raises(UserError, match=r"is as it was before, since this failed: Workgroup: .*already exists"):
        make(stacks, template(Queue=QUEUE, Workgroup=WORKGROUP), creates=False)
    assert [one.name for one in stacks.resources(NAME)] == ["Topic"]


def test_a_name_that_is_taken_is_told_with_the_resource_that_wanted_it(stacks: Stacks, running: Pipeline) -> None:
    taken = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": running.outputs["InputBucket"]}}
    with pytest.raises(UserError, match=r"What failed: Bucket: .*already exists"):
        make(stacks, template(Bucket=taken))
    assert stacks.find(NAME) is None


def test_what_cloudformation_does_not_take_is_told_in_its_words(stacks: Stacks) -> None:
    wanting = template() | {"Parameters": {"Wanted": {"Type": "String"}}}
    with pytest.raises(UserError, match=r"^CloudFormation does not take it: .*Wanted"):
        stacks.plan(NAME, wanting, {}, creates=True)
