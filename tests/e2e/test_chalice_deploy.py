"""The Chalice deployment with an existing bucket: up, deploy, deploy, change, deploy, delete, down."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from chalicelib.adapters.dynamodb import TokenTable
from labelwatch.deploy import Package
from labelwatch.local.adaptation import api_url
from labelwatch.local.ministack import REGION
from labelwatch.shared import stacks
from labelwatch.uploads import tokens
from tests.support.builders import scheduled_event
from tests.support.command import invoke
from tests.support.inventory import Inventory, inventory, limits_of, notifications
from tests.support.pipeline import Pipeline, mapping_state, picture, set_mapping
from tests.support.project import Project
from tests.support.proxy import Forward, Request, Response, running_proxy

STACK = "labelwatch-prod"
EXISTING_BUCKET = "cameras-of-long-ago"
# The end of each function's name, and the beginning of its role's output.
FUNCTIONS = {
    "": "ApiHandler",
    "-authorize": "Authorize",
    "-detect": "Detect",
    "-notify": "Notify",
    "-ingest": "Ingest",
    "-check_subscriptions": "CheckSubscriptions",
    "-manage_model": "ManageModel",
}


@pytest.fixture(scope="module")
def project(running: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project"), running.session)


class Before(NamedTuple):
    """The account before all deployments, and the notifications of the existing bucket."""

    account: Inventory
    notifications: dict[str, list[list[str]]]


@pytest.fixture(scope="module")
def before(running: Pipeline) -> Before:
    local_aws = running.session.local_aws
    local_aws.client("s3").create_bucket(
        Bucket=EXISTING_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    url = local_aws.client("sqs").create_queue(QueueName="archive")["QueueUrl"]
    arn = local_aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    local_aws.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    local_aws.client("s3").put_bucket_notification_configuration(
        Bucket=EXISTING_BUCKET,
        NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectRemoved:*"]}]},
    )
    return Before(inventory(local_aws), notifications(local_aws, EXISTING_BUCKET))


@pytest.fixture(scope="module")
def outputs(running: Pipeline, project: Project, before: Before) -> dict[str, str]:  # noqa: ARG001 - it must run before
    done = project.labelwatch(
        *("up", "--stage", "prod", "--custom-model-arn", running.local_model.arn, "--existing-bucket", EXISTING_BUCKET),
        *("--email-notification", "grower@example.com", "--input-bucket-name", "prod-images"),
        *("--output-bucket-name", "prod-predictions", "--labels-of-interest", "*", "--min-confidence", "80"),
        "--yes",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return stacks.outputs(running.session.local_aws.client("cloudformation"), STACK)


@pytest.fixture(scope="module")
def deployed(running: Pipeline, project: Project, outputs: dict[str, str]) -> Inventory:  # noqa: ARG001 - the same
    project.chalice("deploy")
    return inventory(running.session.local_aws)


@pytest.mark.usefixtures("deployed")
def test_the_images_of_an_existing_bucket_are_predicted_too(running: Pipeline, outputs: dict[str, str]) -> None:
    row = row_of(running, outputs, EXISTING_BUCKET, "稲 a+b.jpg")
    assert (row["bucket"], row["image"], row["label"]) == (EXISTING_BUCKET, "稲 a+b.jpg", "leaf-smut")


@pytest.mark.usefixtures("deployed")
def test_the_images_of_the_stack_s_own_bucket_are_predicted(running: Pipeline, outputs: dict[str, str]) -> None:
    assert row_of(running, outputs, "prod-images", "own.jpg")["bucket"] == "prod-images"


def test_every_function_is_deployed_with_a_role_of_its_own(deployed: Inventory, outputs: dict[str, str]) -> None:
    roles = {name: deployed["functions"][f"{STACK}{name}"]["Role"] for name in FUNCTIONS}
    assert roles == {name: outputs[f"{role}RoleArn"] for name, role in FUNCTIONS.items()}


def test_memory_and_time_outs_are_those_of_the_template(deployed: Inventory, packaged: Package) -> None:
    template = json.loads(packaged.template.read_text())
    chosen = {
        resource["Properties"]["Handler"]: (resource["Properties"]["MemorySize"], resource["Properties"]["Timeout"])
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    functions = [deployed["functions"][f"{STACK}{name}"] for name in FUNCTIONS if name != "-ingest"]
    assert {function["Handler"]: (function["MemorySize"], function["Timeout"]) for function in functions} == chosen


def test_the_functions_log_into_the_log_groups_of_the_stack(deployed: Inventory) -> None:
    assert {f"/aws/lambda/{STACK}{name}" for name in FUNCTIONS} <= set(deployed["logs"])


@pytest.mark.usefixtures("deployed")
def test_the_other_notifications_of_an_existing_bucket_stay_as_they_are(running: Pipeline, before: Before) -> None:
    others = notifications(running.session.local_aws, EXISTING_BUCKET)
    (ours,) = others.pop("LambdaFunctionConfigurations")
    assert others == before.notifications
    assert ours[0].endswith(f":function:{STACK}-ingest")


def test_without_an_origin_the_input_bucket_is_open_to_no_page(running: Pipeline, outputs: dict[str, str]) -> None:
    with pytest.raises(Exception, match="NoSuchCORSConfiguration"):
        running.session.local_aws.client("s3").get_bucket_cors(Bucket=outputs["InputBucket"])


def test_the_routes_answer_under_chalice_local(running: Pipeline, outputs: dict[str, str], project: Project) -> None:
    table = TokenTable(running.session.local_aws.client("dynamodb"), outputs["TableName"])
    headers = {"Authorization": f"Bearer {tokens.create(table, 'camera-north')}"}
    leaf: dict[str, Any] = {"filename": "leaf 1.jpg", "size": len(picture())}
    with project.chalice_local() as api:
        assert list(requests.get(f"{api}/health", timeout=60).json()) == ["version"]
        granted = requests.post(f"{api}/uploads", headers=headers, json=leaf, timeout=60)
        assert granted.status_code == 201
        assert granted.json()["key"].startswith("uploads/camera-north/")
        url, sent_headers = granted.json()["url"], granted.json()["headers"]
        assert requests.put(url, headers=sent_headers, data=picture(), timeout=60).ok
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


@pytest.mark.usefixtures("deployed")
def test_verify_follows_an_image_through_the_functions_of_chalice(project: Project, tmp_path: Path) -> None:
    (tmp_path / "leaf.jpg").write_bytes(picture())
    options = ("--stack", STACK, "--image", str(tmp_path / "leaf.jpg"), "--expect", "leaf-smut", "--format", "json")
    with project.chalice_local() as api:
        done = project.labelwatch("verify", "--yes", "--api-url", api, *options)
    report = json.loads(done.stdout)
    failed = {finding["check"] for finding in report["findings"] if finding["result"] == "fail"}
    # The link has the address of API Gateway, which does not exist here.
    assert failed == {"Link of the alert", "Picture of the alert"}
    assert report["deployment"] == "Chalice"


def failed_checks(project: Project) -> set[str]:
    """The checks of `labelwatch doctor` that fail."""
    done = invoke(project.environment, "doctor", "--stack", STACK, "--format", "json")
    return {finding["check"] for finding in json.loads(done.stdout)["findings"] if finding["result"] == "fail"}


@pytest.mark.usefixtures("deployed")
def test_until_up_runs_once_more_only_the_api_s_limits_are_missing(project: Project) -> None:
    assert failed_checks(project) == {"REST API"}


@pytest.fixture(scope="module")
def api(deployed: Inventory, before: Before) -> str:
    """The id of the REST API that chalice deploy created."""
    (created,) = {*deployed["apis"]} - {*before.account["apis"]}
    return str(created)


@pytest.fixture(scope="module")
def redeployed(running: Pipeline, project: Project, deployed: Inventory) -> Inventory:  # noqa: ARG001 - the same
    project.chalice("deploy")
    return inventory(running.session.local_aws)


def test_a_second_deployment_changes_nothing(redeployed: Inventory, deployed: Inventory) -> None:
    assert redeployed == deployed


@pytest.mark.usefixtures("redeployed")
def test_a_second_deployment_adds_no_duplicate_notification(running: Pipeline) -> None:
    assert len(notifications(running.session.local_aws, EXISTING_BUCKET)["LambdaFunctionConfigurations"]) == 1


@pytest.mark.usefixtures("redeployed")
def test_the_routes_of_the_api_answer_after_a_second_deployment(running: Pipeline, api: str) -> None:
    address = api_url(running.session.local_aws.endpoint, api)
    assert list(requests.get(f"{address}/health", timeout=60).json()) == ["version"]
    wrong = {"Authorization": f"Bearer labelwatch_camera_{'a' * 43}"}
    answers = [requests.post(f"{address}/uploads", headers=headers, timeout=60) for headers in ({}, wrong)]
    assert [answer.status_code for answer in answers] == [401, 403]
    assert requests.get(f"{address}/p/{'a' * 32}", timeout=60).status_code == 404


@pytest.fixture(scope="module")
def changed(running: Pipeline, project: Project, redeployed: Inventory) -> Inventory:  # noqa: ARG001 - the same
    done = project.labelwatch("up", "--stage", "prod", "--min-confidence", "60", "--tracing", "yes", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    running.local_model.status = "STOPPED"  # else its clock would turn the mapping on again
    set_mapping(running.session, f"{STACK}-detect", Enabled=False)
    project.chalice("deploy")
    return inventory(running.session.local_aws)


def test_a_deployment_does_not_resume_paused_polling(running: Pipeline, changed: Inventory) -> None:
    client = running.session.local_aws.client("lambda")
    (mapping,) = client.list_event_source_mappings(FunctionName=f"{STACK}-detect")["EventSourceMappings"]
    assert mapping["UUID"] in changed["mappings"]
    assert mapping["State"] == "Disabled"
    running.local_model.status = "RUNNING"


@pytest.fixture
def resumed(running: Pipeline, project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The paths of Chalice's changes of mappings, in which the service takes a missing `Enabled` for true.

    AWS documents that default, and not whether it applies to changes:
    https://docs.aws.amazon.com/lambda/latest/api/API_UpdateEventSourceMapping.html
    """
    local_aws = running.session.local_aws
    paths: list[str] = []

    def resume(request: Request, forward: Forward) -> Response:
        answer = forward()
        if request.method == "PUT" and "/event-source-mappings/" in request.path:
            paths.append(request.path)
            if "Enabled" not in json.loads(request.body):
                uuid = request.path.rstrip("/").rpartition("/")[2]
                local_aws.client("lambda").update_event_source_mapping(UUID=uuid, Enabled=True)
        return answer

    with running_proxy(local_aws.endpoint, resume) as proxy:
        monkeypatch.setitem(project.environment, "AWS_ENDPOINT_URL_LAMBDA", proxy)
        yield paths


# The images that wait meanwhile: tests/e2e/test_model.py resumes polling for 15 of them while the model is stopped.
@pytest.mark.usefixtures("changed")
def test_polling_that_a_deployment_resumed_is_paused_by_the_next_check(
    running: Pipeline, project: Project, resumed: list[str]
) -> None:
    running.local_model.status = "STOPPED"
    set_mapping(running.session, f"{STACK}-detect", Enabled=False)
    project.chalice("deploy")
    assert len(resumed) == 2
    assert mapping_state(running.session, f"{STACK}-detect") == "Enabled"
    running.session.local_aws.client("lambda").invoke(
        FunctionName=f"{STACK}-manage_model", Payload=json.dumps(scheduled_event())
    )
    assert mapping_state(running.session, f"{STACK}-detect") == "Disabled"
    running.local_model.status = "RUNNING"


def test_a_changed_parameter_reaches_every_function_and_nothing_else_changes(
    changed: Inventory, redeployed: Inventory
) -> None:
    for name in FUNCTIONS:
        after, before = changed["functions"][f"{STACK}{name}"], redeployed["functions"][f"{STACK}{name}"]
        assert after["Environment"]["Variables"] == before["Environment"]["Variables"] | {"MinConfidence": "60"}
        assert (after["TracingConfig"], after["CodeSha256"]) == ({"Mode": "Active"}, before["CodeSha256"])
    assert changed.keys() == redeployed.keys()
    differing = {kind for kind in changed if changed[kind] != redeployed[kind]}
    assert differing <= {"functions", "stacks"}


@pytest.mark.usefixtures("changed")
def test_after_that_no_check_of_doctor_fails(running: Pipeline, project: Project) -> None:
    running.local_model.status = "STOPPED"  # as polling is paused
    assert failed_checks(project) == set()
    running.local_model.status = "RUNNING"


@pytest.mark.usefixtures("changed")
def test_up_limits_the_requests_to_the_api_as_the_template_does_and_a_deployment_keeps_the_limits(
    running: Pipeline, api: str
) -> None:
    limits = [limits_of(running.session.local_aws, name) for name in (api, running.outputs["RestAPIId"])]
    assert limits[0] == limits[1] != {}


@pytest.fixture(scope="module")
def untraced(running: Pipeline, project: Project, changed: Inventory) -> Inventory:  # noqa: ARG001 - the same
    done = project.labelwatch("up", "--stage", "prod", "--tracing", "no", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    return inventory(running.session.local_aws)


def test_tracing_can_be_turned_off(untraced: Inventory) -> None:
    modes = {untraced["functions"][f"{STACK}{name}"]["TracingConfig"]["Mode"] for name in FUNCTIONS}
    assert modes == {"PassThrough"}


class After(NamedTuple):
    """The refusal of `labelwatch down` before chalice delete; the account after chalice delete, and after down."""

    refused: str
    deleted: Inventory
    notifications: dict[str, list[list[str]]]
    down: Inventory


@pytest.fixture(scope="module")
def after(running: Pipeline, project: Project, untraced: Inventory) -> After:  # noqa: ARG001 - the same
    local_aws = running.session.local_aws
    refused = project.labelwatch("down", "--stage", "prod", "--yes")
    assert refused.returncode == 1
    project.chalice("delete")
    deleted, remaining = inventory(local_aws), notifications(local_aws, EXISTING_BUCKET)
    done = project.labelwatch("down", "--stage", "prod", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    return After(refused.stderr, deleted, remaining, inventory(local_aws))


def test_the_stack_stays_while_its_functions_need_it(after: After) -> None:
    assert "chalice delete --stage prod" in after.refused


def test_chalice_delete_deletes_everything_that_chalice_deploy_created(after: After, before: Before) -> None:
    for kind in ("functions", "mappings", "schedules", "apis"):
        assert after.deleted[kind] == before.account[kind]


def test_chalice_delete_leaves_an_existing_bucket_as_it_was(after: After, before: Before) -> None:
    assert after.notifications == before.notifications


def test_down_deletes_all_that_up_created(after: After, before: Before) -> None:
    assert after.down == before.account


def row_of(running: Pipeline, outputs: dict[str, str], bucket: str, key: str) -> dict[str, Any]:
    """Uploads an image and gives its row."""
    s3 = running.session.local_aws.client("s3")
    seen: set[str] = set()
    found: list[dict[str, Any]] = []
    s3.put_object(Bucket=bucket, Key=key, Body=picture())

    def is_stored() -> bool:
        for item in s3.list_objects_v2(Bucket=outputs["OutputBucket"]).get("Contents", []):
            if item["Key"] not in seen:
                seen.add(item["Key"])
                body = s3.get_object(Bucket=outputs["OutputBucket"], Key=item["Key"])["Body"].read()
                found.extend(row for row in map(json.loads, body.splitlines()) if row["image"] == key)
        return bool(found)

    running.wait_until(is_stored, f"a row of {key}")
    return found[0]
