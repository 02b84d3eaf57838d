"""The stack of a stage: its name, and the stacks that are refused."""

import re

import pytest

from labelwatch.deploy.stage_stack import BUCKETS, LONGEST_SCHEDULED_FUNCTION, refuse_other_stacks, stack_name_of
from labelwatch.shared.errors import UserError
from labelwatch.shared.project import PROJECT
from labelwatch.shared.stacks import Resource

SCHEDULED_FUNCTIONS = re.findall(r"^@app\.schedule\(.*\)\ndef (\w+)", (PROJECT / "app.py").read_text(), re.MULTILINE)


def has(*logical_ids: str, resource_type: str = "AWS::SQS::Queue") -> list[Resource]:
    return [Resource(logical_id, resource_type, logical_id.lower()) for logical_id in logical_ids]


@pytest.mark.parametrize("name", ["p", "prod", "p-2", "a" * 27])
def test_a_stage_gives_its_stack_its_name(name: str) -> None:
    assert stack_name_of(name) == f"labelwatch-{name}"


@pytest.mark.parametrize("name", ["", "Prod", "2nd", "prod-", "-prod", "pro d", "a" * 28, "template", "prod\n"])
def test_other_names_of_stages_are_refused(name: str) -> None:
    with pytest.raises(UserError) as refusal:
        stack_name_of(name)
    assert f"--stage {name!r}" in str(refusal.value)


@pytest.mark.parametrize("name", ["detect", "prod-detect", "prod-notify", "ingest", "a-b-authorize"])
def test_a_stage_whose_stack_would_share_names_with_another_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="reserved"):
        stack_name_of(name)


@pytest.mark.parametrize("name", ["detector", "detect-prod", "redetect"])
def test_a_stage_that_only_resembles_a_function_is_accepted(name: str) -> None:
    assert stack_name_of(name) == f"labelwatch-{name}"


def test_the_longest_stage_leaves_room_for_the_name_of_each_schedule() -> None:
    assert max(SCHEDULED_FUNCTIONS, key=len) == LONGEST_SCHEDULED_FUNCTION
    # https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
    assert len(f"{stack_name_of('a' * 27)}-{LONGEST_SCHEDULED_FUNCTION}-event") == 64


def test_a_stack_of_another_application_is_refused() -> None:
    with pytest.raises(UserError, match="labelwatch-website"):
        refuse_other_stacks("labelwatch-website", has("InputBucket", "Pages"))


@pytest.mark.parametrize(
    "logical_ids", [(), BUCKETS, ("ImagesQueue", "Topic")], ids=["empty", "imported buckets", "complete"]
)
def test_a_stack_of_labelwatch_is_accepted(logical_ids: tuple[str, ...]) -> None:
    refuse_other_stacks("labelwatch-prod", has(*logical_ids))


def test_a_stack_that_has_functions_is_refused() -> None:
    resources = has("ImagesQueue") + has("Detect", resource_type="AWS::Lambda::Function")
    with pytest.raises(UserError, match="includes the functions"):
        refuse_other_stacks("labelwatch-prod", resources)
