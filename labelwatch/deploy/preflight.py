"""What can be known before anything is touched: the model, the buckets, the database, the bucket to adopt.

Each check gives one line that says what it found, or raises UserError that says what to do.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from chalicelib.adapters.rekognition import NOT_FOUND, ModelVersion, project_name, version_name
from chalicelib.domain.errors import Fault
from chalicelib.settings import GENERAL_MODEL
from labelwatch.deploy.buckets import OwnBuckets, is_there
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError
from labelwatch.shared.stacks import Stack

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
# In the template.
BUCKETS = ("InputBucket", "OutputBucket", "WorkspaceBucket")


class Wanted(NamedTuple):
    """A stack, its parameters, and how it stands now if it is there.

    `has` are the names in the account of what it has, by those in the template.
    """

    name: str
    parameters: dict[str, str]
    now: Stack | None = None
    has: Mapping[str, str] = MappingProxyType({})


def findings(account: Account, wanted: Wanted) -> Iterator[str]:
    """One line for each check, as it is made; raises UserError at the first that fails."""
    yield f"account {account.id}, Region {account.region}"
    yield _model(account, wanted.parameters["CustomModelARN"])
    yield (
        f"labels of interest: {wanted.parameters['LabelsofInterest']} (AWS does not tell which a model has: write "
        "them as its page in the Rekognition console does)"
    )
    names = names_of_buckets(wanted.parameters)
    if wanted.parameters["InputBucketName"] in {names["OutputBucket"], names["WorkspaceBucket"]}:
        raise UserError(
            "InputBucketName must be another than OutputBucketName, and than that with -workspace after it, which is a "
            "third bucket."
        )
    for logical, name in names.items():
        yield _bucket(account, wanted, logical, name)
        before = wanted.has.get(logical, name)
        if before != name:
            yield f"bucket {before}: stays, with what is in it, but nothing looks at it any longer"
    yield _database(account, wanted)
    if wanted.parameters["ExistingBucketName"]:
        yield _adopted(account, wanted)


def names_of_buckets(parameters: dict[str, str]) -> dict[str, str]:
    """The three buckets' names, by their names in the template."""
    output = parameters["OutputBucketName"]
    return dict(zip(BUCKETS, (parameters["InputBucketName"], output, f"{output}-workspace"), strict=True))


def kept(account: Account, wanted: Wanted) -> dict[str, str]:
    """The buckets that an earlier stack of this name left behind, by their names in the template."""
    if wanted.now:
        return {}
    return {
        logical: name
        for logical, name in names_of_buckets(wanted.parameters).items()
        if is_there(account, name) and OwnBuckets(account).stack_of(name) == wanted.name
    }


def _model(account: Account, arn: str) -> str:
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
    status = _status(account.client("rekognition"), arn)
    if status not in USABLE:
        raise UserError(f"CustomModelARN: the model's status is {status}, so it can never run; name another version.")
    running = "" if status == "RUNNING" else "; images wait until it runs"
    return f"model: {status}{running}"


def _status(rekognition: Any, arn: str) -> str:  # noqa: ANN401 - the client of any endpoint
    try:
        return ModelVersion(rekognition, arn).status()
    except Fault as fault:
        if fault.reason != NOT_FOUND:
            raise UserError(f"CustomModelARN: the model could not be looked at: {fault.detail}") from None
    raise UserError(
        f"CustomModelARN: there is no version {version_name(arn)} of a project {project_name(arn)} with this ARN; "
        "`aws rekognition describe-projects` and `describe-project-versions` name those that there are."
    )


def _bucket(account: Account, wanted: Wanted, logical: str, name: str) -> str:
    if wanted.has.get(logical) == name:
        return f"bucket {name}: this stack's"
    if not is_there(account, name):
        return f"bucket {name}: free"
    owner = OwnBuckets(account).stack_of(name)
    if owner == wanted.name and wanted.now:
        raise UserError(
            f"the bucket {name} was this stack's before; CloudFormation can take it back into a new stack only. "
            "`labelwatch down` keeps all buckets; `labelwatch up` with this name after it takes this one back."
        )
    if owner == wanted.name:
        return f"bucket {name}: kept from an earlier {owner}, and taken back with what is in it"
    raise UserError(
        f"the bucket {name} is there already{f', of the stack {owner}' if owner else ''}; choose another name for the "
        "new one (--existing-bucket has images of a bucket looked at that is there)."
    )


def _database(account: Account, wanted: Wanted) -> str:
    name = wanted.parameters["DatabaseName"]
    if wanted.has.get("Database") == name:
        return f"database {name}: this stack's"
    try:
        account.client("glue").get_database(Name=name)
    except ClientError as problem:
        if problem.response["Error"]["Code"] != "EntityNotFoundException":
            raise
        before = wanted.has.get("Database")
        gone = (
            f"; {before} goes away with its tables, which hold no data: make them again in the new one"
            if before
            else ""
        )
        return f"database {name}: free{gone}"
    raise UserError(f"the database {name} is there already in this account and Region; name another: --database-name.")


def _adopted(account: Account, wanted: Wanted) -> str:
    name = wanted.parameters["ExistingBucketName"]
    if name in names_of_buckets(wanted.parameters).values():
        raise UserError(
            f"--existing-bucket: {name} is one of the stack's own buckets; its images are looked at anyway."
        )
    if not is_there(account, name):
        raise UserError(f"--existing-bucket: there is no bucket {name}.")
    told = account.client("s3").get_bucket_notification_configuration(Bucket=name)
    ours = f":function:{wanted.name}-ingest"
    for configuration in _listeners(told):
        target = next(value for key, value in configuration.items() if key.endswith("Arn"))
        created = [event for event in configuration["Events"] if event.startswith("s3:ObjectCreated:")]
        if created and not target.endswith(ours):
            # S3: two configurations may not overlap in events and names, and ours is for all names.
            raise UserError(
                f"--existing-bucket: {name} tells {target} of {created[0]} already, and S3 tells of an event once; "
                "let that one hand on, through a topic or EventBridge, or take it away first."
            )
    return f"bucket {name}: adopted; its other notifications stay as they are"


def _listeners(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for kind in ("QueueConfigurations", "TopicConfigurations", "LambdaFunctionConfigurations"):
        yield from told.get(kind, [])
