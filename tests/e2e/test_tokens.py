"""`labelwatch tokens`, as a command on the local AWS."""

from __future__ import annotations

import subprocess
import sys

from labelwatch.uploads import tokens
from tests.e2e.test_uploads import request
from tests.support.command import invoke_labelwatch
from tests.support.pipeline import Pipeline, run_labelwatch, user_environment


def output_of(pipeline: Pipeline, *words: str) -> str:
    """The output of `labelwatch tokens` with these words, which must succeed."""
    result = invoke_labelwatch(pipeline.session, "tokens", *words)
    assert result.returncode == 0, result.stderr
    return result.stdout


def line_of(pipeline: Pipeline, client: str) -> list[str]:
    """The words of the client's line in the list."""
    return next(line.split() for line in output_of(pipeline, "list").splitlines() if line.startswith(f"{client} "))


def test_a_token_is_created_listed_used_and_revoked(pipeline: Pipeline) -> None:
    created = run_labelwatch(pipeline.session, "tokens", "create", "gate-1")
    assert created.returncode == 0, created.stderr
    token = created.stdout.strip()
    assert created.stdout == f"{token}\n"  # nothing else: TOKEN=$(labelwatch tokens create gate-1)
    assert "never" in line_of(pipeline, "gate-1")
    assert request(pipeline.session.api, token).status_code == 201
    assert "never" not in line_of(pipeline, "gate-1")
    assert "30 seconds" in output_of(pipeline, "revoke", "gate-1")
    assert "revoked" in line_of(pipeline, "gate-1")
    assert output_of(pipeline, "create", "gate-1") != created.stdout
    assert line_of(pipeline, "gate-1")[-1] == "valid"


def test_the_list_has_the_uploads_of_today_and_the_limit_of_each_client(pipeline: Pipeline) -> None:
    token = output_of(pipeline, "create", "gate-4", "--per-day", "1").strip()
    output_of(pipeline, "create", "gate-5")
    assert [request(pipeline.session.api, token).status_code for _ in range(2)] == [201, 429]
    assert line_of(pipeline, "gate-4")[-4:] == ["1", "of", "1", "valid"]
    assert line_of(pipeline, "gate-5")[-4:] == ["0", "of", "10,000", "valid"]


def test_no_secret_is_in_the_table(pipeline: Pipeline) -> None:
    secret = tokens.create(pipeline.session.tokens, "gate-2").rpartition("_")[2]
    items = pipeline.session.local_aws.client("dynamodb").scan(TableName=pipeline.outputs["TableName"])["Items"]
    assert [item for item in items if item["id"]["S"] == "gate-2"]
    assert secret not in str(items)


def test_a_token_that_could_not_be_printed_is_revoked(pipeline: Pipeline) -> None:
    lost = subprocess.run(
        ["/bin/sh", "-c", '"$0" -m labelwatch tokens create gate-3 > /dev/full', sys.executable],
        env=user_environment(pipeline.session), check=False, timeout=60, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert lost.returncode == 1
    assert "revoked" in line_of(pipeline, "gate-3")


def test_another_stack_is_refused_with_its_name_and_the_option(pipeline: Pipeline) -> None:
    refused = invoke_labelwatch(pipeline.session, "tokens", "list", "--stack", "no-such-stack")
    assert refused.returncode == 1
    assert "no-such-stack" in refused.stderr
    assert "--stack" in refused.stderr
