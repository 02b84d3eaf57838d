"""Stacks through plans, on the local AWS, with short templates."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest

from labelwatch.deploy.packaging import resources
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


def deploy(stacks: Stacks, template: dict[str, Any], *, creates: bool = True) -> list[Event]:
    events: list[Event] = []
    plan = stacks.plan(NAME, template, {}, creates=creates)
    assert plan
    stacks.apply(plan, events.append)
    return events


GIVEN = {"EmailNotification": "grower@example.com", "InputBucketName": "new-images", "OutputBucketName": "new-rows"}


@pytest.mark.parametrize("change", [{"MinConfidence": "0.8"}, {"InputBucketName": "new-s3alias"}])
def test_a_value_that_the_template_refuses_gives_no_plan(stacks: Stacks, change: dict[str, str]) -> None:
    with pytest.raises(UserError, match=next(iter(change))):
        stacks.plan(NAME, resources(), GIVEN | change, creates=True)


def test_in_a_region_without_rekognition_there_is_no_plan(running: Pipeline) -> None:
    local_aws = running.session.local_aws
    cloudformation = boto3.client(
        "cloudformation",
        region_name="eu-west-3",
        endpoint_url=local_aws.endpoint,
        aws_access_key_id=local_aws.access_key,
        aws_secret_access_key=local_aws.secret_key,
    )
    with closing(cloudformation), pytest.raises(UserError, match="Rekognition"):
        Stacks(cloudformation).plan(NAME, resources(), GIVEN, creates=True)


def test_a_plan_has_the_changes_and_changes_nothing(stacks: Stacks) -> None:
    deploy(stacks, template())
    plan = stacks.plan(NAME, template(Queue=QUEUE), {}, creates=False)
    assert plan
    assert [(change.action, change.logical_id, change.resource_type) for change in plan.changes] == [
        ("Add", "Queue", "AWS::SQS::Queue")
    ]
    assert [resource.logical_id for resource in stacks.resources(NAME)] == ["Topic"]


def test_where_nothing_would_change_there_is_no_plan(stacks: Stacks) -> None:
    deploy(stacks, template())
    assert stacks.plan(NAME, template(), {}, creates=False) is None


def test_a_discarded_plan_leaves_nothing(stacks: Stacks) -> None:
    plan = stacks.plan(NAME, template(), {}, creates=True)
    assert plan
    stacks.discard(plan)
    assert stacks.find(NAME) is None


def test_the_events_of_each_resource_are_reported(stacks: Stacks) -> None:
    events = deploy(stacks, template(Queue=QUEUE))
    assert {event.logical_id for event in events if event.status == "CREATE_COMPLETE"} == {"Topic", "Queue"}


def test_a_creation_that_fails_is_deleted_and_gives_the_resource_and_the_reason(stacks: Stacks) -> None:
    with pytest.raises(UserError, match=r"Workgroup: .*already exists"):
        deploy(stacks, template(Workgroup=WORKGROUP))
    assert stacks.find(NAME) is None


def test_a_change_that_fails_leaves_the_stack_as_it_was(stacks: Stacks) -> None:
    deploy(stacks, template())
    with pytest.raises(UserError, match=r"rolled back.*Workgroup: .*already exists"):
        deploy(stacks, template(Queue=QUEUE, Workgroup=WORKGROUP), creates=False)
    assert [resource.logical_id for resource in stacks.resources(NAME)] == ["Topic"]


def test_a_name_that_is_taken_is_reported_with_its_resource(stacks: Stacks, running: Pipeline) -> None:
    taken = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": running.outputs["InputBucket"]}}
    with pytest.raises(UserError, match=r"Bucket: .*already exists"):
        deploy(stacks, template(Bucket=taken))
    assert stacks.find(NAME) is None


def test_a_refusal_of_cloudformation_is_reported_with_its_reason(stacks: Stacks) -> None:
    incomplete = template() | {"Parameters": {"Missing": {"Type": "String"}}}
    with pytest.raises(UserError, match="Missing"):
        stacks.plan(NAME, incomplete, {}, creates=True)
