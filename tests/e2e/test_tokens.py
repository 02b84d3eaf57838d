"""`labelwatch tokens`, as a command on the local AWS."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from labelwatch.local.ministack import REGION
from tests.e2e.test_uploads import request
from tests.support.pipeline import Pipeline, user_environment

LABELWATCH = str(Path(sys.executable).with_name("labelwatch"))


def run(pipeline: Pipeline, *arguments: str, stdout: str = "", **changes: str) -> subprocess.CompletedProcess[str]:
    """Runs the command on the local AWS with these changes of its environment; `stdout` is a file's name.

    An empty value removes the variable.
    """
    variables = user_environment(pipeline.session) | changes
    environment = {name: value for name, value in variables.items() if value}
    command = [LABELWATCH, "tokens", *arguments]
    if stdout:
        with Path(stdout).open("w") as file:
            return subprocess.run(
                command, env=environment, stdout=file, stderr=subprocess.PIPE, text=True, check=False, timeout=60
            )
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_a_token_is_created_listed_used_and_revoked(pipeline: Pipeline) -> None:
    created = run(pipeline, "create", "gate-1")
    assert created.returncode == 0, created.stderr
    token = created.stdout.strip()
    assert created.stdout == f"{token}\n"  # nothing else: TOKEN=$(labelwatch tokens create gate-1)
    assert "cannot be shown again" in created.stderr
    assert "never" in line_of(pipeline, "gate-1")
    assert request(pipeline.session.api, token).status_code == 201
    assert "never" not in line_of(pipeline, "gate-1")
    revoked = run(pipeline, "revoke", "gate-1")
    assert "within 30 seconds" in revoked.stdout.replace("\n", " ")
    assert "revoked" in line_of(pipeline, "gate-1")
    second = run(pipeline, "create", "gate-1")
    assert second.stdout != created.stdout
    assert "in force" in line_of(pipeline, "gate-1")


def line_of(pipeline: Pipeline, client: str) -> str:
    listed = run(pipeline, "list", COLUMNS="160").stdout
    return next(line for line in listed.splitlines() if client in line)


def test_a_long_name_is_listed_whole_in_a_narrow_terminal(pipeline: Pipeline) -> None:
    name = "greenhouse-camera-north-east-row-0012-position-a-very-long-name"
    run(pipeline, "create", name)
    listed = run(pipeline, "list", COLUMNS="60").stdout
    cells = [line.split("│")[1].strip() for line in listed.splitlines() if line.count("│") > 1]
    assert name in "".join(cells)


def test_no_secret_is_in_the_table(pipeline: Pipeline) -> None:
    secret = run(pipeline, "create", "gate-2").stdout.strip().rpartition("_")[2]
    items = pipeline.session.local_aws.client("dynamodb").scan(TableName=pipeline.outputs["TableName"])["Items"]
    assert [item for item in items if item["id"]["S"] == "gate-2"]
    assert secret not in str(items)


def test_a_token_that_could_not_be_printed_is_revoked(pipeline: Pipeline) -> None:
    lost = run(pipeline, "create", "gate-3", stdout="/dev/full")
    assert lost.returncode == 1
    assert run(pipeline, "create", "gate-3").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "changes", "message"),
    [
        (("create", "Gate 4"), {}, "must have 1 to 63 lower-case letters, digits and hyphens"),
        (("revoke", "a/b"), {}, "must have 1 to 63 lower-case letters"),
        (("revoke", "nobody"), {}, "nobody has no token in force; labelwatch tokens list shows who has"),
        (
            ("list", "--stack", "no-such-stack"),
            {},
            f"there is no stack no-such-stack in {REGION}; name it with --stack",
        ),
        (
            ("list",),
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
            "Unable to locate credentials; `aws configure`, `aws sso login`, or --profile",
        ),
        (
            ("list",),
            {"AWS_DEFAULT_REGION": "", "AWS_ENDPOINT_URL": ""},
            "no Region is set; name one with --region, or in AWS_DEFAULT_REGION",
        ),
        (("list",), {"AWS_ENDPOINT_URL": "foo"}, "the AWS settings of this shell or profile cannot be used"),
    ],
)
def test_a_mistake_is_one_sentence_with_a_failure(
    pipeline: Pipeline, arguments: tuple[str, ...], changes: dict[str, str], message: str
) -> None:
    done = run(pipeline, *arguments, **changes)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert done.stderr.startswith("labelwatch: ")
    assert message in done.stderr


def test_a_second_token_for_a_client_is_refused_with_the_command_that_revokes_the_first(pipeline: Pipeline) -> None:
    run(pipeline, "create", "gate-5")
    refused = run(pipeline, "create", "gate-5")
    assert refused.returncode == 1
    assert "revoke it first (labelwatch tokens revoke gate-5, of the same stack)" in refused.stderr
