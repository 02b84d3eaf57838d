"""MaxImagesPerDay in a stack of its own, with general labels and with a model; the tests call manage_model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from chalicelib.adapters.dynamodb import ImageCountTable
from labelwatch.deploy import Package
from labelwatch.local.deployment import PACKAGES_BUCKET, deploy_template
from labelwatch.shared import stacks
from tests.support.command import invoke_labelwatch
from tests.support.pipeline import (
    Pipeline,
    functions,
    mapping_state,
    picture,
    run_manage_model,
    set_environment,
    set_mapping,
)

LIMIT, MORE = 5, 9


class LimitedStack:
    """A stack that analyses five images a day."""

    def __init__(self, running: Pipeline, packaged: Package, model: str) -> None:
        self.name = f"labelwatch-limit-{model}"
        template = stacks.pointing_at(json.loads(packaged.template.read_text()), PACKAGES_BUCKET, packaged.zip.name)
        parameters = {
            "CustomModelARN": "general" if model == "general" else running.local_model.arn,
            "EmailNotification": "grower@example.com",
            "InputBucketName": f"images-limit-{model}",
            "OutputBucketName": f"predictions-limit-{model}",
            "DatabaseName": f"labelwatch_limit_{model}",
            "MaxImagesPerDay": str(LIMIT),
        }
        self.outputs = deploy_template(running.session.local_aws, self.name, template, parameters)
        self.session = replace(running.session, outputs=self.outputs)
        self.pipeline = Pipeline(self.session, running.wait_seconds)
        self.client = self.session.local_aws.client
        self.session.local_aws.disable_schedules()
        self.pipeline.wait_until_empty()
        self.set_environment(RETRY_SECONDS="1", DEFER_SECONDS="1")

    def set_environment(self, **changes: str) -> None:
        for function in functions(self.session, self.name).values():
            set_environment(self.session, function, **changes)

    def upload(self, *keys: str) -> None:
        for key in keys:
            self.client("s3").put_object(Bucket=self.outputs["InputBucket"], Key=key, Body=picture())

    def check(self) -> str:
        """Runs manage_model; returns the state of the mapping of detect."""
        run_manage_model(self.session, self.name)
        return self.mapping

    @property
    def mapping(self) -> str:
        return mapping_state(self.session, f"{self.name}-detect")

    @property
    def counted(self) -> int:
        item = self.client("dynamodb").get_item(TableName=self.outputs["TableName"], Key=self._today).get("Item", {})
        return int(item.get("images", {"N": "0"})["N"])

    def begin_next_day(self) -> None:
        """Without a count, as at 00:00 (UTC): the functions have no other clock than that of this machine."""
        self.client("dynamodb").delete_item(TableName=self.outputs["TableName"], Key=self._today)

    @property
    def _today(self) -> dict[str, dict[str, str]]:
        return {"kind": {"S": "image-count"}, "id": {"S": f"{datetime.now(UTC):%Y-%m-%d}"}}

    def wait_for_predictions(self, count: int) -> None:
        self.pipeline.wait_until(lambda: len(self.pipeline.predictions) == count, f"{count} predictions")


@pytest.fixture(params=["general", "custom"])
def stack(running: Pipeline, packaged: Package, request: pytest.FixtureRequest) -> Iterator[LimitedStack]:
    stack = LimitedStack(running, packaged, request.param)
    yield stack
    set_mapping(stack.session, f"{stack.name}-detect", Enabled=True)


def test_at_the_limit_images_wait_until_it_is_raised_or_the_next_day_begins_and_none_is_lost(
    stack: LimitedStack,
) -> None:
    keys = [f"limited/{number}.jpg" for number in range(12)]
    stack.upload(*keys)
    stack.pipeline.wait_until(lambda: stack.mapping == "Disabled", "a paused polling")
    stack.wait_for_predictions(LIMIT)
    stack.pipeline.wait_until(lambda: stack.counted == LIMIT, "a count of what was used")
    assert stack.check() == "Disabled"
    assert stack.pipeline.depth("ImagesQueueUrl") == len(keys) - LIMIT
    shown = json.loads(invoke_labelwatch(stack.session, "status", "--stack", stack.name, "--format", "json").stdout)
    assert "5 of 5" in shown["values"]["image_limit_today"]

    stack.set_environment(MAX_IMAGES_PER_DAY=str(MORE))
    assert stack.check() == "Enabled"
    stack.wait_for_predictions(MORE)
    stack.pipeline.wait_until(lambda: stack.mapping == "Disabled", "a paused polling")
    assert stack.check() == "Disabled"

    stack.begin_next_day()
    assert stack.check() == "Enabled"
    stack.wait_for_predictions(len(keys))
    stack.pipeline.wait_until_empty()
    assert (set(stack.pipeline.predictions), stack.pipeline.dead_letters) == (set(keys), {})
    assert stack.counted == len(keys) - MORE


def test_no_image_of_parallel_batches_is_lost_from_the_count(running: Pipeline) -> None:
    """Here and not on moto, whose updates are not atomic among threads."""
    counts = ImageCountTable(running.session.local_aws.client("dynamodb"), running.outputs["TableName"])
    day = date(2000, 1, 1)  # of no other test: the table is shared
    with ThreadPoolExecutor(8) as pool:
        sums = list(pool.map(lambda _: counts.add(day, 1), range(40)))
    assert sorted(sums) == list(range(1, 41))
