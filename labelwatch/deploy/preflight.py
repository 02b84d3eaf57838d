"""Checks before `labelwatch up` changes anything: the model, the buckets, the database, the existing bucket.

Each check returns its finding, or raises UserError with the next step.
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
    """The finding of each check, as it is made; raises UserError at the first that fails."""
    yield check_model(account, desired.parameters["CustomModelARN"])
    if desired.parameters["LabelsofInterest"] != "*":  # AWS has no list of a model's labels
        yield "Labels of interest: compare the spelling with the Rekognition console"
    check_bucket_names(desired)
    for logical_id, name in desired.bucket_names.items():
        yield check_bucket(account, desired, logical_id, name)
        former = desired.physical_ids.get(logical_id, name)
        if former != name:
            yield f"Bucket {former}: kept with its objects, but no longer used"
    yield check_database(account, desired)
    if desired.parameters["ExistingBucketName"]:
        yield check_existing_bucket(account, desired)


def kept_buckets(account: Account, desired: DesiredStack) -> dict[str, str]:
    """The buckets that `labelwatch down` kept of an earlier stack of this name, by logical id."""
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
        return "Model: Rekognition's general labels, billed per image"
    _, _, _, region, owner, _ = arn.split(":", 5)
    if region != account.region:
        raise UserError(
            f"CustomModelARN {arn!r} is not valid: the model must be in {account.region}, where its images are. Choose "
            f"a model in {account.region}, or pass --region {region}."
        )
    if owner != account.id:
        raise UserError(
            f"CustomModelARN {arn!r} is not valid: the model must belong to account {account.id}, not to {owner}. Copy "
            "the model into this account first: `aws rekognition copy-project-version`."
        )
    status = _model_status(account.client("rekognition"), arn)
    if status not in USABLE:
        raise UserError(
            f"CustomModelARN {arn!r} is not valid: a model with status {status} cannot run. Choose another version."
        )
    waiting = "" if status == "RUNNING" else ". Images wait until the model runs."
    return f"Model: {status}{waiting}"


def _model_status(rekognition: Any, arn: str) -> str:  # noqa: ANN401 - the client of any endpoint
    try:
        return ModelVersion(rekognition, arn).status()
    except Fault as fault:
        if fault.reason != NOT_FOUND:
            raise UserError(
                f"Could not read the model of CustomModelARN: {fault.detail.rstrip('.')}. Correct the cause, then run "
                "the command again."
            ) from None
    raise UserError(
        f"CustomModelARN {arn!r} is not valid: no version {version_name(arn)} of project {project_name(arn)} has this "
        "ARN. List all versions with `aws rekognition describe-project-versions --project-arn PROJECT`."
    )


def check_bucket_names(desired: DesiredStack) -> None:
    """Raises UserError where two buckets would have the same name."""
    names = desired.bucket_names
    if len(set(names.values())) < len(names):
        raise UserError(
            f"InputBucketName {names['InputBucket']!r} is not valid: must differ from {names['OutputBucket']} and "
            f"{names['WorkspaceBucket']}, which are other buckets of the stack."
        )


def check_bucket(account: Account, desired: DesiredStack, logical_id: str, name: str) -> str:
    """Whether the stack has the bucket, can create it, or can import it."""
    if desired.physical_ids.get(logical_id) == name:
        return f"Bucket {name}: already exists, unchanged"
    if not exists(account, name):
        return f"Bucket {name}: available"
    creator = StackBuckets(account).stack_of(name)
    if creator == desired.name and desired.current:
        raise UserError(
            f"Bucket {name} belonged to this stack before, and CloudFormation imports it into a new stack only. Run "
            "`labelwatch down`, which keeps all buckets, then run this command again."
        )
    if creator == desired.name:
        return f"Bucket {name}: kept from an earlier stack, to be imported"
    raise UserError(
        f"Bucket {name} already exists{f' in stack {creator}' if creator else ''}. Choose another name. To analyse the "
        f"images of an existing bucket, pass --existing-bucket."
    )


def check_database(account: Account, desired: DesiredStack) -> str:
    """Whether the stack has the Athena database, or can create it."""
    name = desired.parameters["DatabaseName"]
    former = desired.physical_ids.get("Database")
    if former == name:
        return f"Database {name}: already exists, unchanged"
    try:
        account.client("glue").get_database(Name=name)
    except ClientError as problem:
        if problem.response["Error"]["Code"] != "EntityNotFoundException":
            raise
        replaced = f". Replaces {former}, whose tables hold no data. Run `labelwatch athena up` after the update."
        return f"Database {name}: available{replaced if former else ''}"
    raise UserError(f"Database {name} already exists. Choose another name with --database-name.")


def check_existing_bucket(account: Account, desired: DesiredStack) -> str:
    """Whether the bucket exists, and can notify the function `ingest` of new objects."""
    name = desired.parameters["ExistingBucketName"]
    if name in desired.bucket_names.values():
        raise UserError(
            f"--existing-bucket {name!r} is a bucket of the stack. Name a bucket that the stack does not create."
        )
    if not exists(account, name):
        raise UserError(f"No bucket named {name} in {account.region}. Pass the name of a bucket to --existing-bucket.")
    notifications = account.client("s3").get_bucket_notification_configuration(Bucket=name)
    for target, event in _targets_of_new_objects(notifications):
        if not target.endswith(f":function:{desired.name}-ingest"):
            # Two configurations of S3 may not overlap in events and names, and Labelwatch's is for all names.
            raise UserError(
                f"Bucket {name} already sends {event} to {target}, and S3 allows one destination per "
                "event. Remove that notification, or send the event to both through SNS or EventBridge."
            )
    return f"Bucket {name}: new images are analysed too, other notifications unchanged"


def _targets_of_new_objects(notifications: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The ARN that each configuration notifies of new objects, with the first event that it does so for."""
    for kind in ("QueueConfigurations", "TopicConfigurations", "LambdaFunctionConfigurations"):
        for configuration in notifications.get(kind, []):
            target = next(value for key, value in configuration.items() if key.endswith("Arn"))
            created = [event for event in configuration["Events"] if event.startswith("s3:ObjectCreated:")]
            if created:
                yield target, created[0]
