"""The commands that `labelwatch local up` prints and writes."""

import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from labelwatch.local.ministack import LocalAws
from labelwatch.local.session import Session
from labelwatch.local.up import upload_line, variables, write_aws_command

PRINTS_ITS_ARGUMENTS = """#!/bin/sh
for argument; do echo "$argument"; done
"""
LOCAL_AWS, LOCAL_MODEL = "http://127.0.0.1:1", "http://127.0.0.1:2"
PRINTS_ITS_ENDPOINTS = """
import boto3, os
print(*(boto3.client(name).meta.endpoint_url for name in ("s3", "dynamodb", "sqs", "rekognition")))
print(os.environ.get("LABELWATCH_STACK"))
"""


@pytest.mark.parametrize(
    ("words", "endpoint"),
    [
        (("sqs", "list-queues"), LOCAL_AWS),
        (("--output", "text", "s3", "ls", "s3://a b/"), LOCAL_AWS),
        (("rekognition", "describe-projects"), LOCAL_MODEL),
        (("--output", "text", "rekognition", "describe-projects"), LOCAL_MODEL),
        (("--no-paginate", "--region=eu-central-1", "rekognition", "describe-projects"), LOCAL_MODEL),
        (("sqs", "get-queue-url", "--queue-name", "rekognition"), LOCAL_AWS),
        (("--profile", "rekognition", "s3", "ls"), LOCAL_AWS),
    ],
)
def test_aws_gets_the_endpoint_in_any_service_and_in_a_folder_with_a_blank(
    tmp_path: Path, words: tuple[str, ...], endpoint: str
) -> None:
    python = tmp_path / "a blank" / "python"
    python.parent.mkdir()
    python.write_text(PRINTS_ITS_ARGUMENTS)
    python.chmod(0o755)
    write_aws_command(tmp_path / "bin", str(python))
    environment = {"AWS_ENDPOINT_URL": LOCAL_AWS, "AWS_ENDPOINT_URL_REKOGNITION": LOCAL_MODEL}
    printed = subprocess.run(
        [str(tmp_path / "bin" / "aws"), *words], env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert printed.splitlines() == ["-m", "awscli", "--endpoint-url", endpoint, *words]


def test_an_upload_keeps_names_with_blanks_and_quotes() -> None:
    *_, source, target = shlex.split(upload_line(Path("/a b/it's.jpg")))
    assert (source, target) == ("/a b/it's.jpg", "s3://labelwatch-images/field 1/it's.jpg")


@pytest.mark.parametrize("config", ["[default]\nendpoint_url = http://127.0.0.1:9\n", "[broken\n"])
def test_after_the_printed_line_the_user_s_own_settings_of_aws_do_not_matter(tmp_path: Path, config: str) -> None:
    (tmp_path / "config").write_text(config)
    session = cast("Session", SimpleNamespace(local_aws=LocalAws(LOCAL_AWS, tmp_path), rekognition=LOCAL_MODEL))
    environment = {
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_PROFILE": "nobody",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "LABELWATCH_STACK": "labelwatch-prod",
    }
    command = shlex.join([sys.executable, "-c", PRINTS_ITS_ENDPOINTS])
    printed = subprocess.run(
        ["/bin/sh", "-c", f"{variables(session, tmp_path)}\n{command}"],
        env=environment, capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    assert printed.split() == [LOCAL_AWS, LOCAL_AWS, LOCAL_AWS, LOCAL_MODEL, "None"]
