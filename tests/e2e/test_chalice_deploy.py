"""The `chalice deploy` way, with a bucket that the stack does not own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from botocore.exceptions import ClientError
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from chalicelib.adapters.dynamodb import TokenTable
from labelwatch import tokens
from labelwatch.local.cloud import ACCESS_KEY, REGION, SECRET_KEY, free_port
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


class Chalice:
    """The real chalice, on a copy of the project whose stage `prod` has what the resources stack gave."""

    def __init__(self, project: Path, endpoint: str) -> None:
        self._project = project
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(project),
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
        }

    def run(self, command: str) -> None:
        done = subprocess.run(
            self._words(command), cwd=self._project, env=self._environment,
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    @contextmanager
    def local(self) -> Iterator[str]:
        """`chalice local` until the block ends; gives its address."""
        port = free_port(None)
        words = [*self._words("local"), "--host", "127.0.0.1", "--port", str(port), "--no-autoreload"]
        process = subprocess.Popen(
            words, cwd=self._project, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        address = f"http://127.0.0.1:{port}"
        retrying = requests.Session()
        retrying.mount("http://", HTTPAdapter(max_retries=Retry(connect=60, backoff_factor=0.1, backoff_max=0.5)))
        try:
            retrying.get(f"{address}/health", timeout=60)
            yield address
        finally:
            retrying.close()
            process.terminate()
            process.wait(30)

    @staticmethod
    def _words(command: str) -> list[str]:
        return [str(Path(sys.executable).with_name("chalice")), command, "--stage", "prod"]


@pytest.fixture(scope="module")
def chalice(running: Pipeline, outputs: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Chalice:
    project = tmp_path_factory.mktemp("project")
    for name in ("app.py", "requirements.txt"):
        shutil.copy(PROJECT / name, project)
    for name in ("chalicelib", ".chalice"):
        shutil.copytree(PROJECT / name, project / name, ignore=shutil.ignore_patterns("deploy*", "__pycache__"))
    config = json.loads((project / ".chalice" / "config.json").read_text())
    config["stages"] = {"prod": stage(outputs, running.standin.arn)}
    # Without it Chalice sends an empty figure, which the embedded cloud gives back as one.
    config["minimum_compression_size"] = 10_485_760
    (project / ".chalice" / "config.json").write_text(json.dumps(config))
    return Chalice(project, running.session.cloud.endpoint)


def stage(outputs: dict[str, str], model: str) -> dict[str, object]:
    return {
        "iam_role_arn": outputs["DetectRoleArn"],  # Chalice wants one for the stage too, though no function takes it
        "environment_variables": {
            "CustomModelARN": model,
            "LabelsofInterest": outputs["LabelsofInterest"],
            "MinConfidence": outputs["MinConfidence"],
            "InputBucketName": outputs["InputBucket"],
            "OutputBucketName": outputs["OutputBucket"],
            "WORKSPACE_BUCKET": outputs["WorkspaceBucket"],
            "IMAGES_QUEUE_ARN": outputs["ImagesQueueArn"],
            "IMAGES_QUEUE_URL": outputs["ImagesQueueUrl"],
            "IMAGES_DEAD_LETTERS_URL": outputs["ImagesDeadLettersUrl"],
            "PREDICTIONS_QUEUE_ARN": outputs["PredictionsQueueArn"],
            "PREDICTIONS_QUEUE_URL": outputs["PredictionsQueueUrl"],
            "PREDICTIONS_DEAD_LETTERS_URL": outputs["PredictionsDeadLettersUrl"],
            "TOPIC_ARN": outputs["AlertsTopicArn"],
            "TABLE_NAME": outputs["TableName"],
            "UPLOAD_ORIGIN": outputs["UploadOrigin"],
            "ADOPTED_BUCKET": ADOPTED,
        },
        "lambda_functions": {
            name: {"iam_role_arn": outputs[f"{role}RoleArn"]}
            for name, role in {
                "detect": "Detect",
                "notify": "Notify",
                "ingest": "Ingest",
                "api_handler": "Uploads",
                "authorize": "Authorize",
            }.items()
        },
    }


@pytest.fixture(scope="module")
def deployed(chalice: Chalice) -> Iterator[None]:
    chalice.run("deploy")
    yield
    chalice.run("delete")


@pytest.mark.usefixtures("deployed")
def test_the_images_of_an_adopted_bucket_are_predicted_too(running: Pipeline, outputs: dict[str, str]) -> None:
    s3 = running.session.cloud.client("s3")
    s3.put_object(Bucket=ADOPTED, Key="稲 a+b.jpg", Body=picture())
    stored: list[dict[str, str]] = []

    def is_stored() -> bool:
        stored.extend(s3.list_objects_v2(Bucket=outputs["OutputBucket"]).get("Contents", []))
        return bool(stored)

    running.wait_until(is_stored, "a row of the adopted bucket's image")
    row = json.loads(s3.get_object(Bucket=outputs["OutputBucket"], Key=stored[0]["Key"])["Body"].read())
    assert (row["bucket"], row["image"], row["label"]) == (ADOPTED, "稲 a+b.jpg", "leaf-smut")


@pytest.mark.usefixtures("deployed")
def test_every_function_is_deployed_with_a_role_of_its_own(running: Pipeline, outputs: dict[str, str]) -> None:
    client = running.session.cloud.client("lambda")
    names = {"": "Uploads", "-authorize": "Authorize", "-detect": "Detect", "-notify": "Notify", "-ingest": "Ingest"}
    roles = {name: client.get_function_configuration(FunctionName=f"{STACK}{name}")["Role"] for name in names}
    assert roles == {name: outputs[f"{role}RoleArn"] for name, role in names.items()}


def test_without_an_origin_the_input_bucket_is_open_to_no_page(running: Pipeline, outputs: dict[str, str]) -> None:
    with pytest.raises(ClientError, match="NoSuchCORSConfiguration"):
        running.session.cloud.client("s3").get_bucket_cors(Bucket=outputs["InputBucket"])


def test_the_routes_answer_under_chalice_local(running: Pipeline, outputs: dict[str, str], chalice: Chalice) -> None:
    table = TokenTable(running.session.cloud.client("dynamodb"), outputs["TableName"])
    headers = {"Authorization": f"Bearer {tokens.create(table, 'camera-north')}"}
    leaf = {"filename": "leaf 1.jpg"}
    with chalice.local() as api:
        assert list(requests.get(f"{api}/health", timeout=60).json()) == ["version"]
        granted = requests.post(f"{api}/uploads", headers=headers, json=leaf, timeout=60)
        assert granted.status_code == 201
        assert granted.json()["key"].startswith("uploads/camera-north/")
        sent = requests.post(
            granted.json()["url"], data=granted.json()["fields"], files={"file": picture()}, timeout=60
        )
        assert sent.ok
        assert requests.post(f"{api}/uploads", json=leaf, timeout=60).status_code == 401
        wrong = {"Authorization": "Bearer wrong"}
        assert requests.post(f"{api}/uploads", headers=wrong, json=leaf, timeout=60).status_code == 403
        for method, path, body, status in (
            ("POST", "/uploads", "filename=leaf.jpg", 415),
            ("POST", "/health", "", 405),
            ("OPTIONS", "/uploads", "", 403),
        ):
            form = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
            answer = requests.request(method, f"{api}{path}", headers=headers | form, data=body, timeout=60)
            assert (answer.status_code, set(answer.json()["error"])) == (status, {"code", "message", "field"})
