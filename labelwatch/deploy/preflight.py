"""Checks before `labelwatch up` changes anything: the model, the buckets, the database, the existing bucket.

Each check gives one line with its finding, or raises UserError that says what to do.
"""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.adapters.rekognition import NOT_FOUND, ModelVersion, project_name, version_name
from chalicelib.domain.errors import Fault
from chalicelib.settings import GENERAL_MODEL
from labelwatch.deploy.buckets import StackBuckets, exists
from labelwatch.deploy.stage_stack import DesiredStack
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError

USABLE = {
    "RUNNING",
    "STARTING",
    "STOPPED",
    "STOPPING",
    "TRAINING_COMPLETED",
    "TRAINING_IN_PROGRESS",
    "COPYING_COMPLETED",
    "COPYING_IN_PROGRESS",
}


def findings(account: Account, desired: DesiredStack) -> Iterator[str]:
    """One line for each check, as it is made; raises UserError at the first that fails."""
    yield f"account {account.id}, Region {account.region}"
    yield check_model(account, desired.parameters["CustomModelARN"])
    yield (
        f"labels of interest: {desired.parameters['LabelsofInterest']} (AWS does not tell which a model has: write "
        "them as its page in the Rekognition console does)"
    )
    check_bucket_names(desired)
    for logical_id, name in desired.bucket_names.items():
        yield check_bucket(account, desired, logical_id, name)
        former = desired.physical_ids.get(logical_id, name)
        if former != name:
            yield f"bucket {former}: stays, with what is in it, but nothing looks at it any longer"
    yield check_database(account, desired)
    if desired.parameters["ExistingBucketName"]:
        yield check_existing_bucket(account, desired)


def kept_buckets(account: Account, desired: DesiredStack) -> dict[str, str]:
    """The buckets that an earlier stack of this name left behind, by logical id."""
    if desired.current:
        return {}
    return {
        logical_id: name
        for logical_id, name in desired.bucket_names.items()
        if exists(account, name) and StackBuckets(account).stack_of(name) == desired.name
    }


def check_model(account: Account, arn: str) -> str:
    """Whether the model can analyse this account's images in this Region."""
    if arn == GENERAL_MODEL:
        return "model: Rekognition's own labels, paid by the image"
    _, _, _, region, owner, _ = arn.split(":", 5)
    if region != account.region:
        raise UserError(
            f"CustomModelARN: the model is in {region} and the stack would be in {account.region}; "
            "Rekognition looks at images of its own Region only, so they must be in one."
        )
    if owner != account.id:
        raise UserError(
            f"CustomModelARN: the model is of the account {owner} and these credentials are of {account.id}; "
            "copy the model into this one first (Rekognition's CopyProjectVersion)."
        )
    status = _model_status(account.client("rekognition"), arn)
    if status not in USABLE:
        raise UserError(f"CustomModelARN: the model's status is {status}, so it can never run; name another version.")
    waiting = "" if status == "RUNNING" else "; images wait until it runs"
    return f"model: {status}{waiting}"


def _model_status(rekognition: Any, arn: str) -> str:  # noqa: ANN401 - the client of any endpoint
    try:
        return ModelVersion(rekognition, arn).status()
    except Fault as fault:
        if fault.reason != NOT_FOUND:
            raise UserError(f"CustomModelARN: the model could not be looked at: {fault.detail}") from None
    raise UserError(
        f"CustomModelARN: there is no version {version_name(arn)} of a project {project_name(arn)} with this ARN; "
        "`aws rekognition describe-projects` and `describe-project-versions` name those that there are."
    )


def check_bucket_names(desired: DesiredStack) -> None:
    """Raises UserError where one name would be two buckets'."""
    names = desired.bucket_names
    if len(set(names.values())) < len(names):
        raise UserError(
            "InputBucketName must be another than OutputBucketName, and than that with -workspace after it, which is a "
            "third bucket."
        )


def check_bucket(account: Account, desired: DesiredStack, logical_id: str, name: str) -> str:
    """Whether the stack has the bucket, can create it, or can take it back."""
    if desired.physical_ids.get(logical_id) == name:
        return f"bucket {name}: this stack's"
    if not exists(account, name):
        return f"bucket {name}: free"
    creator = StackBuckets(account).stack_of(name)
    if creator == desired.name and desired.current:
        raise UserError(
            f"the bucket {name} was this stack's before; CloudFormation can take it back into a new stack only. "
            "`labelwatch down` keeps all buckets; `labelwatch up` with this name after it takes this one back."
        )
    if creator == desired.name:
        return f"bucket {name}: kept from an earlier {creator}, and taken back with what is in it"
    raise UserError(
        f"the bucket {name} is there already{f', of the stack {creator}' if creator else ''}; choose another name for "
        "the new one (--existing-bucket has images of a bucket looked at that is there)."
    )


def check_database(account: Account, desired: DesiredStack) -> str:
    """Whether the stack has the Athena database, or can create it."""
    name = desired.parameters["DatabaseName"]
    former = desired.physical_ids.get("Database")
    if former == name:
        return f"database {name}: this stack's"
    try:
        account.client("glue").get_database(Name=name)
    except ClientError as problem:
        if problem.response["Error"]["Code"] != "EntityNotFoundException":
            raise
        replaced = f"; {former} goes away with its tables, which hold no data: make them again in the new one"
        return f"database {name}: free{replaced if former else ''}"
    raise UserError(f"the database {name} is there already in this account and Region; name another: --database-name.")


def check_existing_bucket(account: Account, desired: DesiredStack) -> str:
    """Whether the bucket exists, and can notify the function `ingest` of new objects."""
    name = desired.parameters["ExistingBucketName"]
    if name in desired.bucket_names.values():
        raise UserError(
            f"--existing-bucket: {name} is one of the stack's own buckets; its images are looked at anyway."
        )
    if not exists(account, name):
        raise UserError(f"--existing-bucket: there is no bucket {name}.")
    notifications = account.client("s3").get_bucket_notification_configuration(Bucket=name)
    for target, event in _targets_of_new_objects(notifications):
        if not target.endswith(f":function:{desired.name}-ingest"):
            # S3: two configurations may not overlap in events and names, and ours is for all names.
            raise UserError(
                f"--existing-bucket: {name} tells {target} of {event} already, and S3 tells of an event once; "
                "let that one hand on, through a topic or EventBridge, or take it away first."
            )
    return f"bucket {name}: its images are analysed too; its other notifications stay as they are"


def _targets_of_new_objects(notifications: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The ARN that each configuration notifies of new objects, with the first event that it does so for."""
    for kind in ("QueueConfigurations", "TopicConfigurations", "LambdaFunctionConfigurations"):
        for configuration in notifications.get(kind, []):
            target = next(value for key, value in configuration.items() if key.endswith("Arn"))
            created = [event for event in configuration["Events"] if event.startswith("s3:ObjectCreated:")]
            if created:
                yield target, created[0]
