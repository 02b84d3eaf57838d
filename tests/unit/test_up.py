"""`labelwatch up` in a fake account: settings, questions and refusals; and the template that imports buckets."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from labelwatch.deploy import import_buckets, settings_table, up
from labelwatch.deploy.packaging import resources
from labelwatch.deploy.parameters import PARAMETERS
from labelwatch.deploy.stack_changes import StackChanges
from labelwatch.deploy.stage import VARIABLES
from labelwatch.deploy.stage_stack import DesiredStack
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import UserError
from labelwatch.shared.project import PROJECT
from labelwatch.shared.stacks import Change, Plan, Stack, Stacks
from tests.support.builders import MODEL
from tests.support.fake_account import FakeAccount

REQUIRED = {"EmailNotification": "grower@example.com", "InputBucketName": "images", "OutputBucketName": "predictions"}
# Another value for each parameter.
CHANGES = {
    "CustomModelARN": MODEL,
    "EmailNotification": "other@example.com",
    "InputBucketName": "other-images",
    "LabelsofInterest": "leaf-smut:90",
    "MinConfidence": "60",
    "OutputBucketName": "other-predictions",
    "ExistingBucketName": "cameras",
    "PictureLinks": "no",
    "TimeZone": "Europe/Berlin",
    "UploadOrigin": "https://example.com",
    "ModelAutoStart": "yes",
    "ModelIdleMinutes": "30",
    "ModelIdleStops": "any",
    "ModelMaxHoursPerMonth": "40",
    "MaxImagesPerDay": "500",
    "DatabaseName": "leaves",
    "ImageDays": "90",
    "PredictionDays": "365",
    "Tracing": "yes",
    "PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary",
}


@pytest.fixture
def account() -> FakeAccount:
    account = FakeAccount()
    account.buckets["cameras"] = None
    return account


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration as it stands in the repository."""
    file = tmp_path / "config.json"
    file.write_bytes((PROJECT / ".chalice" / "config.json").read_bytes())
    return file


class Answers:
    """A terminal of 80 columns that gives the same answer to each question, and keeps the output before each."""

    def __init__(self, *, answer: bool) -> None:
        self.before: dict[str, str] = {}
        self._answer = answer
        self._output = io.StringIO()

    def accepts(self, question: str) -> bool:
        self.before[question] = self.output
        return self._answer

    @property
    def output(self) -> str:
        return self._output.getvalue()

    @property
    def terminal(self) -> Terminal:
        return Terminal(Console(file=self._output, width=80, markup=False), self.accepts)


def run(
    fake: FakeAccount, config: Path, options: dict[str, str] | None = None, *, answer: bool = True, tag: str = ""
) -> Answers:
    answers = Answers(answer=answer)
    account: Any = fake
    tags = {"team": tag} if tag else {}
    up.run(account, "prod", options or {}, answers.terminal, tags, config=config)
    return answers


def stage_of(config: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(config.read_text())["stages"]["prod"]
    return content


def test_the_stage_is_written_once_the_stack_exists(account: FakeAccount, config: Path) -> None:
    run(account, config, REQUIRED)
    assert account.cloudformation.changes == ["CREATE"]
    assert stage_of(config)["environment_variables"]["EmailNotification"] == "grower@example.com"


@pytest.mark.parametrize("name", PARAMETERS)
def test_each_parameter_can_be_changed_alone_and_is_kept(account: FakeAccount, config: Path, name: str) -> None:
    # An automatic start needs a limit of hours.
    limit = {"ModelMaxHoursPerMonth": "20"} if name == "ModelAutoStart" else {}
    run(account, config, REQUIRED | limit)
    before = account.cloudformation.parameters
    run(account, config, {name: CHANGES[name]})
    assert account.cloudformation.parameters == before | {name: CHANGES[name]}
    run(account, config)
    assert account.cloudformation.parameters == before | {name: CHANGES[name]}
    assert account.cloudformation.changes == ["CREATE", "UPDATE"]
    if name in VARIABLES.values():  # else the functions get it by another name, or not at all
        variable = next(variable for variable, output in VARIABLES.items() if output == name)
        assert stage_of(config)["environment_variables"][variable] == CHANGES[name]


def test_tags_are_kept_without_their_option(account: FakeAccount, config: Path) -> None:
    run(account, config, REQUIRED, tag="plants")
    run(account, config, {"MinConfidence": "60"})
    assert account.cloudformation.description
    assert {tag["Key"]: tag["Value"] for tag in account.cloudformation.description["Tags"]} == {
        "team": "plants", "application": "labelwatch", "stack": "labelwatch-prod",
    }  # fmt: skip


def test_all_settings_are_shown_before_the_question(account: FakeAccount, config: Path) -> None:
    run(account, config, REQUIRED)
    answers = run(account, config, {"MinConfidence": "60"})
    (shown,) = answers.before.values()
    for name, value in account.cloudformation.parameters.items():
        assert re.search(rf"(?m)^  {name} +(un)?changed +{re.escape(value) or '""'}( |$)", shown), name


def test_each_setting_is_shown_with_its_origin() -> None:
    shown = settings_table.lines(
        {"A": "1", "B": "1", "C": "1", "D": "", "E": "5"}, {"A": "1", "B": ""}, {"C": "1", "D": "1", "E": None}, 80
    )
    assert [line.split(maxsplit=2) for line in shown] == [
        ["A", "unchanged", "1"],
        ["B", "changed", '1 (was "")'],
        ["C", "default", "1"],
        ["D", "given", '""'],
        ["E", "given", "5"],
    ]


def test_a_setting_is_printable_and_wide_characters_need_two_columns() -> None:
    shown = list(settings_table.lines({"A": "a\x1b[2Jb", "B": "稲" * 25}, {"A": "\x1b"}, {}, 80))
    assert shown[0].endswith(r"a\x1b[2Jb (was \x1b)")
    assert shown[1].splitlines()[1:] == ["    " + "稲" * 25]


@pytest.mark.parametrize("length", [3, 44, 45, 63])
def test_a_bucket_name_of_any_length_is_shown_whole_in_80_columns(length: int) -> None:
    name = "a" * length
    lines = "\n".join(settings_table.lines({"InputBucketName": name}, {}, {}, 80)).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line.endswith(f" {name}")]


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (Change("Add", "Topic", "AWS::SNS::Topic", "False"), "create"),
        (Change("Modify", "Topic", "AWS::SNS::Topic", "False"), "update"),
        (Change("Modify", "Topic", "AWS::SNS::Topic", "True"), "replace"),
        (Change("Modify", "Topic", "AWS::SNS::Topic", "Conditional"), "may replace"),
        (Change("Remove", "Topic", "AWS::SNS::Topic", "False"), "delete"),
        (Change("Import", "Topic", "AWS::SNS::Topic", "False"), "import"),
        (Change("Dynamic", "Topic", "AWS::SNS::Topic", "False"), "dynamic"),
    ],
)
def test_each_change_is_shown_with_its_resource(change: Change, shown: str) -> None:
    assert re.search(rf"│ {shown} +│ Topic +│ AWS::SNS::Topic +│", table_of(change))


def test_every_resource_of_the_stack_is_shown_whole_in_80_columns() -> None:
    types = {name: resource["Type"] for name, resource in resources()["Resources"].items()}
    table = table_of(*(Change("Modify", name, kind, "Conditional") for name, kind in types.items()))
    for name, kind in types.items():
        assert re.search(rf"│ may replace │ {name} +│ {kind} +│", table), name


def table_of(*changes: Change) -> str:
    answers = Answers(answer=True)
    client: Any = None
    stack = StackChanges(Stacks(client), DesiredStack("labelwatch-prod", {}), {}, {}, answers.terminal)
    stack.show(Plan("labelwatch-prod", "labelwatch-1", creates=False, changes=list(changes)))
    return answers.output


def test_the_database_of_the_stage_is_a_default(account: FakeAccount, config: Path) -> None:
    answers = run(account, config, REQUIRED)
    assert re.search(r"DatabaseName +default +labelwatch_prod", answers.output)


def refusal_of(action: Callable[[], object]) -> str:
    with pytest.raises(UserError) as refusal:
        action()
    return str(refusal.value)


@pytest.mark.parametrize("exists", [True, False])
def test_a_refused_change_changes_nothing(account: FakeAccount, config: Path, *, exists: bool) -> None:
    if exists:
        run(account, config, REQUIRED)
    before = account.cloudformation.changes[:], config.read_bytes()
    assert refusal_of(lambda: run(account, config, REQUIRED | {"MinConfidence": "60"}, answer=False)).startswith(
        "Cancelled"
    )
    assert (account.cloudformation.changes, config.read_bytes()) == before


def test_a_stage_of_another_region_is_refused(account: FakeAccount, config: Path) -> None:
    run(account, config, REQUIRED)
    account.region = "us-east-1"
    assert "eu-west-1" in refusal_of(lambda: run(account, config, {"MinConfidence": "60"}))
    assert account.cloudformation.changes == ["CREATE"]


def test_a_region_without_rekognition_is_refused_before_anything_is_read(account: FakeAccount, config: Path) -> None:
    account.region = "eu-west-3"
    assert "eu-west-3" in refusal_of(lambda: run(account, config, REQUIRED))
    assert account.cloudformation.changes == []


def test_a_person_chooses_a_listed_model_and_another_name_for_a_taken_bucket(
    account: FakeAccount, config: Path
) -> None:
    account.buckets["taken"] = None
    answers, questions = Answers(answer=True), []
    replies = ["1", "grower@example.com", "taken", "images", "", "", "predictions"]

    def ask(name: str, text: str, default: str) -> str:
        questions.append((name, text))
        return replies.pop(0) or default

    fake: Any = account
    up.run(fake, "prod", {}, answers.terminal._replace(ask=ask), {}, config=config)
    parameters = account.cloudformation.parameters
    assert (parameters["CustomModelARN"], parameters["InputBucketName"]) == (MODEL, "images")
    assert MODEL in questions[0][1]
    assert [text for name, text in questions if name == "InputBucketName"][1].startswith("Bucket taken ")


def test_an_invalid_stage_is_refused_before_the_stack_is_changed(account: FakeAccount, config: Path) -> None:
    run(account, config, REQUIRED)
    content = json.loads(config.read_text())
    content["stages"]["prod"]["environment_variables"]["PRESIGNED_UPLOAD_SECONDS"] = "soon"
    config.write_text(json.dumps(content))
    assert "PRESIGNED_UPLOAD_SECONDS" in refusal_of(lambda: run(account, config, {"MinConfidence": "60"}))
    assert account.cloudformation.changes == ["CREATE"]


def test_a_stack_that_has_functions_is_refused(account: FakeAccount, config: Path) -> None:
    run(account, config, REQUIRED)
    account.cloudformation.resources["Detect"] = "AWS::Lambda::Function"
    assert "labelwatch-prod" in refusal_of(lambda: run(account, config, {"MinConfidence": "60"}))
    assert account.cloudformation.changes == ["CREATE"]


def test_a_check_that_fails_changes_nothing(account: FakeAccount, config: Path) -> None:
    run(account, config, REQUIRED)
    account.databases = {"leaves"}
    assert "leaves" in refusal_of(lambda: run(account, config, {"DatabaseName": "leaves"}))
    assert account.cloudformation.changes == ["CREATE"]


@pytest.mark.parametrize(("model", "starts"), [(MODEL, True), ("general", False)])
def test_the_command_that_starts_the_model_is_printed_where_the_stack_has_a_model(
    account: FakeAccount, config: Path, model: str, *, starts: bool
) -> None:
    output = run(account, config, REQUIRED | {"CustomModelARN": model}).output
    assert ("model start --stack labelwatch-prod" in output) == starts


UP_IS_NEXT = re.compile(r"deploy --stage prod\n  2\. .*labelwatch up --stage prod +# ")
LIMITS = {
    "/*/*/throttling/rateLimit": "50",
    "/*/*/throttling/burstLimit": "100",
    "/~1p~1{link_id}/GET/throttling/rateLimit": "10",
    "/~1p~1{link_id}/GET/throttling/burstLimit": "20",
    "/~1p~1{link_id}~1image/GET/throttling/rateLimit": "10",
    "/~1p~1{link_id}~1image/GET/throttling/burstLimit": "20",
}
ACCOUNT_S_LIMIT = {"throttlingRateLimit": 10_000.0, "throttlingBurstLimit": 5_000}
LIMIT: dict[str, Any] = {"throttlingRateLimit": 50.0, "throttlingBurstLimit": 100, "loggingLevel": "OFF"}
LIMIT_OF_A_PAGE = {"throttlingRateLimit": 10.0, "throttlingBurstLimit": 20}


def test_before_the_first_deployment_no_request_is_limited_and_the_command_to_run_after_it_is_printed(
    account: FakeAccount, config: Path
) -> None:
    assert UP_IS_NEXT.search(run(account, config, REQUIRED).output)
    assert account.apigateway.updates == []


@pytest.mark.parametrize("present", [{}, {"*/*": {}}, {"*/*": ACCOUNT_S_LIMIT}])
def test_the_requests_to_the_api_are_limited_as_in_the_template(
    account: FakeAccount, config: Path, present: dict[str, dict[str, float]]
) -> None:
    account.apigateway.exists, account.apigateway.settings = True, present
    output = run(account, config, REQUIRED).output
    assert account.apigateway.updates == [LIMITS]
    assert "limited to 50 requests per second, 10 for" in output
    assert not UP_IS_NEXT.search(output)


@pytest.mark.parametrize("page", ["p/{link_id}", "/p/{link_id}", "~1p~1{link_id}", "p~1{link_id}"])
def test_limits_that_are_set_already_stay_as_they_are(account: FakeAccount, config: Path, page: str) -> None:
    """AWS documents a method as `{resource_path}/{http_method}`, and not how the slashes of its path are written."""
    account.apigateway.exists = True
    pages = {f"{page}/GET": LIMIT_OF_A_PAGE, f"{page}{'~1' if '~1' in page else '/'}image/GET": LIMIT_OF_A_PAGE}
    account.apigateway.settings = {"*/*": LIMIT} | pages
    output = run(account, config, REQUIRED).output
    assert account.apigateway.updates == []
    assert "limits of requests unchanged" in output
    assert not UP_IS_NEXT.search(output)


def test_only_the_limits_that_differ_are_set(account: FakeAccount, config: Path) -> None:
    account.apigateway.exists = True
    account.apigateway.settings = {
        "*/*": LIMIT, "p/{link_id}/GET": LIMIT_OF_A_PAGE,
        "p/{link_id}/image/GET": LIMIT_OF_A_PAGE | {"throttlingBurstLimit": 21},
    }  # fmt: skip
    run(account, config, REQUIRED)
    path = "/~1p~1{link_id}~1image/GET/throttling/burstLimit"
    assert account.apigateway.updates == [{path: LIMITS[path]}]


def test_where_the_limits_cannot_be_set_up_says_so_and_goes_on(account: FakeAccount, config: Path) -> None:
    account.apigateway.exists = account.apigateway.denied = True
    output = run(account, config, REQUIRED).output
    assert "apigateway:PATCH" in output
    assert UP_IS_NEXT.search(output)
    assert stage_of(config)


@pytest.mark.parametrize("status", up.LEFTOVERS)
def test_a_stack_that_was_never_created_is_deleted_first(account: FakeAccount, config: Path, status: str) -> None:
    account.cloudformation.put(status, {})
    answers = run(account, config, REQUIRED)
    assert status in answers.output
    assert account.cloudformation.changes == ["DELETE", "CREATE"]


@pytest.mark.parametrize("status", up.LEFTOVERS)
def test_a_stack_that_was_never_created_is_kept_without_consent(
    account: FakeAccount, config: Path, status: str
) -> None:
    account.cloudformation.put(status, {})
    refusal_of(lambda: run(account, config, REQUIRED, answer=False))
    assert account.cloudformation.changes == []


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
    with pytest.raises(UserError, match=f"{status}.* in a few minutes"):
        find_stack(status)


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_FAILED", "DELETE_FAILED", "IMPORT_ROLLBACK_FAILED"])
def test_a_stack_that_is_stuck_is_left_alone(status: str) -> None:
    with pytest.raises(UserError, match=f"{status}.*CloudFormation console"):
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
