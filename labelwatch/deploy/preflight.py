"""Checks before `labelwatch up` changes anything: the model, the buckets, the database, the existing bucket.

Each check returns its finding, or raises UserError with the next step.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from chalicelib.adapters.rekognition import NOT_FOUND, ModelVersion, project_name, version_name
from chalicelib.domain.errors import Fault
from chalicelib.domain.rules import ANY_LABEL
from chalicelib.settings import GENERAL_MODEL, labels_of_interest
from labelwatch.deploy import notification_targets
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
# The buckets that a parameter names, by their logical ids.
NAMED_BUCKETS = {"InputBucketName": ("InputBucket",), "OutputBucketName": ("OutputBucket", "WorkspaceBucket")}


class Finding(NamedTuple):
    """What a check found; a warning is no reason to stop."""

    text: str
    is_warning: bool = False


def findings(account: Account, desired: DesiredStack) -> Iterator[Finding]:
    """The finding of each check, as it is made; raises UserError at the first that fails."""
    yield Finding(check_model(account, desired.parameters["CustomModelARN"]))
    yield from _labels(desired)
    yield from _lifetimes(desired)
    check_bucket_names(desired)
    for logical_id, name in desired.bucket_names.items():
        yield Finding(check_bucket(account, desired, logical_id, name))
        former = desired.physical_ids.get(logical_id, name)
        if former != name:
            yield Finding(f"Bucket {former}: kept with its objects, but no longer used")
    yield Finding(check_database(account, desired))
    if desired.parameters["ExistingBucketName"]:
        yield from check_existing_bucket(account, desired)


def _lifetimes(desired: DesiredStack) -> Iterator[Finding]:
    """A warning for each lifetime that is set or changed: S3 deletes what is older, and what exists is no exception."""
    before = desired.current.parameters if desired.current else {}
    for name, data in (("ImageDays", "images in the input bucket"), ("PredictionDays", "predictions")):
        days = desired.parameters.get(name, "0")
        if days not in {"0", before.get(name)}:
            yield Finding(f"{name} {days}: S3 deletes all {data} that are older, existing data too", is_warning=True)


def check_parameter(account: Account, stack_name: str, name: str, values: dict[str, str]) -> None:
    """Checks one parameter of a new stack, with the values so far; raises UserError as `findings` does."""
    if name == "CustomModelARN":
        check_model(account, values[name])
    if name not in NAMED_BUCKETS:
        return
    desired = DesiredStack(stack_name, dict.fromkeys(NAMED_BUCKETS, "") | values)
    check_bucket_names(desired)
    for logical_id in NAMED_BUCKETS[name]:
        check_bucket(account, desired, logical_id, desired.bucket_names[logical_id])


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


def _labels(desired: DesiredStack) -> Iterator[Finding]:
    """AWS has no list of a model's labels, and its general labels are words such as Leaf and Plant."""
    names = [label.name for label in labels_of_interest(desired.parameters["LabelsofInterest"])]
    compounds = [name for name in names if {"-", "_"} & set(name)]
    if desired.parameters["CustomModelARN"] == GENERAL_MODEL and compounds:
        yield Finding(
            f"Labels of interest: {', '.join(compounds)} may be labels of a custom model. Rekognition's general labels "
            "are words such as Leaf and Plant",
            is_warning=True,
        )
    elif names != [ANY_LABEL]:
        yield Finding("Labels of interest: compare the spelling with the Rekognition console")


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


def check_existing_bucket(account: Account, desired: DesiredStack) -> Iterator[Finding]:
    """Whether the bucket exists, and can notify the function `ingest` of new objects."""
    name = desired.parameters["ExistingBucketName"]
    if name in desired.bucket_names.values():
        raise UserError(
            f"--existing-bucket {name!r} is a bucket of the stack. Name a bucket that the stack does not create."
        )
    if not exists(account, name):
        raise UserError(f"No bucket named {name} in {account.region}. Pass the name of a bucket to --existing-bucket.")
    notifications = account.client("s3").get_bucket_notification_configuration(Bucket=name)
    for target, event in notification_targets.of_new_objects(notifications):
        if not target.endswith(f":function:{desired.name}-ingest"):
            # Two configurations of S3 may not overlap in events and names, and Labelwatch's is for all names.
            raise UserError(
                f"Bucket {name} already sends {event} to {target}, and S3 allows one destination per "
                "event. Remove that notification, or send the event to both through SNS or EventBridge."
            )
    # S3 checks all targets of a bucket whenever `chalice deploy` adds one.
    for target in notification_targets.of(notifications):
        if target.endswith(f":function:{desired.name}-ingest"):
            continue
        target_exists = notification_targets.exists(account, target)
        if target_exists is False:
            raise UserError(
                f"Bucket {name} notifies {target}, which does not exist, so S3 would refuse another notification. "
                "Remove that notification from the bucket, then run the command again."
            )
        if target_exists is None:
            yield Finding(f"Bucket {name}: could not check that {target} exists", is_warning=True)
    yield Finding(f"Bucket {name}: new images are analysed too, other notifications unchanged")
