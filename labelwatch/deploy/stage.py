"""A stage of .chalice/config.json: what `chalice deploy` must know of the stack."""

import json
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from chalicelib import settings
from labelwatch.deploy.package import STAGE as TEMPLATE
from labelwatch.shared.errors import UserError

# Variables of the functions ← the stack's outputs.
VARIABLES = {
    "CustomModelARN": "CustomModelARN",
    "EmailNotification": "EmailNotification",
    "LabelsofInterest": "LabelsofInterest",
    "MinConfidence": "MinConfidence",
    "InputBucketName": "InputBucket",
    "OutputBucketName": "OutputBucket",
    "WORKSPACE_BUCKET": "WorkspaceBucket",
    "EXISTING_BUCKET_NAME": "ExistingBucketName",
    "IMAGES_QUEUE_ARN": "ImagesQueueArn",
    "IMAGES_QUEUE_URL": "ImagesQueueUrl",
    "IMAGES_DEAD_LETTERS_URL": "ImagesDeadLettersUrl",
    "PREDICTIONS_QUEUE_ARN": "PredictionsQueueArn",
    "PREDICTIONS_QUEUE_URL": "PredictionsQueueUrl",
    "PREDICTIONS_DEAD_LETTERS_URL": "PredictionsDeadLettersUrl",
    "ALERTS_TOPIC_ARN": "AlertsTopicArn",
    "OPERATIONS_TOPIC_ARN": "OperationsTopicArn",
    "TABLE_NAME": "TableName",
    "UPLOAD_ORIGIN": "UploadOrigin",
    "PICTURE_LINKS": "PictureLinks",
    "MODEL_AUTO_START": "ModelAutoStart",
    "MODEL_IDLE_MINUTES": "ModelIdleMinutes",
    "MODEL_IDLE_STOPS": "ModelIdleStops",
    "MODEL_MAX_HOURS_PER_MONTH": "ModelMaxHoursPerMonth",
}
ROLES = {
    "api_handler": "ApiHandlerRoleArn",
    "authorize": "AuthorizeRoleArn",
    "detect": "DetectRoleArn",
    "notify": "NotifyRoleArn",
    "check_subscriptions": "CheckSubscriptionsRoleArn",
    "manage_model": "ManageModelRoleArn",
    "ingest": "IngestRoleArn",
}


class _Parts(Struct):
    """What of a stage this reads and adds to."""

    environment_variables: dict[str, Any] = {}
    lambda_functions: dict[str, dict[str, Any]] = {}
    tags: dict[str, Any] = {}


# Outputs that are there only with one.
OF_AN_EXISTING_BUCKET_NAME = {"ExistingBucketName", "IngestRoleArn"}
ARN_PARTS = 6


def read(config: Path) -> dict[str, Any]:
    """Chalice's configuration; raises UserError where the file is not JSON with stages."""
    try:
        content: dict[str, Any] = json.loads(config.read_text())
        content["stages"][TEMPLATE]
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{config} is not JSON with the stage `{TEMPLATE}`; take it from the repository again."
        ) from None
    return content


def home(config: Path, stage: str) -> tuple[str, str] | None:
    """The Region and account that the stage is of; None where there is no such stage, or it does not say."""
    content = read(config)
    arn, overlays = (
        str(one.get("environment_variables", {}).get("IMAGES_QUEUE_ARN")).split(":")
        for one in (_of(content, stage), content["stages"][TEMPLATE])
    )
    return (arn[3], arn[4]) if len(arn) == ARN_PARTS and arn != overlays else None


def check(config: Path, stage: str, stack: str, outputs: dict[str, str]) -> None:
    """Raises UserError where what somebody added to the stage could not be kept, as `write` would.

    Says nothing where the outputs are those of an older template, which lacks some.
    """
    if {*VARIABLES.values(), *ROLES.values(), "Tracing"} - set(outputs) <= OF_AN_EXISTING_BUCKET_NAME:
        _stage(read(config), stage, stack, outputs)


def write(config: Path, stage: str, stack: str, outputs: dict[str, str]) -> bool:
    """Writes the stage from the stack's outputs, keeping what somebody added to it; says whether anything changed.

    Raises UserError where the functions could not read that.
    """
    before = read(config)
    after = before | {"stages": before["stages"] | {stage: _stage(before, stage, stack, outputs)}}
    return _changed(config, before, after)


def remove(config: Path, stage: str) -> bool:
    """Takes the stage away; says whether it was there."""
    before = read(config)
    return _changed(
        config, before, before | {"stages": {name: one for name, one in before["stages"].items() if name != stage}}
    )


def _stage(config: dict[str, Any], stage: str, stack: str, outputs: dict[str, str]) -> dict[str, Any]:
    old = _of(config, stage)
    template = config["stages"][TEMPLATE]
    variables = {name: outputs.get(output, "") for name, output in VARIABLES.items()} | {"STACK_NAME": stack}
    roles = {name: outputs[output] for name, output in ROLES.items() if output in outputs}
    functions = {
        name: template["lambda_functions"].get(name, {})
        | old.get("lambda_functions", {}).get(name, {})
        | {"iam_role_arn": role}
        for name, role in roles.items()
    }
    new = old | {
        "iam_role_arn": outputs["DetectRoleArn"],  # Chalice wants one for the stage too, though no function takes it
        "xray": outputs["Tracing"] == "yes",
        "tags": old.get("tags", {}) | {"stack": stack},
        # Lambda takes texts only.
        "environment_variables": {name: str(value) for name, value in old.get("environment_variables", {}).items()}
        | variables,
        "lambda_functions": functions,
    }
    for name in {"lambda_memory_size", "lambda_timeout"} & set(config):
        new.setdefault(name, config[name])
    try:
        settings.read(new["environment_variables"])
    except settings.SettingError as mistake:
        raise UserError(
            f"the stage {stage} cannot be written, since in it {mistake}; mend that, and run this again."
        ) from None
    return new


def _of(config: dict[str, Any], stage: str) -> dict[str, Any]:
    """The stage as it stands; raises UserError where that is no stage."""
    found: dict[str, Any] = config["stages"].get(stage, {})
    try:
        msgspec.convert(found, _Parts)
    except msgspec.ValidationError as mistake:
        raise UserError(f"the stage {stage} in .chalice/config.json cannot be: {mistake}.") from None
    return found


def _changed(config: Path, before: dict[str, Any], after: dict[str, Any]) -> bool:
    if after == before:
        return False
    # Beside it first: what is cut short must not leave half a file.
    beside = config.with_suffix(".new")
    beside.write_text(json.dumps(after, indent=2, ensure_ascii=False) + "\n")
    beside.replace(config)
    return True
