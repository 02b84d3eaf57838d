"""Chalice's file of a stage: compared with the resources that exist, and rebuilt by `up` and `down`."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from labelwatch.deploy import deployed_file, deployed_resources, down, up
from labelwatch.deploy.deployed_resources import Entry
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import UserError
from labelwatch.shared.project import PROJECT
from tests.support.fake_account import STACK, FakeAccount, function_arn

REQUIRED = {"EmailNotification": "grower@example.com", "InputBucketName": "images", "OutputBucketName": "predictions"}
DETECT_ARN = function_arn(f"{STACK}-detect")
DETECT = {"name": "detect", "resource_type": "lambda_function", "lambda_arn": DETECT_ARN}
MAPPING = {
    "name": "detect-sqs-event-source", "resource_type": "sqs_event", "queue_arn": "arn:aws:sqs:eu-west-1:1:images",
    "event_uuid": "14e0db71", "queue": "images", "lambda_arn": DETECT_ARN,
}  # fmt: skip
API = {"name": "rest_api", "resource_type": "rest_api", "rest_api_id": "a1b2c3", "rest_api_url": "https://a1b2c3"}
OTHER_API = API | {"rest_api_id": "d4e5f6"}
ADDITION = {
    "name": "my_report-event",
    "resource_type": "cloudwatch_event",
    "rule_name": "my-report",
}


def test_a_file_that_names_all_that_exists_matches() -> None:
    comparison = deployed_file.compare([API, DETECT, MAPPING], [DETECT, MAPPING, API])
    assert comparison.matches
    assert list(comparison.lines()) == []


def test_a_fresh_stage_without_a_file_matches() -> None:
    assert deployed_file.compare([], []).matches


def test_a_lost_file_is_rebuilt_from_all_that_exists() -> None:
    comparison = deployed_file.compare([], [DETECT, MAPPING, API])
    assert not comparison.matches
    assert comparison.rebuilt == [DETECT, MAPPING, API]


def test_an_older_file_gets_what_it_lacks() -> None:
    comparison = deployed_file.compare([DETECT], [DETECT, MAPPING])
    assert comparison.unrecorded == [MAPPING]
    assert comparison.rebuilt == [DETECT, MAPPING]


def test_an_entry_that_names_nothing_that_exists_is_dropped() -> None:
    comparison = deployed_file.compare([DETECT, MAPPING, API], [DETECT])
    assert comparison.missing == [MAPPING, API]
    assert comparison.rebuilt == [DETECT]


def test_an_entry_with_another_id_is_replaced() -> None:
    created_anew = MAPPING | {"event_uuid": "another"}
    comparison = deployed_file.compare([MAPPING], [created_anew])
    assert (comparison.missing, comparison.unrecorded) == ([MAPPING], [created_anew])
    assert comparison.rebuilt == [created_anew]


def test_an_entry_keeps_fields_that_chalice_wrote_and_labelwatch_does_not_know() -> None:
    recorded = API | {"added_by_a_later_chalice": True}
    comparison = deployed_file.compare([recorded], [API])
    assert comparison.matches
    assert comparison.rebuilt == [recorded]


def test_an_incomplete_entry_is_replaced() -> None:
    incomplete = {key: value for key, value in MAPPING.items() if key != "event_uuid"}
    assert deployed_file.compare([incomplete], [MAPPING]).rebuilt == [MAPPING]


def test_the_first_of_two_resources_with_one_name_is_kept() -> None:
    comparison = deployed_file.compare([API], [API, OTHER_API])
    assert comparison.matches
    assert (comparison.rebuilt, comparison.surplus) == ([API], [OTHER_API])


def test_own_additions_to_the_app_stay_in_the_file() -> None:
    comparison = deployed_file.compare([ADDITION, DETECT], [])
    assert comparison.missing == [DETECT]
    assert comparison.rebuilt == [ADDITION]


def test_own_additions_to_the_app_do_not_stop_down() -> None:
    assert deployed_file.compare([ADDITION], []).existing == []


def test_a_surplus_resource_stops_down_too() -> None:
    assert any("d4e5f6" in resource for resource in deployed_file.compare([], [API, OTHER_API]).existing)


@pytest.mark.parametrize(
    "content", ['{"resources": [', "[]", '{"resources": []}', '{"resources": [{}], "schema_version": "2.0"}']
)
def test_a_file_that_chalice_could_not_read_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "prod.json"
    file.write_text(content)
    with pytest.raises(UserError, match=r"prod\.json"):
        deployed_file.read(file)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration as it stands in the repository."""
    file = tmp_path / "config.json"
    file.write_bytes((PROJECT / ".chalice" / "config.json").read_bytes())
    return file


@pytest.fixture
def account(config: Path) -> FakeAccount:
    """With a stage whose first `chalice deploy` stopped after the functions and event source mappings."""
    fake = FakeAccount()
    run_up(fake, config)
    fake.functions = {f"{STACK}-detect"}
    fake.mappings = [
        {"UUID": "14e0db71", "EventSourceArn": MAPPING["queue_arn"], "FunctionArn": DETECT_ARN, "State": "Enabled"},
        {"UUID": "other", "EventSourceArn": MAPPING["queue_arn"], "FunctionArn": f"{DETECT_ARN}s", "State": "Enabled"},
    ]
    return fake


def run_up(fake: FakeAccount, config: Path, *, answer: bool = True) -> str:
    account: Any = fake
    output = io.StringIO()
    terminal = Terminal(Console(file=output, width=80, markup=False), lambda _: answer)
    up.run(account, "prod", REQUIRED, terminal, {}, config=config)
    return output.getvalue()


def recorded(config: Path) -> list[Entry]:
    return deployed_file.read(deployed_file.path_of(config, "prod"))


def test_up_writes_no_file_before_the_first_deployment(config: Path) -> None:
    run_up(FakeAccount(), config)
    assert not deployed_file.path_of(config, "prod").exists()


def test_up_shows_what_an_interrupted_deployment_left_and_rebuilds_the_file(account: FakeAccount, config: Path) -> None:
    output = run_up(account, config)
    assert "function labelwatch-prod-detect" in output
    assert "event source mapping 14e0db71" in output
    assert "other" not in output
    assert recorded(config) == [DETECT, MAPPING]


def test_mappings_that_are_being_deleted_and_mappings_of_other_services_are_skipped(
    account: FakeAccount, config: Path
) -> None:
    (mapping, *_), stream = account.mappings, "arn:aws:kinesis:eu-west-1:1:stream/leaves"
    account.mappings = [mapping | {"State": "Deleting"}, mapping | {"EventSourceArn": stream}]
    run_up(account, config)
    assert recorded(config) == [DETECT]


@pytest.mark.parametrize(("region", "suffix"), [("eu-west-1", "amazonaws.com"), ("cn-north-1", "amazonaws.com.cn")])
def test_the_address_of_the_api_is_that_of_its_partition(region: str, suffix: str) -> None:
    account: Any = FakeAccount()
    account.region, account.apigateway.exists = region, True
    (api,) = deployed_resources.find(account, STACK, {}, [])
    assert api["rest_api_url"] == f"https://a1b2c3.execute-api.{region}.{suffix}/api/"


def test_the_second_run_of_up_finds_nothing_to_repair(account: FakeAccount, config: Path) -> None:
    run_up(account, config)
    assert "deployed/prod.json" not in run_up(account, config)


def test_without_consent_the_file_stays_and_up_goes_on(account: FakeAccount, config: Path) -> None:
    output = run_up(account, config, answer=False)
    assert recorded(config) == []
    assert "Next:" in output


def test_a_surplus_api_is_named_with_the_command_that_deletes_it(config: Path) -> None:
    output = io.StringIO()
    terminal = Terminal(Console(file=output, width=80, markup=False), lambda _: True)
    file = deployed_file.path_of(config, "prod")
    deployed_file.offer_to_rebuild(file, deployed_file.compare([API], [API, OTHER_API]), terminal)
    assert "aws apigateway delete-rest-api --rest-api-id d4e5f6" in output.getvalue()
    assert not file.exists()


def test_where_the_account_cannot_be_read_up_says_so_and_goes_on(account: FakeAccount, config: Path) -> None:
    account.apigateway.exists = account.apigateway.denied = True
    output = run_up(account, config)
    assert "AccessDenied" in output
    assert "Next:" in output
    assert recorded(config) == []


def run_down(fake: FakeAccount, config: Path, *, answer: bool = True) -> None:
    account: Any = fake
    terminal = Terminal(Console(file=io.StringIO(), width=80, markup=False), lambda _: answer)
    down.run(account, "prod", terminal, delete_data=False, config=config)


def test_down_rebuilds_the_file_for_chalice_delete(account: FakeAccount, config: Path) -> None:
    with pytest.raises(UserError, match="chalice delete --stage prod"):
        run_down(account, config)
    assert recorded(config) == [DETECT, MAPPING]


def test_down_names_a_resource_that_is_no_function(account: FakeAccount, config: Path) -> None:
    account.functions = set()
    with pytest.raises(UserError, match="14e0db71"):
        run_down(account, config)


def test_down_drops_what_an_interrupted_chalice_delete_deleted(account: FakeAccount, config: Path) -> None:
    run_up(account, config)
    account.functions, account.mappings = set(), []
    run_down(account, config)
    assert recorded(config) == []


def test_down_changes_no_file_without_consent(account: FakeAccount, config: Path) -> None:
    with pytest.raises(UserError, match="chalice delete"):
        run_down(account, config, answer=False)
    assert not deployed_file.path_of(config, "prod").exists()


def test_the_rebuilt_file_has_the_form_that_chalice_writes(account: FakeAccount, config: Path) -> None:
    run_up(account, config)
    content = json.loads(deployed_file.path_of(config, "prod").read_text())
    assert {name: content[name] for name in content if name != "resources"} == {
        "schema_version": "2.0", "backend": "api",
    }  # fmt: skip
