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
    tagged_buckets=["former"],
    unreadable_buckets=["unknown"],
    deployed=NOTHING,
)


def test_the_buckets_are_kept_and_buckets_of_others_are_not_mentioned() -> None:
    removal = plan(STATE, delete_data=False)
    assert removal == Removal(STACK, [], ["former", "images", "predictions"], [], [])
    sentences = " ".join(removal.sentences())
    assert "Keeps these buckets" in sentences
    assert "former, images, predictions" in sentences
    assert "unknown" not in sentences


def test_the_stack_s_buckets_are_deleted_where_that_is_requested_and_all_others_are_left_alone() -> None:
    removal = plan(STATE, delete_data=True)
    assert removal == Removal(STACK, ["images", "predictions"], [], ["former"], ["unknown"])
    deleted, unnamed, skipped = removal.sentences()[1:]
    assert "images, predictions" in deleted
    assert "former" in unnamed
    assert "--bucket" in unnamed
    assert "unknown" in skipped


def test_a_bucket_that_the_stack_does_not_list_is_deleted_where_it_is_named() -> None:
    removal = plan(STATE, delete_data=True, named=["former"])
    assert removal == Removal(STACK, ["former", "images", "predictions"], [], [], ["unknown"])


def test_the_buckets_of_a_deleted_stack_can_be_deleted_later_by_their_names() -> None:
    state = STATE._replace(stack=None, buckets=[], tagged_buckets=["images", "former"])
    removal = plan(state, delete_data=True, named=["images"])
    assert removal == Removal(None, ["images"], [], ["former"], ["unknown"])
    assert "images" in removal.sentences()[0]


@pytest.mark.parametrize("delete_data", [True, False])
def test_a_missing_stack_is_refused_and_its_kept_buckets_are_listed(*, delete_data: bool) -> None:
    with pytest.raises(UserError, match=r"former, images.*--delete-data and --bucket"):
        plan(STATE._replace(stack=None, buckets=[], tagged_buckets=["images", "former"]), delete_data=delete_data)


@pytest.mark.parametrize("delete_data", [True, False])
def test_a_missing_stack_without_buckets_is_refused(*, delete_data: bool) -> None:
    with pytest.raises(UserError, match="No stack named labelwatch-prod"):
        plan(STATE._replace(stack=None, buckets=[], tagged_buckets=[]), delete_data=delete_data)


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
    question = Removal(stack, buckets, [], [], []).question("labelwatch-prod")
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


def run(
    fake: FakeAccount,
    config: Path,
    *named: str,
    answer: bool = True,
    typed: str | None = None,
    delete_data: bool = False,
) -> str:
    """The output; `typed` is what the person types where a question asks for text, None where nobody can."""
    account: Any = fake
    output = io.StringIO()
    ask = None if typed is None else lambda _name, _text, default: typed or default
    terminal = Terminal(Console(file=output, width=80, markup=False), lambda _: answer, ask)
    down.run(account, "prod", terminal, delete_data=delete_data, named=named, config=config)
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


@pytest.fixture
def tagged(account: FakeAccount) -> FakeAccount:
    """With the stack's own bucket, and a bucket of others, whose tags somebody has set."""
    account.cloudformation.resources["images"] = "AWS::S3::Bucket"
    account.buckets["payroll"] = "labelwatch-prod"
    return account


def test_a_tagged_bucket_of_others_is_kept_although_every_question_is_accepted(
    tagged: FakeAccount, config: Path
) -> None:
    assert "payroll" in run(tagged, config, delete_data=True)
    assert tagged.buckets.keys() == {"payroll"}


@pytest.mark.parametrize("typed", ["", "no", "yes", "y", "images"])
def test_a_tagged_bucket_of_others_is_kept_unless_its_name_is_typed(
    tagged: FakeAccount, config: Path, typed: str
) -> None:
    run(tagged, config, delete_data=True, typed=typed)
    assert tagged.buckets.keys() == {"payroll"}


def test_a_tagged_bucket_is_deleted_where_its_name_is_typed(tagged: FakeAccount, config: Path) -> None:
    run(tagged, config, delete_data=True, typed="payroll")
    assert tagged.buckets.keys() == set()


def test_a_tagged_bucket_is_deleted_where_an_option_names_it(tagged: FakeAccount, config: Path) -> None:
    run(tagged, config, "payroll", delete_data=True)
    assert tagged.buckets.keys() == set()


def test_a_named_bucket_without_the_tags_of_the_stack_is_refused(tagged: FakeAccount, config: Path) -> None:
    tagged.buckets["payroll"] = "labelwatch-other"
    with pytest.raises(UserError, match="payroll"):
        run(tagged, config, "payroll", delete_data=True)
    assert (sorted(tagged.buckets), tagged.cloudformation.changes) == (["images", "payroll"], [])
