"""The check of `labelwatch doctor` that compares Chalice's file of the stage with what exists."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from labelwatch.deploy import deployed_file, stage
from labelwatch.deploy.deployed_resources import Entry
from labelwatch.doctor.check import Outcome
from labelwatch.doctor.deployment import Deployment
from labelwatch.doctor.stage_file import check_stage_file
from labelwatch.shared.findings import Result
from labelwatch.shared.stacks import Stack
from tests.support.fake_account import STACK
from tests.support.fake_deployment import VALUES, FakeDeployedAccount

NAME = "prod"
FUNCTION = {"name": "detect", "resource_type": "lambda_function", "lambda_arn": f"arn:aws:lambda:::function:{STACK}-d"}
API = {"name": "rest_api", "resource_type": "rest_api", "rest_api_id": "a1b2c3"}
SECOND = API | {"rest_api_id": "d4e5f6"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Chalice's configuration without a stage, as in a clone that deployed nothing."""
    return Path(shutil.copy(stage.CONFIG, tmp_path / "config.json"))


@pytest.fixture
def own(config: Path) -> Path:
    """The same with the stage."""
    content = stage.read(config)
    content["stages"] = {"template": content["stages"]["template"]}
    content["stages"][NAME] = {"environment_variables": {"IMAGES_QUEUE_ARN": VALUES["ImagesQueueArn"]}}
    config.write_text(json.dumps(content))
    return config


def record(config: Path, *entries: Entry) -> None:
    file = deployed_file.path_of(config, NAME)
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"resources": entries, "schema_version": "2.0"}))


def outcomes(monkeypatch: pytest.MonkeyPatch, config: Path, *found: Entry, **outputs: str) -> list[Outcome]:
    monkeypatch.setattr(deployed_file, "find", lambda *_: list(found))
    values = {name: value for name, value in VALUES.items() if name != "RestAPIId"} | outputs
    account: Any = FakeDeployedAccount()
    return list(check_stage_file(Deployment(account, STACK, Stack("UPDATE_COMPLETE", {}, values), config=config)))


def test_a_file_with_all_that_exists_passes(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    record(own, FUNCTION, API)
    (outcome,) = outcomes(monkeypatch, own, FUNCTION, API)
    assert (outcome.result, "2 resources" in outcome.found) == (Result.PASS, True)


def test_without_the_file_what_a_stopped_deployment_created_fails(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    (outcome,) = outcomes(monkeypatch, own, FUNCTION, API)
    assert outcome.result == Result.FAIL
    assert "not in the file: function labelwatch-prod-d, and 1 more difference" in outcome.found
    assert "labelwatch up --stage prod" in outcome.action


def test_an_entry_of_a_deleted_resource_fails(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    record(own, FUNCTION, API)
    (outcome,) = outcomes(monkeypatch, own, FUNCTION)
    assert (outcome.result, "not in the account: REST API a1b2c3." in outcome.found) == (Result.FAIL, True)


def test_a_second_api_is_a_warning_with_the_command_that_deletes_it(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    record(own, FUNCTION, API)
    surplus, file = outcomes(monkeypatch, own, FUNCTION, API, SECOND)
    assert (surplus.result, file.result) == (Result.WARN, Result.PASS)
    assert "delete-rest-api --rest-api-id d4e5f6" in surplus.found


def test_a_clone_without_the_stage_has_nothing_to_compare(monkeypatch: pytest.MonkeyPatch, config: Path) -> None:
    assert outcomes(monkeypatch, config, FUNCTION) == []


def test_the_template_has_no_such_file(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    assert outcomes(monkeypatch, own, FUNCTION, RestAPIId="a1b2c3") == []
