"""`labelwatch up` before it changes anything: the stacks that it updates, and the template that imports buckets."""

import json
import re
from types import SimpleNamespace
from typing import Any

import pytest

from labelwatch.deploy import import_buckets, up
from labelwatch.deploy.packaging import resources
from labelwatch.deploy.stage_stack import DesiredStack
from labelwatch.shared.errors import UserError
from labelwatch.shared.stacks import Stack


def find_stack(status: str | None) -> Stack | None:
    stacks: Any = SimpleNamespace(find=lambda _: Stack(status, {}, {}) if status else None)
    return up.find_stack(stacks, "labelwatch-prod")


@pytest.mark.parametrize("status", sorted({*up.UPDATABLE, *up.LEFTOVERS}))
def test_a_stack_in_a_final_state_is_changed(status: str) -> None:
    assert find_stack(status) == Stack(status, {}, {})


def test_a_missing_stack_is_no_mistake() -> None:
    assert find_stack(None) is None


@pytest.mark.parametrize("status", ["CREATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "DELETE_IN_PROGRESS"])
def test_a_stack_under_another_operation_is_left_alone(status: str) -> None:
    with pytest.raises(UserError, match=f"is {status}; try again when that is over"):
        find_stack(status)


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_FAILED", "DELETE_FAILED", "IMPORT_ROLLBACK_FAILED"])
def test_a_stack_that_is_stuck_is_left_alone(status: str) -> None:
    with pytest.raises(UserError, match=f"is {status}; the CloudFormation console says why"):
        find_stack(status)


def test_a_stack_keeps_its_tags_but_those_that_aws_alone_sets() -> None:
    assert up.kept_tags(Stack("CREATE_COMPLETE", {}, {}, {"team": "fields", "aws:x": "y"})) == {"team": "fields"}
    assert up.kept_tags(None) == {}


def test_buckets_are_imported_with_their_protection_and_without_references_to_missing_resources() -> None:
    template = import_buckets.import_template(resources(), {"InputBucket": "images", "WorkspaceBucket": "workspace"})
    buckets = template["Resources"]
    assert {logical_id: bucket["Properties"]["BucketName"] for logical_id, bucket in buckets.items()} == {
        "InputBucket": "images", "WorkspaceBucket": "workspace",
    }  # fmt: skip
    for bucket in buckets.values():
        # An import requires it, and a failure must not delete the bucket.
        assert bucket["DeletionPolicy"] == "Retain"
        assert {"BucketEncryption", "PublicAccessBlockConfiguration", "OwnershipControls"} <= set(bucket["Properties"])
    assert set(re.findall(r'"(?:Ref|Fn::\w+)": "?([\w:]+)', json.dumps(template))) == {"AWS::StackName"}


PHYSICAL_IDS = {"InputBucket": "images", "ImagesQueue": "queue"}


@pytest.mark.parametrize(
    ("current", "imported"),
    [
        (None, {}),
        (Stack("IMPORT_COMPLETE", {}, {}), {"InputBucket": "images"}),
        (Stack("CREATE_COMPLETE", {}, {"InputBucket": "images"}), {}),
    ],
    ids=["no stack", "only imported", "complete"],
)
def test_a_stack_without_outputs_has_only_its_imported_buckets(current: Stack | None, imported: dict[str, str]) -> None:
    assert import_buckets.imported_before(DesiredStack("labelwatch-prod", {}, current, PHYSICAL_IDS)) == imported
