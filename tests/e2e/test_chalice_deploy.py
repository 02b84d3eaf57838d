"""The `chalice deploy` way, with a bucket that the stack does not own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from labelwatch.local.cloud import ACCESS_KEY, REGION, SECRET_KEY
from labelwatch.local.deployment import deploy_template
from labelwatch.package import PROJECT, load_template
from tests.e2e.pipeline import Pipeline, picture

STACK = "labelwatch-prod"
ADOPTED = "cameras-of-long-ago"


@pytest.fixture(scope="module")
def outputs(running: Pipeline) -> dict[str, str]:
    """The resources stack alone, as it stands in infra/resources.yaml, with a bucket to adopt."""
    running.session.cloud.client("s3").create_bucket(
        Bucket=ADOPTED, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    return deploy_template(
        running.session.cloud,
        STACK,
        load_template(PROJECT / "infra" / "resources.yaml"),
        {
            "CustomModelARN": running.standin.arn,
            "EmailNotification": "grower@example.com",
            "InputBucketName": "prod-images",
            "OutputBucketName": "prod-predictions",
            "AdoptedBucketName": ADOPTED,
            "DatabaseName": "labelwatch_prod",
        },
    )


@pytest.fixture(scope="module")
def chalice(
    running: Pipeline, outputs: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., None]:
    """The real chalice, on a copy of the project whose stage `prod` has what the resources stack gave."""
    project = tmp_path_factory.mktemp("project")
    for name in ("app.py", "requirements.txt"):
        shutil.copy(PROJECT / name, project)
    for name in ("chalicelib", ".chalice"):
        shutil.copytree(PROJECT / name, project / name, ignore=shutil.ignore_patterns("deploy*", "__pycache__"))
    config = json.loads((project / ".chalice" / "config.json").read_text())
    config["stages"] = {"prod": stage(outputs, running.standin.arn)}
    (project / ".chalice" / "config.json").write_text(json.dumps(config))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(project),
        "AWS_ENDPOINT_URL": running.session.cloud.endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
    }

    def run(command: str) -> None:
        arguments = [str(Path(sys.executable).with_name("chalice")), command, "--stage", "prod"]
        done = subprocess.run(
            arguments, cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr

    return run


def stage(outputs: dict[str, str], model: str) -> dict[str, object]:
    return {
        "iam_role_arn": outputs["DetectRoleArn"],  # Chalice wants one for the stage too, though no function takes it
        "environment_variables": {
            "CustomModelARN": model,
            "LabelsofInterest": outputs["LabelsofInterest"],
            "MinConfidence": outputs["MinConfidence"],
            "OutputBucketName": outputs["OutputBucket"],
            "WORKSPACE_BUCKET": outputs["WorkspaceBucket"],
            "IMAGES_QUEUE_ARN": outputs["ImagesQueueArn"],
            "IMAGES_QUEUE_URL": outputs["ImagesQueueUrl"],
            "IMAGES_DEAD_LETTERS_URL": outputs["ImagesDeadLettersUrl"],
            "PREDICTIONS_QUEUE_ARN": outputs["PredictionsQueueArn"],
            "PREDICTIONS_QUEUE_URL": outputs["PredictionsQueueUrl"],
            "PREDICTIONS_DEAD_LETTERS_URL": outputs["PredictionsDeadLettersUrl"],
            "TOPIC_ARN": outputs["AlertsTopicArn"],
            "ADOPTED_BUCKET": ADOPTED,
        },
        "lambda_functions": {
            name: {"iam_role_arn": outputs[f"{name.capitalize()}RoleArn"]} for name in ("detect", "notify", "ingest")
        },
    }


def test_the_images_of_an_adopted_bucket_are_predicted_too(
    running: Pipeline, outputs: dict[str, str], chalice: Callable[..., None]
) -> None:
    chalice("deploy")
    s3 = running.session.cloud.client("s3")
    s3.put_object(Bucket=ADOPTED, Key="稲 a+b.jpg", Body=picture())
    stored: list[dict[str, str]] = []

    def is_stored() -> bool:
        stored.extend(s3.list_objects_v2(Bucket=outputs["OutputBucket"]).get("Contents", []))
        return bool(stored)

    running.wait_until(is_stored, "a row of the adopted bucket's image")
    row = json.loads(s3.get_object(Bucket=outputs["OutputBucket"], Key=stored[0]["Key"])["Body"].read())
    assert (row["bucket"], row["image"], row["label"]) == (ADOPTED, "稲 a+b.jpg", "leaf-smut")
    chalice("delete")
