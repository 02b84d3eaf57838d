"""What `labelwatch up` does with a stack that stands, or is in somebody's hands."""

import json
import re
from types import SimpleNamespace
from typing import Any

import pytest

from labelwatch.deploy import up
from labelwatch.deploy.package import resources
from labelwatch.deploy.preflight import BUCKETS
from labelwatch.shared.errors import UserError
from labelwatch.shared.stacks import Resource, Stack


def stands(status: str | None) -> Stack | None:
    there: Any = SimpleNamespace(find=lambda _: Stack(status, {}, {}) if status else None)
    return up.as_it_stands(there, "labelwatch-prod")


@pytest.mark.parametrize("status", sorted({*up.STOPPED, *up.LEFTOVERS}))
def test_a_stack_that_has_come_to_rest_is_worked_on(status: str) -> None:
    assert stands(status) == Stack(status, {}, {})


def test_where_there_is_none_there_is_nothing_to_do() -> None:
    assert stands(None) is None


@pytest.mark.parametrize("status", ["CREATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "DELETE_IN_PROGRESS"])
def test_a_stack_that_somebody_is_changing_is_left_alone(status: str) -> None:
    with pytest.raises(UserError, match=f"is {status}; try again when that is over"):
        stands(status)


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_FAILED", "DELETE_FAILED", "IMPORT_ROLLBACK_FAILED"])
def test_a_stack_that_is_stuck_is_left_alone(status: str) -> None:
    with pytest.raises(UserError, match=f"is {status}; the CloudFormation console says why"):
        stands(status)


def has(*names: str, kind: str = "AWS::SQS::Queue") -> list[Resource]:
    return [Resource(name, kind, name.lower()) for name in names]


def test_a_stack_of_something_else_is_refused() -> None:
    with pytest.raises(UserError, match="labelwatch-website is something else than Labelwatch's"):
        up.refuse_others("labelwatch-website", has("InputBucket", "Pages"))


@pytest.mark.parametrize("names", [(), BUCKETS, ("ImagesQueue", "Topic")], ids=["empty", "taken back", "whole"])
def test_a_stack_of_ours_is_not(names: tuple[str, ...]) -> None:
    up.refuse_others("labelwatch-prod", has(*names))


def test_a_stack_of_the_one_template_is_refused() -> None:
    with pytest.raises(UserError, match="was launched from the one template"):
        up.refuse_others("labelwatch-prod", has("ImagesQueue") + has("Detect", kind="AWS::Lambda::Function"))


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
