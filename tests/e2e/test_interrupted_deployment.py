"""`chalice deploy` and `chalice delete` that stopped half-way, a lost file, and a file with dead names."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from labelwatch.local.ministack import REGION
from tests.support.interruptions import DENIED, NOT_VALIDATED, Interruptions, interrupting
from tests.support.inventory import Inventory, inventory, notifications
from tests.support.pipeline import Pipeline
from tests.support.project import Project

STAGE = "field"
STACK = f"labelwatch-{STAGE}"
EXISTING_BUCKET = "cameras-of-the-field"
FUNCTIONS = {STACK, *(f"{STACK}-{name}" for name in (
    "authorize", "check_subscriptions", "detect", "ingest", "manage_model", "notify",
))}  # fmt: skip
ONCE = {
    "functions": sorted(FUNCTIONS),
    "mappings": [f"{STACK}-detect", f"{STACK}-notify"],
    "schedules": [f"{STACK}-check_subscriptions-event", f"{STACK}-manage_model-event"],
    "notifications": [f"{STACK}-ingest"],
    "apis": 1,
}


@pytest.fixture(scope="module")
def interruptions(running: Pipeline) -> Iterator[Interruptions]:
    with interrupting(running.session.local_aws) as interruptions:
        yield interruptions


@pytest.fixture(scope="module")
def project(running: Pipeline, interruptions: Interruptions, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("project"), running.session)
    project.environment["AWS_ENDPOINT_URL"] = interruptions.endpoint
    return project


@pytest.fixture(scope="module")
def before(running: Pipeline) -> Inventory:
    local_aws = running.session.local_aws
    local_aws.client("s3").create_bucket(
        Bucket=EXISTING_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    return inventory(local_aws)


class Stage:
    """The stage in the account, and Chalice's file of it."""

    def __init__(self, running: Pipeline, project: Project, before: Inventory) -> None:
        self.local_aws = running.session.local_aws
        self.file: Path = project.folder / ".chalice" / "deployed" / f"{STAGE}.json"
        self.before = before

    @property
    def recorded(self) -> dict[str, dict[str, Any]]:
        return {entry["name"]: entry for entry in json.loads(self.file.read_text())["resources"]}

    @property
    def apis(self) -> list[str]:
        return sorted({*inventory(self.local_aws)["apis"]} - {*self.before["apis"]})

    @property
    def resources(self) -> dict[str, Any]:
        """The resources of Chalice in the account, in the form of ONCE."""
        after = inventory(self.local_aws)
        targets = notifications(self.local_aws, EXISTING_BUCKET).get("LambdaFunctionConfigurations", [])
        return {
            "functions": sorted({*after["functions"]} - {*self.before["functions"]}),
            "mappings": sorted(
                mapping["FunctionArn"].split(":")[-1]
                for uuid, mapping in after["mappings"].items()
                if uuid not in self.before["mappings"]
            ),
            "schedules": sorted({*after["schedules"]} - {*self.before["schedules"]}),
            "notifications": [arn.split(":")[-1] for arn, *_ in targets],
            "apis": len(self.apis),
        }


class Run(NamedTuple):
    """A command's exit code and output, and what exists after it."""

    code: int
    output: str
    resources: dict[str, Any]


@pytest.fixture(scope="module")
def stage(running: Pipeline, project: Project, before: Inventory) -> Stage:
    return Stage(running, project, before)


@pytest.fixture(scope="module")
def created(running: Pipeline, project: Project, stage: Stage) -> Stage:
    done = project.labelwatch(
        *("up", "--stage", STAGE, "--custom-model-arn", running.local_model.arn, "--existing-bucket", EXISTING_BUCKET),
        *("--email-notification", "grower@example.com", "--input-bucket-name", "field-images"),
        *("--output-bucket-name", "field-predictions", "--labels-of-interest", "*", "--min-confidence", "80", "--yes"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return stage


def chalice(project: Project, stage: Stage, command: str = "deploy") -> Run:
    done = project.try_chalice(command, STAGE)
    return Run(done.returncode, done.stdout + done.stderr, stage.resources)


def labelwatch(project: Project, stage: Stage, command: str = "up") -> Run:
    done = project.labelwatch(command, "--stage", STAGE, "--yes")
    return Run(done.returncode, done.stdout + done.stderr, stage.resources)


@pytest.fixture(scope="module")
def interrupted(project: Project, created: Stage, interruptions: Interruptions) -> list[Run]:
    """S3 has not yet seen the permission to invoke `ingest`; the second deployment stops at the mappings."""
    interruptions.refused = {f"PUT /{EXISTING_BUCKET}?notification": NOT_VALIDATED}
    first = chalice(project, created)
    interruptions.refused = {}
    return [first, chalice(project, created)]


def test_the_notification_of_an_existing_bucket_may_stop_a_deployment_without_a_file(
    interrupted: list[Run], created: Stage
) -> None:
    assert interrupted[0].code != 0
    assert "Unable to validate" in interrupted[0].output
    assert interrupted[0].resources["mappings"] == ONCE["mappings"]
    assert not created.file.exists()


def test_such_a_deployment_cannot_be_repeated(interrupted: list[Run]) -> None:
    assert interrupted[1].code != 0
    assert "ResourceConflictException" in interrupted[1].output


def stage_file_of(project: Project) -> str:
    """What `labelwatch doctor` says of the stage's file."""
    done = project.labelwatch("doctor", "--stack", STACK, "--format", "json")
    (found,) = [item for item in json.loads(done.stdout)["findings"] if item["check"] == "Stage file"]
    return str(found["result"])


@pytest.fixture(scope="module")
def diagnosed(project: Project, interrupted: list[Run]) -> str:  # noqa: ARG001 - it must run before
    return stage_file_of(project)


@pytest.fixture(scope="module")
def repaired(project: Project, stage: Stage, interrupted: list[Run], diagnosed: str) -> list[Run]:  # noqa: ARG001 - they must run before
    return [labelwatch(project, stage)]


@pytest.fixture(scope="module")
def interrupted_at_the_api(
    project: Project,
    stage: Stage,
    repaired: list[Run],  # noqa: ARG001 - the same
    interruptions: Interruptions,
) -> Run:
    interruptions.refused = {f"POST /2015-03-31/functions/{STACK}/policy": DENIED}
    run = chalice(project, stage)
    interruptions.refused = {}
    return run


def test_up_shows_what_exists_and_writes_it_into_the_file(
    repaired: list[Run], interrupted: list[Run], interrupted_at_the_api: Run
) -> None:
    assert repaired[0].code == 0
    assert repaired[0].resources == interrupted[1].resources
    assert f"function {STACK}-detect" in repaired[0].output
    assert "AccessDenied" in interrupted_at_the_api.output
    assert interrupted_at_the_api.resources == ONCE


@pytest.fixture(scope="module")
def completed(project: Project, stage: Stage, interrupted_at_the_api: Run) -> list[Run]:  # noqa: ARG001 - the same
    return [labelwatch(project, stage), chalice(project, stage)]


@pytest.mark.usefixtures("completed")
def test_doctor_names_the_file_until_the_deployment_completes(project: Project, diagnosed: str) -> None:
    assert (diagnosed, stage_file_of(project)) == ("fail", "pass")


def test_after_a_repair_a_deployment_completes_and_everything_exists_once(completed: list[Run], stage: Stage) -> None:
    assert [run.code for run in completed] == [0, 0], completed[1].output
    assert completed[1].resources == ONCE
    assert stage.recorded["rest_api"]["rest_api_id"] == stage.apis[0]


@pytest.fixture(scope="module")
def rebuilt(project: Project, stage: Stage, completed: list[Run]) -> list[dict[str, Any]]:  # noqa: ARG001 - the same
    """The entries that Chalice wrote, and those of a rebuilt file."""
    written = stage.recorded
    stage.file.unlink()
    labelwatch(project, stage)
    return [written, stage.recorded]


def test_a_lost_file_is_rebuilt_as_chalice_wrote_it(rebuilt: list[dict[str, Any]]) -> None:
    assert rebuilt[0] == rebuilt[1]


@pytest.fixture(scope="module")
def dead_names(project: Project, stage: Stage, rebuilt: list[dict[str, Any]]) -> list[Run]:
    """A function, a mapping and the API are deleted; somebody creates the mapping anew."""
    recorded = rebuilt[0]
    client = stage.local_aws.client("lambda")
    client.delete_function(FunctionName=f"{STACK}-manage_model")
    mapping = recorded["detect-sqs-event-source"]
    client.delete_event_source_mapping(UUID=mapping["event_uuid"])
    client.create_event_source_mapping(EventSourceArn=mapping["queue_arn"], FunctionName=mapping["lambda_arn"])
    stage.local_aws.client("apigateway").delete_rest_api(restApiId=recorded["rest_api"]["rest_api_id"])
    return [chalice(project, stage), labelwatch(project, stage), chalice(project, stage)]


def test_a_file_with_dead_names_is_repaired(dead_names: list[Run], stage: Stage, rebuilt: list[dict[str, Any]]) -> None:
    failed, up, deployed = dead_names
    assert "ResourceConflictException" in failed.output
    assert f"REST API {rebuilt[0]['rest_api']['rest_api_id']}" in up.output
    assert (up.code, deployed.code) == (0, 0), deployed.output
    assert deployed.resources == ONCE
    assert stage.recorded.keys() == rebuilt[0].keys()


@pytest.fixture(scope="module")
def deleted(
    project: Project,
    stage: Stage,
    dead_names: list[Run],  # noqa: ARG001 - the same
    interruptions: Interruptions,
) -> list[Run]:
    interruptions.refused = {"AWSEvents.DeleteRule": DENIED}
    first = chalice(project, stage, "delete")
    interruptions.refused = {}
    second = chalice(project, stage, "delete")
    refused = labelwatch(project, stage, "down")
    return [first, second, refused, chalice(project, stage, "delete"), labelwatch(project, stage, "down")]


def test_a_deletion_that_stopped_cannot_be_repeated(deleted: list[Run]) -> None:
    assert "AccessDenied" in deleted[0].output
    assert deleted[1].code != 0


def test_down_repairs_the_file_for_chalice_delete_and_then_deletes_all(
    deleted: list[Run], running: Pipeline, before: Inventory
) -> None:
    refused, chalice_delete, down = deleted[2:]
    assert refused.code == 1
    assert f"chalice delete --stage {STAGE}" in refused.output
    assert (chalice_delete.code, down.code) == (0, 0), chalice_delete.output + down.output
    assert inventory(running.session.local_aws) == before
