from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labelwatch.deploy import preflight
from labelwatch.deploy.stage_stack import DesiredStack
from labelwatch.shared.errors import UserError
from labelwatch.shared.stacks import Stack

REGION, OWNER = "eu-west-1", "123456789012"
MODEL = f"arn:aws:rekognition:{REGION}:{OWNER}:project/rice/version/rice.1/1700000000000"
LABELS = (
    "labels of interest: leaf-smut:90 (AWS does not tell which a model has: write them as its page in the Rekognition "
    "console does)"
)
PARAMETERS = {
    "CustomModelARN": MODEL,
    "LabelsofInterest": "leaf-smut:90",
    "InputBucketName": "images",
    "OutputBucketName": "predictions",
    "DatabaseName": "labelwatch_prod",
    "ExistingBucketName": "",
}


def client_error(code: str, region: str | None = None) -> ClientError:
    headers = {"x-amz-bucket-region": region} if region else {}
    response: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPHeaders": headers}}
    return ClientError(response, "Operation")


class FakeAccount:
    """An account with buckets (name → stack that created it), a model, databases, and a bucket's notifications."""

    region = REGION
    id = OWNER

    def __init__(self) -> None:
        self.buckets: dict[str, str | None] = {}
        self.head_errors: dict[str, ClientError] = {}
        self.status = "RUNNING"
        self.databases: set[str] = set()
        self.notifications: dict[str, Any] = {}
        self.tags_denied = False

    def client(self, service: str) -> Any:
        return {"s3": self, "glue": self, "rekognition": _Rekognition(self)}[service]

    def head_bucket(self, Bucket: str, ExpectedBucketOwner: str) -> dict[str, str]:  # noqa: N803 - boto3's names
        assert ExpectedBucketOwner == OWNER
        if Bucket in self.head_errors:
            raise self.head_errors[Bucket]
        if Bucket not in self.buckets:
            raise client_error("404")
        return {"BucketRegion": REGION}

    def get_bucket_tagging(self, Bucket: str) -> dict[str, Any]:  # noqa: N803 - the same
        if self.tags_denied:
            raise client_error("AccessDenied")
        stack = self.buckets[Bucket]
        if not stack:
            raise client_error("NoSuchTagSet")
        return {"TagSet": [{"Key": "application", "Value": "labelwatch"}, {"Key": "stack", "Value": stack}]}

    def get_bucket_notification_configuration(self, Bucket: str) -> dict[str, Any]:  # noqa: ARG002, N803 - the same
        return self.notifications

    def get_database(self, Name: str) -> None:  # noqa: N803 - the same
        if Name not in self.databases:
            raise client_error("EntityNotFoundException")


class _Rekognition:
    def __init__(self, account: FakeAccount) -> None:
        self._status = account.status

    def describe_projects(self, ProjectNames: list[str]) -> dict[str, Any]:  # noqa: N803 - the same
        return {"ProjectDescriptions": [{"ProjectArn": f"{ProjectNames[0]}/1"}] if ProjectNames == ["rice"] else []}

    def get_paginator(self, _name: str) -> Any:
        found = [{"ProjectVersionArn": MODEL, "Status": self._status}]
        return SimpleNamespace(paginate=lambda **_: [{"ProjectVersionDescriptions": found}])


@pytest.fixture
def account() -> FakeAccount:
    return FakeAccount()


def findings(fake: FakeAccount, physical_ids: dict[str, str] | None = None, **changes: str) -> list[str]:
    """The findings where the stack has these resources, or where it does not exist."""
    account: Any = fake
    current = Stack("UPDATE_COMPLETE", {}, {}) if physical_ids else None
    desired = DesiredStack("labelwatch-prod", PARAMETERS | changes, current, physical_ids or {})
    return list(preflight.findings(account, desired))


def refusal_of(fake: FakeAccount, physical_ids: dict[str, str] | None = None, **changes: str) -> str:
    with pytest.raises(UserError) as refusal:
        findings(fake, physical_ids, **changes)
    return str(refusal.value)


def kept_buckets(fake: FakeAccount) -> dict[str, str]:
    account: Any = fake
    return preflight.kept_buckets(account, DesiredStack("labelwatch-prod", PARAMETERS))


def test_each_check_reports_its_finding(account: FakeAccount) -> None:
    assert findings(account) == [
        f"account {OWNER}, Region {REGION}",
        "model: RUNNING",
        LABELS,
        "bucket images: free",
        "bucket predictions: free",
        "bucket predictions-workspace: free",
        "database labelwatch_prod: free",
    ]


@pytest.mark.parametrize("status", ["STOPPED", "TRAINING_COMPLETED", "COPYING_IN_PROGRESS", "COPYING_COMPLETED"])
def test_a_model_that_does_not_run_is_accepted_and_reported(account: FakeAccount, status: str) -> None:
    account.status = status
    assert f"model: {status}; images wait until it runs" in findings(account)


@pytest.mark.parametrize("status", ["TRAINING_FAILED", "FAILED", "COPYING_FAILED", "DELETING"])
def test_a_model_that_can_never_run_is_refused(account: FakeAccount, status: str) -> None:
    account.status = status
    assert f"the model's status is {status}" in refusal_of(account)


def test_a_model_of_another_region_is_refused(account: FakeAccount) -> None:
    other = MODEL.replace(REGION, "us-east-1")
    assert "the model is in us-east-1 and the stack would be in eu-west-1" in refusal_of(account, CustomModelARN=other)


def test_a_model_of_another_account_is_refused(account: FakeAccount) -> None:
    other = MODEL.replace(OWNER, "999999999999")
    assert "the model is of the account 999999999999" in refusal_of(account, CustomModelARN=other)


@pytest.mark.parametrize("arn", [MODEL.replace("project/rice", "project/wheat"), MODEL.replace("17000", "18000")])
def test_a_missing_model_is_refused(account: FakeAccount, arn: str) -> None:
    assert "there is no version rice.1 of a project" in refusal_of(account, CustomModelARN=arn)


def test_general_labels_need_no_model(account: FakeAccount) -> None:
    assert "model: Rekognition's own labels, paid by the image" in findings(account, CustomModelARN="general")


def test_a_bucket_name_of_another_account_is_refused(account: FakeAccount) -> None:
    account.head_errors["images"] = client_error("403")
    assert "the bucket name images is taken by somebody else" in refusal_of(account)


@pytest.mark.parametrize("code", ["301", "400"])
def test_a_bucket_of_another_region_is_refused_with_its_region(account: FakeAccount, code: str) -> None:
    account.head_errors["predictions"] = client_error(code, "us-east-1")
    assert refusal_of(account) == "the bucket predictions is in us-east-1, and this is eu-west-1."


def test_a_bucket_that_no_stack_created_is_refused(account: FakeAccount) -> None:
    account.buckets["predictions-workspace"] = None
    assert "the bucket predictions-workspace is there already; choose another name" in refusal_of(account)


def test_a_bucket_of_another_stage_is_refused(account: FakeAccount) -> None:
    account.buckets["images"] = "labelwatch-test"
    assert "is there already, of the stack labelwatch-test" in refusal_of(account)


def test_a_bucket_that_an_earlier_stack_of_the_same_name_kept_is_taken_back(account: FakeAccount) -> None:
    account.buckets["images"] = "labelwatch-prod"
    assert "bucket images: kept from an earlier labelwatch-prod, and taken back with what is in it" in findings(account)
    assert kept_buckets(account) == {"InputBucket": "images"}


def test_a_bucket_of_another_stack_is_never_taken_back(account: FakeAccount) -> None:
    account.buckets["images"] = "labelwatch-test"
    assert kept_buckets(account) == {}


def test_a_former_bucket_of_the_stack_is_refused_while_the_stack_exists(account: FakeAccount) -> None:
    account.buckets["images"] = "labelwatch-prod"
    refusal = refusal_of(account, {"InputBucket": "other-images"})
    assert refusal.startswith("the bucket images was this stack's before")


def test_another_resource_of_the_same_name_is_not_the_stack_s_bucket(account: FakeAccount) -> None:
    account.buckets["images"] = None
    assert "the bucket images is there already" in refusal_of(account, {"Queue": "images", "OutputBucket": "images"})


def test_a_bucket_whose_tags_may_not_be_read_is_refused(account: FakeAccount) -> None:
    account.buckets["images"] = "labelwatch-prod"
    account.tags_denied = True
    assert refusal_of(account).startswith("whose the bucket images is cannot be known")


def test_the_stack_s_resources_are_its_own(account: FakeAccount) -> None:
    physical_ids = {
        "InputBucket": "images",
        "OutputBucket": "predictions",
        "WorkspaceBucket": "predictions-workspace",
        "Database": "labelwatch_prod",
    }
    account.databases = {"labelwatch_prod"}
    lines = findings(account, physical_ids)
    assert [line for line in lines if line.endswith(": this stack's")] == lines[3:]


def test_a_bucket_that_another_replaces_is_reported_as_kept(account: FakeAccount) -> None:
    lines = findings(account, {"InputBucket": "old", "OutputBucket": "predictions"})
    assert "bucket old: stays, with what is in it, but nothing looks at it any longer" in lines


@pytest.mark.parametrize("name", ["predictions", "predictions-workspace"])
def test_two_buckets_cannot_have_the_same_name(account: FakeAccount, name: str) -> None:
    assert "InputBucketName must be another than OutputBucketName" in refusal_of(account, InputBucketName=name)


def test_an_existing_database_is_refused(account: FakeAccount) -> None:
    account.databases = {"labelwatch_prod"}
    assert "the database labelwatch_prod is there already" in refusal_of(account)


def test_a_database_that_another_replaces_is_reported_as_deleted_with_its_tables(account: FakeAccount) -> None:
    finding = "database labelwatch_prod: free; leaves goes away with its tables"
    assert [line for line in findings(account, {"Database": "leaves"}) if line.startswith(finding)]


def test_an_existing_bucket_must_exist(account: FakeAccount) -> None:
    assert refusal_of(account, ExistingBucketName="old") == "--existing-bucket: there is no bucket old."


def test_the_stack_s_own_bucket_is_refused_as_the_existing_bucket(account: FakeAccount) -> None:
    assert "is one of the stack's own buckets" in refusal_of(account, ExistingBucketName="images")


def notifying(
    events: list[str], target: str = f"arn:aws:lambda:{REGION}:{OWNER}:function:thumbnails"
) -> dict[str, Any]:
    return {"LambdaFunctionConfigurations": [{"Id": "x", "LambdaFunctionArn": target, "Events": events}]}


def test_an_existing_bucket_that_notifies_another_function_of_new_objects_is_refused(account: FakeAccount) -> None:
    account.buckets["old"] = None
    account.notifications = notifying(["s3:ObjectCreated:Put"])
    assert (
        "tells arn:aws:lambda:eu-west-1:123456789012:function:thumbnails of s3:ObjectCreated:Put already"
        in refusal_of(account, ExistingBucketName="old")
    )


@pytest.mark.parametrize("kind", ["Queue", "Topic"])
def test_an_existing_bucket_that_notifies_a_queue_or_a_topic_of_new_objects_is_refused(
    account: FakeAccount, kind: str
) -> None:
    account.buckets["old"] = None
    target = {"Id": "x", f"{kind}Arn": "arn:aws:x:::somebody", "Events": ["s3:ObjectCreated:*"]}
    account.notifications = {f"{kind}Configurations": [target]}
    assert "tells arn:aws:x:::somebody of s3:ObjectCreated:*" in refusal_of(account, ExistingBucketName="old")


@pytest.mark.parametrize(
    "notifications",
    [
        {},
        notifying(["s3:ObjectRemoved:*"]),
        notifying(["s3:ObjectCreated:*"], f"arn:aws:lambda:{REGION}:{OWNER}:function:labelwatch-prod-ingest"),
        {"EventBridgeConfiguration": {}},
        {"QueueConfigurations": [{"Id": "x", "QueueArn": "arn:aws:sqs:::x", "Events": ["s3:ObjectRemoved:*"]}]},
    ],
    ids=["none", "of removals", "our own", "EventBridge", "a queue of removals"],
)
def test_an_existing_bucket_may_have_other_notifications(account: FakeAccount, notifications: dict[str, Any]) -> None:
    account.buckets["old"] = None
    account.notifications = notifications
    assert findings(account, ExistingBucketName="old")[-1].startswith("bucket old: its images are analysed too")
