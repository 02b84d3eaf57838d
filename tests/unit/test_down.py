"""What `labelwatch down` plans to delete, keep and skip, and its refusals in a fake account."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from labelwatch.deploy import down
from labelwatch.deploy.deployed_file import Comparison
from labelwatch.deploy.down import Removal, StageState, plan
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import UserError
from labelwatch.shared.project import PROJECT
from labelwatch.shared.stacks import Stack
from tests.support.builders import ENVIRONMENT, MODEL
from tests.support.fake_account import FakeAccount

STACK = Stack("CREATE_COMPLETE", {}, {})
NOTHING = Comparison([], [], [], [])
DETECT = {"name": "detect", "resource_type": "lambda_function", "lambda_arn": "arn:function:labelwatch-prod-detect"}
STATE = StageState(
    stage_name="prod",
    stack_name="labelwatch-prod",
    region="eu-west-1",
    stack=STACK,
    resources=[],
    buckets=["images", "predictions"],
    unreadable_buckets=["unknown"],
    deployed=NOTHING,
)


def test_the_buckets_are_kept_and_buckets_of_others_are_not_mentioned() -> None:
    removal = plan(STATE, delete_data=False)
    assert removal == Removal(STACK, [], ["images", "predictions"], [])
    sentences = " ".join(removal.sentences())
    assert "Keeps these buckets" in sentences
    assert "images, predictions" in sentences
    assert "unknown" not in sentences


def test_the_buckets_are_deleted_where_that_is_requested_and_unreadable_buckets_are_left_alone() -> None:
    removal = plan(STATE, delete_data=True)
    assert removal == Removal(STACK, ["images", "predictions"], [], ["unknown"])
    deleted, skipped = removal.sentences()[1:]
    assert "images, predictions" in deleted
    assert "unknown" in skipped


def test_the_buckets_of_a_deleted_stack_can_be_deleted_later() -> None:
    removal = plan(STATE._replace(stack=None), delete_data=True)
    assert removal == Removal(None, ["images", "predictions"], [], ["unknown"])
    assert "images, predictions" in removal.sentences()[0]


def test_a_missing_stack_is_refused_and_its_kept_buckets_are_named() -> None:
    with pytest.raises(UserError, match=r"images, predictions.*--delete-data"):
        plan(STATE._replace(stack=None), delete_data=False)


@pytest.mark.parametrize("delete_data", [True, False])
def test_a_missing_stack_without_buckets_is_refused(*, delete_data: bool) -> None:
    with pytest.raises(UserError, match="No stack named labelwatch-prod"):
        plan(STATE._replace(stack=None, buckets=[]), delete_data=delete_data)


@pytest.mark.parametrize(
    ("stack", "delete_data"), [(STACK, False), (STACK, True), (None, True)], ids=["stack", "stack and data", "data"]
)
def test_nothing_is_deleted_while_functions_are_deployed(stack: Stack | None, *, delete_data: bool) -> None:
    with pytest.raises(UserError, match="chalice delete --stage prod"):
        plan(STATE._replace(stack=stack, deployed=NOTHING._replace(rebuilt=[DETECT])), delete_data=delete_data)


@pytest.mark.parametrize(
    ("stack", "buckets", "words"),
    [
        (STACK, [], ["labelwatch-prod"]),
        (STACK, ["a", "b"], ["labelwatch-prod", "2 buckets"]),
        (None, ["a"], ["1 bucket"]),
    ],
)
def test_the_question_names_all_that_is_deleted(stack: Stack | None, buckets: list[str], words: list[str]) -> None:
    question = Removal(stack, buckets, [], []).question("labelwatch-prod")
    assert question.startswith(
        f"Delete {' and '.join(f'stack {word}' if 'labelwatch' in word else word for word in words)}?"
    )


@pytest.fixture
def account() -> FakeAccount:
    """With the stack, which uses a Custom Labels model, and one of its buckets."""
    account = FakeAccount()
    account.cloudformation.put("CREATE_COMPLETE", {"CustomModelARN": MODEL})
    account.buckets["images"] = "labelwatch-prod"
    return account


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration with the stage."""
    content = json.loads((PROJECT / ".chalice" / "config.json").read_text())
    content["stages"]["prod"] = {"environment_variables": ENVIRONMENT}
    file = tmp_path / "config.json"
    file.write_text(json.dumps(content))
    return file


def run(fake: FakeAccount, config: Path, *, answer: bool = True) -> str:
    """The output."""
    account: Any = fake
    output = io.StringIO()
    terminal = Terminal(Console(file=output, width=80, markup=False), lambda _: answer)
    down.run(account, "prod", terminal, delete_data=False, config=config)
    return output.getvalue()


def test_the_stack_and_the_stage_are_deleted_and_the_bucket_is_kept(account: FakeAccount, config: Path) -> None:
    assert "Kept: images." in run(account, config)
    assert account.cloudformation.changes == ["DELETE"]
    assert "prod" not in json.loads(config.read_text())["stages"]


def test_the_command_that_stops_the_model_is_printed_as_one_line(account: FakeAccount, config: Path) -> None:
    assert f"aws rekognition stop-project-version --project-version-arn {MODEL}\n" in run(account, config)


def refused(account: FakeAccount, config: Path, *, answer: bool = True) -> str:
    """The refusal, which changes nothing."""
    before = config.read_bytes()
    with pytest.raises(UserError) as refusal:
        run(account, config, answer=answer)
    assert (account.cloudformation.changes, config.read_bytes()) == ([], before)
    return str(refusal.value)


def test_nothing_is_deleted_without_consent(account: FakeAccount, config: Path) -> None:
    assert refused(account, config, answer=False).startswith("Cancelled")


def test_a_stage_of_another_region_is_refused(account: FakeAccount, config: Path) -> None:
    account.region = "us-east-1"
    assert "eu-west-1" in refused(account, config)


def test_a_stack_that_has_functions_is_refused(account: FakeAccount, config: Path) -> None:
    account.cloudformation.resources["Detect"] = "AWS::Lambda::Function"
    assert "labelwatch-prod" in refused(account, config)


def test_a_stage_whose_functions_are_deployed_is_refused(account: FakeAccount, config: Path) -> None:
    account.functions = {"labelwatch-prod-detect"}
    assert "labelwatch-prod-detect" in refused(account, config)
