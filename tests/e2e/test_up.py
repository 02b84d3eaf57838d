"""`labelwatch up` and `labelwatch down`, at a terminal and in a script."""

import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from labelwatch.local.ministack import LocalAws
from labelwatch.shared.stacks import Stacks
from tests.support import api_gateway
from tests.support.inventory import buckets, inventory
from tests.support.pipeline import Pipeline
from tests.support.project import Project

NAMES = {"InputBucketName": "test-images", "OutputBucketName": "test-predictions"}
TOPIC_TEMPLATE: dict[str, Any] = {"Parameters": {}, "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
BUCKETS = ["test-images", "test-predictions", "test-predictions-workspace"]
OTHER_PARAMETERS = ("--email-notification", "grower@example.com", "--labels-of-interest", "*", "--min-confidence", "80")


@pytest.fixture
def local_aws(running: Pipeline) -> LocalAws:
    return running.session.local_aws


@pytest.fixture(scope="module")
def project(running: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with api_gateway.proxy(running.session.local_aws.endpoint) as api:
        yield Project(tmp_path_factory.mktemp("project"), running.session, api)


@pytest.fixture
def up_arguments(running: Pipeline, project: Project) -> Iterator[tuple[str, ...]]:
    """The arguments that create the stage `test`; the stage is deleted after the test."""
    names = ("--input-bucket-name", "test-images", "--output-bucket-name", "test-predictions")
    yield ("up", "--stage", "test", "--custom-model-arn", running.local_model.arn, *names, *OTHER_PARAMETERS)
    project.labelwatch("down", "--stage", "test", "--yes", "--delete-data")
    assert not set(BUCKETS) & set(buckets(running.session.local_aws))


def run(project: Project, *arguments: str) -> str:
    """Runs the command with --yes and gives its output; it must succeed."""
    completed = project.labelwatch(*arguments, "--yes")
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


def refusal_of(project: Project, *arguments: str, **environment: str) -> str:
    """Runs the command and gives its message; it must fail in one sentence."""
    completed = project.labelwatch(*arguments, **environment)
    assert (completed.returncode, len(completed.stderr.splitlines())) == (1, 1), completed.stdout + completed.stderr
    assert completed.stderr.startswith("labelwatch: ")
    return completed.stderr.removeprefix("labelwatch: ").strip()


def test_up_shows_its_checks_and_changes_and_the_commands_to_run_next(
    project: Project, up_arguments: tuple[str, ...]
) -> None:
    output = run(project, *up_arguments)
    assert "✓ model: RUNNING" in output
    assert "✓ bucket test-images: free" in output
    assert re.search(r"create +│ DetectRole +│ AWS::IAM::Role", output)
    assert "Commit that to your own repository" in output
    assert re.search(r"1\. AWS_DEFAULT_REGION=eu-central-1 \S+/chalice deploy --stage test", output)


def test_a_second_run_changes_nothing(project: Project, up_arguments: tuple[str, ...], local_aws: LocalAws) -> None:
    run(project, *up_arguments)
    before = inventory(local_aws), project.config
    output = run(project, *up_arguments)
    assert "Nothing in the stack has to change." in output
    assert "The stage test in .chalice/config.json is as it should be." in output
    assert (inventory(local_aws), project.config) == before


def test_a_parameter_is_changed_without_the_other_options(project: Project, up_arguments: tuple[str, ...]) -> None:
    run(project, *up_arguments)
    output = run(project, "up", "--stage", "test", "--min-confidence", "60", "--tracing", "yes")
    assert re.search(r"change +│ DetectRole", output)
    variables = project.config["stages"]["test"]["environment_variables"]
    assert (variables["MinConfidence"], variables["InputBucketName"]) == ("60", "test-images")
    assert project.config["stages"]["test"]["xray"] is True


@pytest.mark.parametrize(
    ("option", "value", "variable"),
    [
        ("--labels-of-interest", "leaf-smut:90", "LabelsofInterest"),
        ("--min-confidence", "60", "MinConfidence"),
        ("--picture-links", "no", "PICTURE_LINKS"),
        ("--upload-origin", "https://example.com", "UPLOAD_ORIGIN"),
        ("--email-notification", "other@example.com", "EmailNotification"),
        ("--custom-model-arn", "general", "CustomModelARN"),
    ],
)
def test_each_parameter_can_be_changed_alone_and_is_kept(
    project: Project, up_arguments: tuple[str, ...], option: str, value: str, variable: str
) -> None:
    run(project, *up_arguments)
    run(project, "up", "--stage", "test", option, value)
    assert project.config["stages"]["test"]["environment_variables"][variable] == value
    assert "Nothing in the stack has to change." in run(project, "up", "--stage", "test")
    assert project.config["stages"]["test"]["environment_variables"][variable] == value


def test_tags_of_the_options_are_on_the_stack(
    project: Project, up_arguments: tuple[str, ...], local_aws: LocalAws
) -> None:
    run(project, *up_arguments, "--tag", "team=plants")
    (stack,) = local_aws.client("cloudformation").describe_stacks(StackName="labelwatch-test")["Stacks"]
    assert {tag["Key"]: tag["Value"] for tag in stack["Tags"]} == {
        "team": "plants", "application": "labelwatch", "stack": "labelwatch-test",
    }  # fmt: skip


def test_tags_are_kept_without_their_options(
    project: Project, up_arguments: tuple[str, ...], local_aws: LocalAws
) -> None:
    run(project, *up_arguments, "--tag", "team=plants")
    assert "Nothing in the stack has to change." in run(project, *up_arguments)
    (stack,) = local_aws.client("cloudformation").describe_stacks(StackName="labelwatch-test")["Stacks"]
    assert {"Key": "team", "Value": "plants"} in stack["Tags"]


def test_a_file_may_give_the_parameters(
    project: Project, up_arguments: tuple[str, ...], running: Pipeline, tmp_path: Path
) -> None:
    file = tmp_path / "test.json"
    file.write_text(
        json.dumps(NAMES | {"EmailNotification": "a@example.com", "CustomModelARN": running.local_model.arn})
    )
    run(project, "up", "--stage", "test", "--parameters", str(file), "--email-notification", "b@example.com")
    variables = project.config["stages"]["test"]["environment_variables"]
    assert (variables["InputBucketName"], variables["EmailNotification"]) == ("test-images", "b@example.com")
    assert up_arguments


def test_a_creation_that_fails_leaves_nothing_and_gives_the_resource_and_the_reason(
    project: Project, up_arguments: tuple[str, ...], local_aws: LocalAws
) -> None:
    athena = local_aws.client("athena")
    athena.create_work_group(Name="labelwatch-test")  # of another tool
    before = inventory(local_aws), buckets(local_aws), project.config
    try:
        refusal = refusal_of(project, *up_arguments, "--yes")
        assert (inventory(local_aws), buckets(local_aws), project.config) == before
    finally:
        athena.delete_work_group(WorkGroup="labelwatch-test")
    assert refusal.startswith(
        "the stack labelwatch-test was not created, and nothing of it is left. What failed: Workgroup: "
    )
    assert "labelwatch-test already exists" in refusal


def test_a_refused_change_changes_nothing(
    project: Project, up_arguments: tuple[str, ...], running: Pipeline, local_aws: LocalAws
) -> None:
    run(project, *up_arguments)
    before = inventory(local_aws), project.config
    refusal = refusal_of(project, "up", "--stage", "test", "--database-name", running.outputs["DatabaseName"])
    assert "is there already in this account and Region; name another: --database-name" in refusal
    assert (inventory(local_aws), project.config) == before


def test_down_keeps_the_data_and_up_takes_it_back(
    project: Project, up_arguments: tuple[str, ...], local_aws: LocalAws
) -> None:
    run(project, *up_arguments)
    s3 = local_aws.client("s3")
    s3.put_object(Bucket="test-images", Key="leaf.jpg", Body=b"leaf")
    tag_buckets(local_aws)
    output = run(project, "down", "--stage", "test")
    assert "Kept: test-images, test-predictions, test-predictions-workspace." in output
    assert "test" not in project.config["stages"]
    output = run(project, *up_arguments)
    assert "✓ bucket test-images: kept from an earlier labelwatch-test, and taken back" in output
    assert s3.get_object(Bucket="test-images", Key="leaf.jpg")["Body"].read() == b"leaf"
    (notification,) = s3.get_bucket_notification_configuration(Bucket="test-images")["QueueConfigurations"]
    assert notification["QueueArn"] == project.config["stages"]["test"]["environment_variables"]["IMAGES_QUEUE_ARN"]


def test_a_run_that_fails_after_the_import_of_buckets_is_continued_by_the_next(
    project: Project, up_arguments: tuple[str, ...], local_aws: LocalAws
) -> None:
    run(project, *up_arguments)
    tag_buckets(local_aws)
    protection = protection_of(local_aws, "test-images")
    run(project, "down", "--stage", "test")
    athena = local_aws.client("athena")
    athena.create_work_group(Name="labelwatch-test")  # of another tool
    try:
        refusal = refusal_of(project, *up_arguments, "--yes")
    finally:
        athena.delete_work_group(WorkGroup="labelwatch-test")
    assert refusal.startswith("the buckets are taken back, and nothing else is made: ")
    assert "Workgroup: " in refusal
    # As if the first run had been killed before it restored the protection.
    controls = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    local_aws.client("s3").put_bucket_ownership_controls(Bucket="test-images", OwnershipControls=controls)
    output = run(project, *up_arguments)
    assert "✓ bucket test-images: this stack's" in output
    assert protection_of(local_aws, "test-images") == protection


def test_the_protection_of_a_bucket_that_is_taken_back_is_restored(
    project: Project, up_arguments: tuple[str, ...], local_aws: LocalAws
) -> None:
    run(project, *up_arguments)
    tag_buckets(local_aws)
    protection = protection_of(local_aws, "test-images")
    run(project, "down", "--stage", "test")
    s3 = local_aws.client("s3")
    s3.delete_public_access_block(Bucket="test-images")
    s3.put_bucket_ownership_controls(
        Bucket="test-images", OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    )
    s3.put_bucket_versioning(Bucket="test-images", VersioningConfiguration={"Status": "Suspended"})
    s3.put_bucket_encryption(
        Bucket="test-images",
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]
        },
    )
    run(project, *up_arguments)
    assert protection_of(local_aws, "test-images") == protection


def test_a_former_bucket_is_taken_back_by_a_new_stack_only(
    project: Project, up_arguments: tuple[str, ...], local_aws: LocalAws
) -> None:
    run(project, *up_arguments)
    tag_buckets(local_aws)
    run(project, "up", "--stage", "test", "--input-bucket-name", "test-other-images")
    try:
        before = inventory(local_aws)
        refusal = refusal_of(project, "up", "--stage", "test", "--input-bucket-name", "test-images", "--yes")
        assert "the bucket test-images was this stack's before" in refusal
        assert inventory(local_aws) == before
    finally:
        run(project, "down", "--stage", "test", "--delete-data")
    assert not [name for name in buckets(local_aws) if name.startswith("test-")]


def test_a_database_of_another_name_replaces_the_old_database(
    project: Project, up_arguments: tuple[str, ...], local_aws: LocalAws
) -> None:
    run(project, *up_arguments)
    output = run(project, "up", "--stage", "test", "--database-name", "leaves")
    assert "database leaves: free; labelwatch_test goes away with its tables" in output
    databases = inventory(local_aws)["databases"]
    assert ("leaves" in databases, "labelwatch_test" in databases) == (True, False)


def test_a_creation_that_waits_for_consent_is_not_deleted_without_consent(
    project: Project, up_arguments: tuple[str, ...], local_aws: LocalAws
) -> None:
    waiting = Stacks(local_aws.client("cloudformation")).plan("labelwatch-test", TOPIC_TEMPLATE, {}, creates=True)
    assert waiting
    before = inventory(local_aws)
    assert "nobody is there to be asked" in refusal_of(project, *up_arguments)
    assert inventory(local_aws) == before
    assert "A creation that waits for somebody's consent" in run(project, *up_arguments)


def test_the_leftovers_of_a_failed_creation_are_deleted_first(
    project: Project, up_arguments: tuple[str, ...], local_aws: LocalAws
) -> None:
    taken = {"Type": "AWS::Athena::WorkGroup", "Properties": {"Name": "primary"}}
    failing = TOPIC_TEMPLATE | {"Resources": TOPIC_TEMPLATE["Resources"] | {"Taken": taken}}
    local_aws.client("cloudformation").create_stack(StackName="labelwatch-test", TemplateBody=json.dumps(failing))
    stacks = Stacks(local_aws.client("cloudformation"))
    while (found := stacks.find("labelwatch-test")) and found.status != "ROLLBACK_COMPLETE":
        time.sleep(0.1)
    assert "What is left of a creation that failed has this name (ROLLBACK_COMPLETE)" in run(project, *up_arguments)


def test_a_stack_that_has_functions_is_left_as_it_is(
    project: Project, up_arguments: tuple[str, ...], local_aws: LocalAws
) -> None:
    function = {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Role": "arn:aws:iam::000000000000:role/any", "Handler": "index.handler", "Runtime": "python3.12",
            "Code": {"ZipFile": "handler = print"},
        },
    }  # fmt: skip
    queue = {"ImagesQueue": {"Type": "AWS::SQS::Queue"}}
    stacks = Stacks(local_aws.client("cloudformation"))
    plan = stacks.plan(
        "labelwatch-test", TOPIC_TEMPLATE | {"Resources": queue | {"Detect": function}}, {}, creates=True
    )
    assert plan
    stacks.apply(plan)
    before = inventory(local_aws)
    try:
        for arguments in ((*up_arguments, "--yes"), ("down", "--stage", "test", "--yes")):
            assert "was launched from the one template" in refusal_of(project, *arguments)
        assert inventory(local_aws) == before
    finally:
        assert stacks.delete("labelwatch-test") == []


def test_a_number_in_the_stage_s_environment_becomes_text_as_lambda_requires(
    project: Project, up_arguments: tuple[str, ...]
) -> None:
    run(project, *up_arguments)
    add_to_stage(project, PRESIGNED_UPLOAD_SECONDS=60)
    run(project, *up_arguments)
    assert project.config["stages"]["test"]["environment_variables"]["PRESIGNED_UPLOAD_SECONDS"] == "60"


def test_an_invalid_stage_is_refused_before_the_stack_is_changed(
    project: Project, up_arguments: tuple[str, ...], local_aws: LocalAws
) -> None:
    run(project, *up_arguments)
    add_to_stage(project, PRESIGNED_UPLOAD_SECONDS="soon")
    before = local_aws.client("cloudformation").describe_stacks(StackName="labelwatch-test")["Stacks"]
    assert "PRESIGNED_UPLOAD_SECONDS" in refusal_of(project, *up_arguments, "--min-confidence", "60", "--yes")
    assert local_aws.client("cloudformation").describe_stacks(StackName="labelwatch-test")["Stacks"] == before


def test_down_with_delete_data_deletes_the_buckets_too(
    project: Project, up_arguments: tuple[str, ...], local_aws: LocalAws
) -> None:
    before = inventory(local_aws), buckets(local_aws)
    run(project, *up_arguments)
    s3 = local_aws.client("s3")
    s3.put_object(Bucket="test-images", Key="leaf.jpg", Body=b"first")
    s3.put_object(Bucket="test-images", Key="leaf.jpg", Body=b"second")
    s3.delete_object(Bucket="test-images", Key="leaf.jpg")
    output = run(project, "down", "--stage", "test", "--delete-data")
    assert "are DELETED with all that is in them" in output
    assert (inventory(local_aws), buckets(local_aws)) == before


def test_down_continues_where_a_bucket_was_deleted_meanwhile(
    project: Project, up_arguments: tuple[str, ...], local_aws: LocalAws
) -> None:
    run(project, *up_arguments)
    local_aws.client("s3").delete_bucket(Bucket="test-predictions")
    run(project, "down", "--stage", "test", "--delete-data")
    assert not set(BUCKETS) & set(buckets(local_aws))


def test_down_reports_that_the_model_may_still_run(
    project: Project, up_arguments: tuple[str, ...], running: Pipeline
) -> None:
    run(project, *up_arguments)
    output = run(project, "down", "--stage", "test", "--delete-data")
    assert f"aws rekognition stop-project-version --project-version-arn {running.local_model.arn}" in output


@pytest.mark.parametrize("arguments", [("down",), ("up", "--min-confidence", "60")], ids=["down", "up"])
def test_nothing_is_changed_where_nobody_can_confirm(
    project: Project, up_arguments: tuple[str, ...], local_aws: LocalAws, arguments: tuple[str, ...]
) -> None:
    run(project, *up_arguments)
    before = inventory(local_aws)
    assert "--yes goes on without" in refusal_of(project, *arguments, "--stage", "test")
    assert inventory(local_aws) == before


def test_nothing_is_created_where_nobody_can_confirm(
    project: Project, up_arguments: tuple[str, ...], local_aws: LocalAws
) -> None:
    before = inventory(local_aws), buckets(local_aws)
    assert "--yes goes on without" in refusal_of(project, *up_arguments)
    assert (inventory(local_aws), buckets(local_aws)) == before


@pytest.mark.parametrize("command", ["up", "down"])
def test_a_stage_of_another_region_is_refused(project: Project, up_arguments: tuple[str, ...], command: str) -> None:
    run(project, *up_arguments)
    before = project.config
    refusal = refusal_of(project, command, "--stage", "test", "--yes", "--region", "us-east-1")
    assert "the stage test is of account 000000000000, Region eu-central-1, and this is" in refusal
    assert project.config == before


@pytest.mark.usefixtures("up_arguments")
def test_down_without_a_stack_is_refused(project: Project) -> None:
    assert (
        refusal_of(project, "down", "--stage", "test", "--yes") == "there is no stack labelwatch-test in eu-central-1."
    )


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (("--stage", "Prod"), {}, "'Prod' is no name for a stage"),
        (("--stage", "template"), {}, "'template' is no name for a stage"),
        (("--stage", "test"), {}, "EmailNotification, InputBucketName, OutputBucketName must be given"),
        (("--stage", "test", *OTHER_PARAMETERS, "--min-confidence", "101"), {}, "must be a number from 0 to 100"),
        (("--stage", "test", "--tag", "team"), {}, "--tag 'team' must be Key=Value"),
        (("--stage", "test", "--parameters", "none.json"), {}, "No such file or directory: none.json"),
        (("--stage", "test"), {"AWS_DEFAULT_REGION": ""}, "no Region is set"),
        (("--stage", "test"), {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no AWS credentials were found"),
        (("--stage", "test", "--profile", "nobody"), {}, "The config profile (nobody) could not be found"),
        (("--stage", "test", "--region", "us-east-1"), {}, "must be given"),
    ],
)
def test_a_mistake_is_one_sentence_and_changes_nothing(
    project: Project, local_aws: LocalAws, arguments: tuple[str, ...], environment: dict[str, str], message: str
) -> None:
    before = inventory(local_aws), project.config
    assert message in refusal_of(project, "up", *arguments, **environment)
    assert (inventory(local_aws), project.config) == before


def test_missing_parameters_are_prompted_for_at_a_terminal(
    project: Project, up_arguments: tuple[str, ...], running: Pipeline
) -> None:
    output = at_a_terminal(
        project,
        up_arguments[:3],
        ["", "grower@example.com", "test-images", "", "eighty", "75", "test-predictions", "y"],
    )
    assert "MinConfidence is 'eighty', and it must be a number from 0 to 100." in output
    assert "Create the stack labelwatch-test?" in output
    variables = project.config["stages"]["test"]["environment_variables"]
    assert (variables["CustomModelARN"], variables["MinConfidence"]) == ("general", "75")
    assert running


def test_a_person_who_declines_changes_nothing(
    project: Project, up_arguments: tuple[str, ...], local_aws: LocalAws
) -> None:
    before = inventory(local_aws), buckets(local_aws), project.config
    assert "nothing is created" in at_a_terminal(project, up_arguments, ["n"])
    assert (inventory(local_aws), buckets(local_aws), project.config) == before


def test_a_person_whose_output_goes_to_a_file_is_asked_to_confirm(
    project: Project, up_arguments: tuple[str, ...], local_aws: LocalAws, tmp_path: Path
) -> None:
    before = inventory(local_aws), buckets(local_aws), project.config
    log = tmp_path / "log"
    with log.open("w") as output:
        at_a_terminal(project, up_arguments, ["n"], output)
    assert "Create the stack labelwatch-test?" in log.read_text()
    assert (inventory(local_aws), buckets(local_aws), project.config) == before


def tag_buckets(local_aws: LocalAws) -> None:
    """Tags the buckets as CloudFormation does, and the emulator does not."""
    tags = [{"Key": "application", "Value": "labelwatch"}, {"Key": "stack", "Value": "labelwatch-test"}]
    for name in BUCKETS:
        local_aws.client("s3").put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})


def protection_of(local_aws: LocalAws, bucket: str) -> list[Any]:
    s3 = local_aws.client("s3")
    return [
        s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"],
        s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"],
        s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0][
            "ApplyServerSideEncryptionByDefault"
        ],
        s3.get_bucket_versioning(Bucket=bucket)["Status"],
    ]


def add_to_stage(project: Project, **variables: Any) -> None:
    config = project.config
    config["stages"]["test"]["environment_variables"] |= variables
    (project.folder / ".chalice" / "config.json").write_text(json.dumps(config))


def at_a_terminal(
    project: Project, arguments: tuple[str, ...], answers: list[str], output: IO[str] | None = None
) -> str:
    """Runs the command at a terminal of its own with these answers; gives the terminal's output."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "labelwatch", *arguments], cwd=project.folder, env=project.environment,
        stdin=theirs, stdout=output or theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # the terminal is closed: the command has ended
            break
    os.close(ours)
    process.wait(60)
    return shown.decode(errors="replace").replace("\r\n", "\n")
