"""Checks of the model: whether it can run, has the labels of interest, and has its queue polled."""

import difflib
import json
from collections.abc import Iterator

from botocore.exceptions import ClientError

from chalicelib import settings
from chalicelib.domain.model import RUNNING
from chalicelib.domain.rules import ANY_LABEL, normalized_label
from labelwatch.doctor.check import Outcome, failed, passed, warned
from labelwatch.doctor.deployment import Deployment
from labelwatch.shared import image_limit

GENERAL = "Rekognition's general labels, which need no model."
# https://docs.aws.amazon.com/rekognition/latest/APIReference/API_ProjectVersionDescription.html
USABLE = {RUNNING, "STARTING", "STOPPED", "STOPPING", "TRAINING_COMPLETED", "COPYING_COMPLETED"}
NOT_YET = {"TRAINING_IN_PROGRESS", "COPYING_IN_PROGRESS"}
# https://docs.aws.amazon.com/lambda/latest/api/API_EventSourceMappingConfiguration.html
POLLED, PAUSED = {"Enabled", "Enabling"}, {"Disabled", "Disabling"}


def check_model(deployment: Deployment) -> Iterator[Outcome]:
    """Whether the model exists and is trained."""
    status = deployment.model.get("Status") if deployment.uses_custom_model else RUNNING
    if not deployment.uses_custom_model:
        yield passed(GENERAL)
    elif not status:
        yield failed(
            f"No model version has the ARN {deployment.values['CustomModelARN']}.",
            "Run `labelwatch up` with the --custom-model-arn of a version that exists.",
        )
    elif status in NOT_YET:
        yield warned(f"{status}. Images wait until the model runs.", "Run the command again when the model is trained.")
    elif status not in USABLE:
        yield failed(f"{status}. This model cannot run.", "Train a version again, or use another version.")
    else:
        yield passed(status if status == RUNNING else f"{status}. Images wait until the model runs.")


def check_labels(deployment: Deployment) -> Iterator[Outcome]:
    """Whether the model has the labels of interest; no alert is ever sent for a label that it lacks."""
    names = [label.name for label in settings.labels_of_interest(deployment.values["LabelsofInterest"])]
    if not deployment.uses_custom_model or names == [ANY_LABEL]:
        yield passed("Any label." if names == [ANY_LABEL] else f"{', '.join(names)}. General labels are not compared.")
        return
    known = {normalized_label(name): name for name in _labels_of_model(deployment)}
    if not known:
        yield warned(
            "Not checked: neither the model's evaluation nor its dataset lists labels.",
            "Compare the spelling with the Rekognition console.",
        )
        return
    unknown = [name for name in names if name != ANY_LABEL and normalized_label(name) not in known]
    for name in unknown:
        yield failed(
            f"The model has no label {name!r}. {_nearest(name, known)}",
            "Run `labelwatch up` with the right --labels-of-interest.",
        )
    if not unknown:
        yield passed(f"The model has {', '.join(names)}.")


def check_polling(deployment: Deployment) -> Iterator[Outcome]:
    """Whether both queues are polled; that of the images only while the model runs, up to the limit of the day."""
    status = deployment.model.get("Status", "not found") if deployment.uses_custom_model else RUNNING
    today = image_limit.images_today(deployment.client("dynamodb"), deployment.values)
    is_polled = status == RUNNING and not today.limit_reached
    problems = [
        *_polling_problems(deployment, "Images", "detect", is_polled=is_polled),
        *_polling_problems(deployment, "Predictions", "notify", is_polled=True),
    ]
    yield from problems
    if today.limit_reached:
        yield warned(
            f"{image_limit.PARAMETER}: {today}. Other images wait.",
            "If they must not wait, run `labelwatch up` with a higher --max-images-per-day.",
        )
    elif not problems:
        yield passed("On." if status == RUNNING else f"Paused, as the model is {status}.")


def _polling_problems(deployment: Deployment, queue: str, function: str, *, is_polled: bool) -> Iterator[Outcome]:
    states = [mapping["State"] for mapping in deployment.mappings(f"{queue}QueueArn")]
    if len(states) != 1:
        yield failed(
            f"The {queue.lower()} queue has {len(states) or 'no'} event source mappings instead of 1.",
            deployment.redeploy if not states else "Delete the others in the Lambda console.",
        )
    elif states[0] not in (POLLED if is_polled else PAUSED):
        advice = f" If it stays, see the log group /aws/lambda/{deployment.name}-manage_model."
        yield failed(
            f"The {queue.lower()} queue's event source mapping is {states[0]}, but must be "
            f"{'Enabled' if is_polled else 'Disabled'}.",
            f"Run the command again in a minute.{advice}"
            if function == "detect"
            else f"Enable the event source mapping of {deployment.function_names[function]} in the Lambda console.",
        )


def _labels_of_model(deployment: Deployment) -> list[str]:
    """From the evaluation of this version, else from the dataset of its project; empty where neither can be read."""
    location = deployment.model.get("EvaluationResult", {}).get("Summary", {}).get("S3Object")
    if location:
        try:
            return _labels_of_summary(deployment, location)
        except ClientError:  # the file may be deleted, or belong to the console's own bucket
            pass
    return [
        label["LabelName"]
        for dataset in deployment.model.get("Datasets", [])
        for page in deployment.client("rekognition")
        .get_paginator("list_dataset_labels")
        .paginate(DatasetArn=dataset["DatasetArn"])
        for label in page["DatasetLabelDescriptions"]
    ]


def _labels_of_summary(deployment: Deployment, location: dict[str, str]) -> list[str]:
    """https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/im-summary-file.html."""
    body = deployment.client("s3").get_object(Bucket=location["Bucket"], Key=location["Name"])["Body"].read()
    labels: list[str] = json.loads(body)["EvaluationDetails"]["Labels"]
    return labels


def _nearest(name: str, known: dict[str, str]) -> str:
    near = difflib.get_close_matches(normalized_label(name), known, n=1)
    return f"The nearest label is {known[near[0]]!r}." if near else f"Its labels: {', '.join(sorted(known.values()))}."
