from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labelwatch.deploy import preflight
from labelwatch.deploy.preflight import Wanted
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


def refusal(code: str, region: str | None = None) -> ClientError:
    headers = {"x-amz-bucket-region": region} if region else {}
    response: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPHeaders": headers}}
    return ClientError(response, "Operation")


class FakeAccount:
    """An account with these buckets (name → stack that made it), a model, databases, and a bucket's notifications."""

    region = REGION
    id = OWNER

    def __init__(self) -> None:
        self.buckets: dict[str, str | None] = {}
        self.others: dict[str, ClientError] = {}
        self.status = "RUNNING"
        self.databases: set[str] = set()
        self.told: dict[str, Any] = {}
        self.tags_refused = False

    def client(self, service: str) -> Any:
        return {"s3": self, "glue": self, "rekognition": _Rekognition(self)}[service]

    def head_bucket(self, Bucket: str, ExpectedBucketOwner: str) -> dict[str, str]:  # noqa: N803 - boto3's names
        assert ExpectedBucketOwner == OWNER
        if Bucket in self.others:
            raise self.others[Bucket]
        if Bucket not in self.buckets:
            raise refusal("404")
        return {"BucketRegion": REGION}

    def get_bucket_tagging(self, Bucket: str) -> dict[str, Any]:  # noqa: N803 - the same
        if self.tags_refused:
            raise refusal("AccessDenied")
        stack = self.buckets[Bucket]
        if not stack:
            raise refusal("NoSuchTagSet")
        return {"TagSet": [{"Key": "application", "Value": "labelwatch"}, {"Key": "stack", "Value": stack}]}

    def get_bucket_notification_configuration(self, Bucket: str) -> dict[str, Any]:  # noqa: ARG002, N803 - the same
        return self.told

    def get_database(self, Name: str) -> None:  # noqa: N803 - the same
        if Name not in self.databases:
            raise refusal("EntityNotFoundException")


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


def look(account: FakeAccount, has: dict[str, str] | None = None, **changes: str) -> list[str]:
    """What is found where the stack has these, or where there is none."""
    there: Any = account
    now = Stack("UPDATE_COMPLETE", {}, {}) if has else None
    return list(preflight.findings(there, Wanted("labelwatch-prod", PARAMETERS | changes, now, has or {})))


def refused(account: FakeAccount, has: dict[str, str] | None = None, **changes: str) -> str:
    with pytest.raises(UserError) as mistake:
        look(account, has, **changes)
    return str(mistake.value)


def test_where_all_is_well_each_check_says_what_it_found(account: FakeAccount) -> None:
    assert look(account) == [
        f"account {OWNER}, Region {REGION}",
        "model: RUNNING",
        LABELS,
        "bucket images: free",
        "bucket predictions: free",
        "bucket predictions-workspace: free",
        "database labelwatch_prod: free",
    ]


@pytest.mark.parametrize("status", ["STOPPED", "TRAINING_COMPLETED", "COPYING_IN_PROGRESS", "COPYING_COMPLETED"])
def test_a_model_that_does_not_run_is_no_hindrance_but_said(account: FakeAccount, status: str) -> None:
    account.status = status
    assert f"model: {status}; images wait until it runs" in look(account)


@pytest.mark.parametrize("status", ["TRAINING_FAILED", "FAILED", "COPYING_FAILED", "DELETING"])
def test_a_model_that_can_never_run_is_refused(account: FakeAccount, status: str) -> None:
    account.status = status
    assert f"the model's status is {status}" in refused(account)


def test_a_model_of_another_region_is_refused(account: FakeAccount) -> None:
    other = MODEL.replace(REGION, "us-east-1")
    assert "the model is in us-east-1 and the stack would be in eu-west-1" in refused(account, CustomModelARN=other)


def test_a_model_of_another_account_is_refused(account: FakeAccount) -> None:
    other = MODEL.replace(OWNER, "999999999999")
    assert "the model is of the account 999999999999" in refused(account, CustomModelARN=other)


@pytest.mark.parametrize("arn", [MODEL.replace("project/rice", "project/wheat"), MODEL.replace("17000", "18000")])
def test_a_model_that_is_not_there_is_refused(account: FakeAccount, arn: str) -> None:
    assert "there is no version rice.1 of a project" in refused(account, CustomModelARN=arn)


def test_general_labels_need_no_model(account: FakeAccount) -> None:
    assert "model: Rekognition's own labels, paid by the image" in look(account, CustomModelARN="general")


def test_a_bucket_name_that_somebody_else_has_is_refused(account: FakeAccount) -> None:
    account.others["images"] = refusal("403")
    assert "the bucket name images is taken by somebody else" in refused(account)


@pytest.mark.parametrize("code", ["301", "400"])
def test_a_bucket_of_another_region_is_refused_by_its_region(account: FakeAccount, code: str) -> None:
    account.others["predictions"] = refusal(code, "us-east-1")
    assert refused(account) == "the bucket predictions is in us-east-1, and this is eu-west-1."


def test_a_bucket_of_one_s_own_that_no_stack_made_is_refused(account: FakeAccount) -> None:
    account.buckets["predictions-workspace"] = None
    assert "the bucket predictions-workspace is there already; choose another name" in refused(account)


def test_a_bucket_of_another_stage_is_refused(account: FakeAccount) -> None:
    account.buckets["images"] = "labelwatch-test"
    assert "is there already, of the stack labelwatch-test" in refused(account)


def test_a_bucket_that_an_earlier_stack_of_the_name_left_is_taken_back(account: FakeAccount) -> None:
    account.buckets["images"] = "labelwatch-prod"
    assert "bucket images: kept from an earlier labelwatch-prod, and taken back with what is in it" in look(account)
    there: Any = account
    assert preflight.kept(there, Wanted("labelwatch-prod", PARAMETERS)) == {"InputBucket": "images"}


def test_a_bucket_of_another_stack_is_never_taken_back(account: FakeAccount) -> None:
    account.buckets["images"] = "labelwatch-test"
    there: Any = account
    assert preflight.kept(there, Wanted("labelwatch-prod", PARAMETERS)) == {}


def test_a_bucket_that_the_stack_gave_up_before_is_refused_while_it_stands(account: FakeAccount) -> None:
    account.buckets["images"] = "labelwatch-prod"
    said = refused(account, {"InputBucket": "other-images"})
    assert said.startswith("the bucket images was this stack's before")


def test_a_name_that_the_stack_has_for_something_else_is_not_its_bucket(account: FakeAccount) -> None:
    account.buckets["images"] = None
    assert "the bucket images is there already" in refused(account, {"Queue": "images", "OutputBucket": "images"})


def test_a_bucket_whose_tags_may_not_be_read_is_told_as_that(account: FakeAccount) -> None:
    account.buckets["images"] = "labelwatch-prod"
    account.tags_refused = True
    assert refused(account).startswith("whose the bucket images is cannot be known")


def test_what_the_stack_has_is_its_own(account: FakeAccount) -> None:
    has = {
        "InputBucket": "images",
        "OutputBucket": "predictions",
        "WorkspaceBucket": "predictions-workspace",
        "Database": "labelwatch_prod",
    }
    account.databases = {"labelwatch_prod"}
    found = look(account, has)
    assert [one for one in found if one.endswith(": this stack's")] == found[3:]


def test_a_bucket_that_the_stack_gives_up_is_said_to_stay_unlooked_at(account: FakeAccount) -> None:
    found = look(account, {"InputBucket": "old", "OutputBucket": "predictions"})
    assert "bucket old: stays, with what is in it, but nothing looks at it any longer" in found


@pytest.mark.parametrize("name", ["predictions", "predictions-workspace"])
def test_one_bucket_cannot_be_two(account: FakeAccount, name: str) -> None:
    assert "InputBucketName must be another than OutputBucketName" in refused(account, InputBucketName=name)


def test_a_database_that_is_there_is_refused(account: FakeAccount) -> None:
    account.databases = {"labelwatch_prod"}
    assert "the database labelwatch_prod is there already" in refused(account)


def test_a_database_that_gives_way_is_said_to_take_its_tables_along(account: FakeAccount) -> None:
    said = "database labelwatch_prod: free; leaves goes away with its tables"
    assert [one for one in look(account, {"Database": "leaves"}) if one.startswith(said)]


def test_a_bucket_to_adopt_must_be_there(account: FakeAccount) -> None:
    assert refused(account, ExistingBucketName="old") == "--existing-bucket: there is no bucket old."


def test_a_bucket_of_the_stack_s_own_need_not_be_adopted(account: FakeAccount) -> None:
    assert "is one of the stack's own buckets" in refused(account, ExistingBucketName="images")


def told(events: list[str], target: str = f"arn:aws:lambda:{REGION}:{OWNER}:function:thumbnails") -> dict[str, Any]:
    return {"LambdaFunctionConfigurations": [{"Id": "x", "LambdaFunctionArn": target, "Events": events}]}


def test_a_bucket_that_tells_somebody_of_new_objects_already_cannot_be_adopted(account: FakeAccount) -> None:
    account.buckets["old"] = None
    account.told = told(["s3:ObjectCreated:Put"])
    assert "tells arn:aws:lambda:eu-west-1:123456789012:function:thumbnails of s3:ObjectCreated:Put already" in refused(
        account, ExistingBucketName="old"
    )


@pytest.mark.parametrize("kind", ["Queue", "Topic"])
def test_so_it_is_with_one_that_tells_a_queue_or_a_topic(account: FakeAccount, kind: str) -> None:
    account.buckets["old"] = None
    target = {"Id": "x", f"{kind}Arn": "arn:aws:x:::somebody", "Events": ["s3:ObjectCreated:*"]}
    account.told = {f"{kind}Configurations": [target]}
    assert "tells arn:aws:x:::somebody of s3:ObjectCreated:*" in refused(account, ExistingBucketName="old")


@pytest.mark.parametrize(
    "notifications",
    [
        {},
        told(["s3:ObjectRemoved:*"]),
        told(["s3:ObjectCreated:*"], f"arn:aws:lambda:{REGION}:{OWNER}:function:labelwatch-prod-ingest"),
        {"EventBridgeConfiguration": {}},
        {"QueueConfigurations": [{"Id": "x", "QueueArn": "arn:aws:sqs:::x", "Events": ["s3:ObjectRemoved:*"]}]},
    ],
    ids=["none", "of removals", "our own", "EventBridge", "a queue of removals"],
)
def test_other_notifications_of_a_bucket_to_adopt_are_no_hindrance(
    account: FakeAccount, notifications: dict[str, Any]
) -> None:
    account.buckets["old"] = None
    account.told = notifications
    assert look(account, ExistingBucketName="old")[-1].startswith("bucket old: adopted")
