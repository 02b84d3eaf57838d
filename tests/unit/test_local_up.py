"""The commands that `labelwatch local up` prints and writes."""

import shlex
import subprocess
from pathlib import Path

import pytest

from labelwatch.local.up import upload_line, write_aws_command

PRINTS_ITS_ARGUMENTS = """#!/bin/sh
for argument; do echo "$argument"; done
"""
LOCAL_AWS, LOCAL_MODEL = "http://127.0.0.1:1", "http://127.0.0.1:2"


@pytest.mark.parametrize(
    ("words", "endpoint"),
    [
        (("sqs", "list-queues"), LOCAL_AWS),
        (("--output", "text", "s3", "ls", "s3://a b/"), LOCAL_AWS),
        (("rekognition", "describe-projects"), LOCAL_MODEL),
        (("--output", "text", "rekognition", "describe-projects"), LOCAL_MODEL),
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
