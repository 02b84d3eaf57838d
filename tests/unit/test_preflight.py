"""The checks of `labelwatch up` before it changes anything."""

from typing import Any

import pytest

from labelwatch.deploy import preflight, questions
from labelwatch.deploy.stage_stack import DesiredStack
from labelwatch.shared.errors import UserError
from labelwatch.shared.stacks import Stack
from tests.support.builders import MODEL
from tests.support.fake_account import OWNER, REGION, FakeAccount, client_error

PARAMETERS = {
    "CustomModelARN": MODEL,
    "LabelsofInterest": "leaf-smut:90",
    "InputBucketName": "images",
    "OutputBucketName": "predictions",
    "DatabaseName": "labelwatch_prod",
    "ExistingBucketName": "",
}


@pytest.fixture
def account() -> FakeAccount:
    return FakeAccount()


def findings(fake: FakeAccount, physical_ids: dict[str, str] | None = None, **changes: str) -> list[str]:
    """The findings where the stack has these resources, or where it does not exist."""
    account: Any = fake
    current = Stack("UPDATE_COMPLETE", {}, {}) if physical_ids else None
    desired = DesiredStack("labelwatch-prod", PARAMETERS | changes, current, physical_ids or {})
    return [f"{'! ' if finding.is_warning else ''}{finding.text}" for finding in preflight.findings(account, desired)]


def refusal_of(fake: FakeAccount, physical_ids: dict[str, str] | None = None, **changes: str) -> str:
    with pytest.raises(UserError) as refusal:
        findings(fake, physical_ids, **changes)
    return str(refusal.value)


def kept_buckets(fake: FakeAccount) -> dict[str, str]:
    account: Any = fake
    return preflight.kept_buckets(account, DesiredStack("labelwatch-prod", PARAMETERS))


def test_each_check_reports_its_finding(account: FakeAccount) -> None:
    parts = ["Model: RUNNING", "Labels of interest", "images: available", "predictions: available"]
    parts += ["predictions-workspace: available", "labelwatch_prod: available"]
    for part, finding in zip(parts, findings(account), strict=True):
        assert part in finding


@pytest.mark.parametrize("status", ["STOPPED", "TRAINING_COMPLETED", "COPYING_IN_PROGRESS", "COPYING_COMPLETED"])
def test_a_model_that_does_not_run_is_accepted_and_reported(account: FakeAccount, status: str) -> None:
    account.status = status
    assert findings(account)[0].startswith(f"Model: {status}. ")


@pytest.mark.parametrize("status", ["TRAINING_FAILED", "FAILED", "COPYING_FAILED", "DELETING"])
def test_a_model_that_can_never_run_is_refused(account: FakeAccount, status: str) -> None:
    account.status = status
    assert f"status {status}" in refusal_of(account)


def test_a_model_of_another_region_is_refused(account: FakeAccount) -> None:
    other = MODEL.replace(REGION, "us-east-1")
    assert "--region us-east-1" in refusal_of(account, CustomModelARN=other)


def test_a_model_of_another_account_is_refused(account: FakeAccount) -> None:
    other = MODEL.replace(OWNER, "999999999999")
    assert "copy-project-version" in refusal_of(account, CustomModelARN=other)


@pytest.mark.parametrize("arn", [MODEL.replace("project/rice", "project/wheat"), MODEL.replace("17000", "18000")])
def test_a_missing_model_is_refused(account: FakeAccount, arn: str) -> None:
    assert "describe-project-versions" in refusal_of(account, CustomModelARN=arn)


def test_general_labels_need_no_model(account: FakeAccount) -> None:
    assert "billed per image" in findings(account, CustomModelARN="general")[0]


def test_a_bucket_name_of_another_account_is_refused(account: FakeAccount) -> None:
    account.head_errors["images"] = client_error("403")
    assert "images belongs to another account" in refusal_of(account)


@pytest.mark.parametrize("code", ["301", "400"])
def test_a_bucket_of_another_region_is_refused_with_its_region(account: FakeAccount, code: str) -> None:
    account.head_errors["predictions"] = client_error(code, "us-east-1")
    assert "predictions is in us-east-1" in refusal_of(account)


def test_a_bucket_that_no_stack_created_is_refused(account: FakeAccount) -> None:
    account.buckets["predictions-workspace"] = None
    assert "predictions-workspace already exists" in refusal_of(account)


def test_a_bucket_of_another_stage_is_refused(account: FakeAccount) -> None:
    account.buckets["images"] = "labelwatch-test"
    assert "already exists in stack labelwatch-test" in refusal_of(account)


def test_a_bucket_that_an_earlier_stack_of_the_same_name_kept_is_taken_back(account: FakeAccount) -> None:
    account.buckets["images"] = "labelwatch-prod"
    assert [finding for finding in findings(account) if "images: kept" in finding]
    assert kept_buckets(account) == {"InputBucket": "images"}


def test_a_bucket_of_another_stack_is_never_taken_back(account: FakeAccount) -> None:
    account.buckets["images"] = "labelwatch-test"
    assert kept_buckets(account) == {}


def test_a_former_bucket_of_the_stack_is_refused_while_the_stack_exists(account: FakeAccount) -> None:
    account.buckets["images"] = "labelwatch-prod"
    assert "labelwatch down" in refusal_of(account, {"InputBucket": "other-images"})


def test_another_resource_of_the_same_name_is_not_the_stack_s_bucket(account: FakeAccount) -> None:
    account.buckets["images"] = None
    assert "images already exists" in refusal_of(account, {"Queue": "images", "OutputBucket": "images"})


def test_a_bucket_whose_tags_may_not_be_read_is_refused(account: FakeAccount) -> None:
    account.buckets["images"] = "labelwatch-prod"
    account.tags_denied = True
    assert "s3:GetBucketTagging on bucket images" in refusal_of(account)


def test_the_stack_s_resources_are_its_own(account: FakeAccount) -> None:
    physical_ids = {
        "InputBucket": "images",
        "OutputBucket": "predictions",
        "WorkspaceBucket": "predictions-workspace",
        "Database": "labelwatch_prod",
    }
    account.databases = {"labelwatch_prod"}
    lines = findings(account, physical_ids)
    assert [line for line in lines if "unchanged" in line] == lines[2:]


def test_a_bucket_that_another_replaces_is_reported_as_kept(account: FakeAccount) -> None:
    lines = findings(account, {"InputBucket": "old", "OutputBucket": "predictions"})
    assert [line for line in lines if "old: kept" in line]


@pytest.mark.parametrize("name", ["predictions", "predictions-workspace"])
def test_two_buckets_cannot_have_the_same_name(account: FakeAccount, name: str) -> None:
    assert f"InputBucketName {name!r}" in refusal_of(account, InputBucketName=name)


def test_an_existing_database_is_refused(account: FakeAccount) -> None:
    account.databases = {"labelwatch_prod"}
    assert "--database-name" in refusal_of(account)


def test_a_database_that_another_replaces_is_reported_as_deleted_with_its_tables(account: FakeAccount) -> None:
    assert "Replaces leaves" in findings(account, {"Database": "leaves"})[-1]


def test_an_existing_bucket_must_exist(account: FakeAccount) -> None:
    assert "No bucket named old" in refusal_of(account, ExistingBucketName="old")


def test_the_stack_s_own_bucket_is_refused_as_the_existing_bucket(account: FakeAccount) -> None:
    assert "--existing-bucket 'images'" in refusal_of(account, ExistingBucketName="images")


THUMBNAILS = f"arn:aws:lambda:{REGION}:{OWNER}:function:thumbnails"
QUEUE = f"arn:aws:sqs:{REGION}:{OWNER}:removed"


def notifying(events: list[str], target: str = THUMBNAILS) -> dict[str, Any]:
    return {"LambdaFunctionConfigurations": [{"Id": "x", "LambdaFunctionArn": target, "Events": events}]}


def test_an_existing_bucket_that_notifies_another_function_of_new_objects_is_refused(account: FakeAccount) -> None:
    account.buckets["old"] = None
    account.notifications = notifying(["s3:ObjectCreated:Put"])
    target = f"s3:ObjectCreated:Put to {THUMBNAILS}"
    assert target in refusal_of(account, ExistingBucketName="old")


@pytest.mark.parametrize("kind", ["Queue", "Topic"])
def test_an_existing_bucket_that_notifies_a_queue_or_a_topic_of_new_objects_is_refused(
    account: FakeAccount, kind: str
) -> None:
    account.buckets["old"] = None
    target = {"Id": "x", f"{kind}Arn": "arn:aws:x:::somebody", "Events": ["s3:ObjectCreated:*"]}
    account.notifications = {f"{kind}Configurations": [target]}
    assert "s3:ObjectCreated:* to arn:aws:x:::somebody" in refusal_of(account, ExistingBucketName="old")


@pytest.mark.parametrize(
    "notifications",
    [
        {},
        notifying(["s3:ObjectRemoved:*"]),
        notifying(["s3:ObjectCreated:*"], f"arn:aws:lambda:{REGION}:{OWNER}:function:labelwatch-prod-ingest"),
        {"EventBridgeConfiguration": {}},
        {"QueueConfigurations": [{"Id": "x", "QueueArn": QUEUE, "Events": ["s3:ObjectRemoved:*"]}]},
    ],
    ids=["none", "of removals", "our own", "EventBridge", "a queue of removals"],
)
def test_an_existing_bucket_may_have_other_notifications(account: FakeAccount, notifications: dict[str, Any]) -> None:
    account.buckets["old"] = None
    account.notifications = notifications
    account.targets = {THUMBNAILS, QUEUE}
    assert findings(account, ExistingBucketName="old")[-1].startswith("Bucket old: ")


def old_bucket_with(account: FakeAccount, kind: str, arn: str) -> None:
    account.buckets["old"] = None
    account.notifications = {
        f"{kind}Configurations": [{"Id": "x", f"{kind}Arn": arn, "Events": ["s3:ObjectRemoved:*"]}]
    }


every_target = pytest.mark.parametrize(
    ("kind", "arn"),
    [("Queue", QUEUE), ("Topic", f"arn:aws:sns:{REGION}:{OWNER}:removed"), ("LambdaFunction", THUMBNAILS)],
)


@every_target
def test_another_notification_with_a_missing_target_is_refused_since_s3_would_refuse_ours_too(
    account: FakeAccount, kind: str, arn: str
) -> None:
    old_bucket_with(account, kind, arn)
    assert arn in refusal_of(account, ExistingBucketName="old")


@every_target
def test_another_notification_with_an_existing_target_is_no_problem(account: FakeAccount, kind: str, arn: str) -> None:
    old_bucket_with(account, kind, arn)
    account.targets = {arn}
    assert [line for line in findings(account, ExistingBucketName="old") if line.startswith("!")] == []


@every_target
def test_a_target_that_may_not_be_read_is_reported_as_unchecked(account: FakeAccount, kind: str, arn: str) -> None:
    old_bucket_with(account, kind, arn)
    account.denied_targets = {arn}
    (warning,) = [line for line in findings(account, ExistingBucketName="old") if line.startswith("!")]
    assert arn in warning


def test_a_target_of_another_account_is_reported_as_unchecked(account: FakeAccount) -> None:
    arn = f"arn:aws:sqs:{REGION}:999999999999:removed"
    old_bucket_with(account, "Queue", arn)
    (warning,) = [line for line in findings(account, ExistingBucketName="old") if line.startswith("!")]
    assert arn in warning


@pytest.mark.parametrize(
    ("model", "labels", "warns"),
    [
        ("general", "leaf-smut", True),
        ("general", "Plant,brown_spot:90", True),
        ("general", "Plant,leaf", False),
        ("general", "*", False),
        (MODEL, "leaf-smut", False),
    ],
)
def test_labels_of_a_custom_model_with_general_labels_are_a_warning(
    account: FakeAccount, model: str, labels: str, *, warns: bool
) -> None:
    lines = findings(account, CustomModelARN=model, LabelsofInterest=labels)
    assert bool([line for line in lines if line.startswith("! Labels of interest")]) == warns


def check_parameter(fake: FakeAccount, name: str, **values: str) -> None:
    account: Any = fake
    preflight.check_parameter(account, "labelwatch-prod", name, values)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("CustomModelARN", {"CustomModelARN": MODEL.replace("rice", "wheat")}),
        ("InputBucketName", {"InputBucketName": "taken"}),
        ("OutputBucketName", {"InputBucketName": "images", "OutputBucketName": "taken"}),
        ("OutputBucketName", {"InputBucketName": "images", "OutputBucketName": "partly"}),
        ("OutputBucketName", {"InputBucketName": "images", "OutputBucketName": "images"}),
    ],
)
def test_a_parameter_is_checked_in_the_account_alone(account: FakeAccount, name: str, values: dict[str, str]) -> None:
    account.buckets = {"taken": None, "partly-workspace": None}
    with pytest.raises(UserError):
        check_parameter(account, name, **values)


def test_a_parameter_that_the_account_accepts_is_no_mistake(account: FakeAccount) -> None:
    for name in ("CustomModelARN", "EmailNotification", "InputBucketName"):
        check_parameter(account, name, CustomModelARN=MODEL, InputBucketName="images")


def question(fake: FakeAccount, name: str, answer: str) -> tuple[str, str]:
    """The text of the question, and what its answer means."""
    account: Any = fake
    texts: list[str] = []

    def ask(_name: str, text: str, _default: str) -> str:
        texts.append(text)
        return answer

    meant = questions.with_models(account, ask)(name, "Which?", "")
    return texts[0], meant


def test_the_models_are_listed_and_chosen_by_number(account: FakeAccount) -> None:
    text, meant = question(account, "CustomModelARN", "1")
    assert f"1. {MODEL} (RUNNING)" in text
    assert meant == MODEL


@pytest.mark.parametrize("answer", ["general", MODEL, "2"])
def test_any_other_answer_is_kept(account: FakeAccount, answer: str) -> None:
    assert question(account, "CustomModelARN", answer)[1] == answer


def test_a_model_that_cannot_run_is_not_listed(account: FakeAccount) -> None:
    account.status = "TRAINING_FAILED"
    assert question(account, "CustomModelARN", "1") == ("Which?", "1")


def test_without_the_right_to_list_models_there_is_only_the_question(account: FakeAccount) -> None:
    account.models_denied = True
    assert question(account, "CustomModelARN", "general") == ("Which?", "general")


def test_no_other_question_lists_models(account: FakeAccount) -> None:
    assert question(account, "MinConfidence", "1") == ("Which?", "1")


@pytest.mark.parametrize(
    ("before", "days", "warned"),
    [(None, "0", False), (None, "90", True), ("0", "90", True), ("90", "90", False), ("90", "30", True)],
)
@pytest.mark.parametrize("name", ["ImageDays", "PredictionDays"])
def test_a_new_lifetime_is_a_warning_since_existing_data_is_deleted_too(
    account: FakeAccount, name: str, before: str | None, days: str, *, warned: bool
) -> None:
    typed: Any = account
    current = Stack("UPDATE_COMPLETE", {name: before}, {}) if before else None
    ids = {"InputBucket": "images", "OutputBucket": "predictions", "WorkspaceBucket": "predictions-workspace"}
    desired = DesiredStack("labelwatch-prod", PARAMETERS | {name: days}, current, ids | {"Database": "labelwatch_prod"})
    found = [finding for finding in preflight.findings(typed, desired) if finding.is_warning]
    assert [f"{name} {days}" in finding.text for finding in found] == [True] * warned
