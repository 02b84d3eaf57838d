"""`labelwatch up` and `labelwatch down`, as a person at a terminal, or a script, meets them."""

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
A_TOPIC: dict[str, Any] = {"Parameters": {}, "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
MINE = ["test-images", "test-predictions", "test-predictions-workspace"]
SIX = ("--email-notification", "grower@example.com", "--labels-of-interest", "*", "--min-confidence", "80")


@pytest.fixture
def local_aws(running: Pipeline) -> LocalAws:
    return running.session.local_aws


@pytest.fixture(scope="module")
def project(running: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with api_gateway.in_front_of(running.session.local_aws.endpoint) as api:
        yield Project(tmp_path_factory.mktemp("project"), running.session, api)


@pytest.fixture
def given(running: Pipeline, project: Project) -> Iterator[tuple[str, ...]]:
    """The words that create the stage `test`; it is taken down after the test."""
    names = ("--input-bucket-name", "test-images", "--output-bucket-name", "test-predictions")
    yield ("up", "--stage", "test", "--custom-model-arn", running.local_model.arn, *names, *SIX)
    project.labelwatch("down", "--stage", "test", "--yes", "--delete-data")
    assert not set(MINE) & set(buckets(running.session.local_aws))


def must(project: Project, *words: str) -> str:
    """Runs it as somebody who agrees to all."""
    done = project.labelwatch(*words, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(project: Project, *words: str, **environment: str) -> str:
    done = project.labelwatch(*words, **environment)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stdout + done.stderr
    assert done.stderr.startswith("labelwatch: ")
    return done.stderr.removeprefix("labelwatch: ").strip()


def test_it_shows_what_it_checked_and_what_it_will_create_and_says_what_is_next(
    project: Project, given: tuple[str, ...]
) -> None:
    said = must(project, *given)
    assert "✓ model: RUNNING" in said
    assert "✓ bucket test-images: free" in said
    assert re.search(r"create +│ DetectRole +│ AWS::IAM::Role", said)
    assert "Commit that to your own repository" in said
    assert re.search(r"1\. AWS_DEFAULT_REGION=eu-central-1 \S+/chalice deploy --stage test", said)


def test_a_second_time_changes_nothing(project: Project, given: tuple[str, ...], local_aws: LocalAws) -> None:
    must(project, *given)
    before = inventory(local_aws), project.config
    said = must(project, *given)
    assert "Nothing in the stack has to change." in said
    assert "The stage test in .chalice/config.json is as it should be." in said
    assert (inventory(local_aws), project.config) == before


def test_a_parameter_is_changed_without_saying_the_others_again(project: Project, given: tuple[str, ...]) -> None:
    must(project, *given)
    said = must(project, "up", "--stage", "test", "--min-confidence", "60", "--tracing", "yes")
    assert re.search(r"change +│ DetectRole", said)
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
def test_each_parameter_can_be_changed_alone_and_stays_so(
    project: Project, given: tuple[str, ...], option: str, value: str, variable: str
) -> None:
    must(project, *given)
    must(project, "up", "--stage", "test", option, value)
    assert project.config["stages"]["test"]["environment_variables"][variable] == value
    assert "Nothing in the stack has to change." in must(project, "up", "--stage", "test")
    assert project.config["stages"]["test"]["environment_variables"][variable] == value


def test_tags_of_one_s_own_are_on_the_stack(project: Project, given: tuple[str, ...], local_aws: LocalAws) -> None:
    must(project, *given, "--tag", "team=plants")
    (stack,) = local_aws.client("cloudformation").describe_stacks(StackName="labelwatch-test")["Stacks"]
    assert {tag["Key"]: tag["Value"] for tag in stack["Tags"]} == {
        "team": "plants", "application": "labelwatch", "stack": "labelwatch-test",
    }  # fmt: skip


def test_tags_of_one_s_own_need_not_be_said_again(
    project: Project, given: tuple[str, ...], local_aws: LocalAws
) -> None:
    must(project, *given, "--tag", "team=plants")
    assert "Nothing in the stack has to change." in must(project, *given)
    must(project, "up", "--stage", "test", "--min-confidence", "60")
    (stack,) = local_aws.client("cloudformation").describe_stacks(StackName="labelwatch-test")["Stacks"]
    assert {"Key": "team", "Value": "plants"} in stack["Tags"]


def test_a_file_may_hold_the_parameters(
    project: Project, given: tuple[str, ...], running: Pipeline, tmp_path: Path
) -> None:
    file = tmp_path / "test.json"
    file.write_text(
        json.dumps(NAMES | {"EmailNotification": "a@example.com", "CustomModelARN": running.local_model.arn})
    )
    must(project, "up", "--stage", "test", "--parameters", str(file), "--email-notification", "b@example.com")
    variables = project.config["stages"]["test"]["environment_variables"]
    assert (variables["InputBucketName"], variables["EmailNotification"]) == ("test-images", "b@example.com")
    assert given


def test_what_fails_half_way_leaves_nothing_behind_and_says_which_resource_and_why(
    project: Project, given: tuple[str, ...], local_aws: LocalAws
) -> None:
    athena = local_aws.client("athena")
    athena.create_work_group(Name="labelwatch-test")  # of somebody else
    before = inventory(local_aws), buckets(local_aws), project.config
    try:
        said = refused(project, *given, "--yes")
        assert (inventory(local_aws), buckets(local_aws), project.config) == before
    finally:
        athena.delete_work_group(WorkGroup="labelwatch-test")
    assert said.startswith(
        "the stack labelwatch-test was not created, and nothing of it is left. What failed: Workgroup: "
    )
    assert "labelwatch-test already exists" in said


def test_a_change_that_cannot_be_leaves_all_as_it_was(
    project: Project, given: tuple[str, ...], running: Pipeline, local_aws: LocalAws
) -> None:
    must(project, *given)
    before = inventory(local_aws), project.config
    said = refused(project, "up", "--stage", "test", "--database-name", running.outputs["DatabaseName"])
    assert "is there already in this account and Region; name another: --database-name" in said
    assert (inventory(local_aws), project.config) == before


def test_down_keeps_the_data_and_up_takes_it_back(
    project: Project, given: tuple[str, ...], local_aws: LocalAws
) -> None:
    must(project, *given)
    s3 = local_aws.client("s3")
    s3.put_object(Bucket="test-images", Key="leaf.jpg", Body=b"leaf")
    tag_buckets(local_aws)
    said = must(project, "down", "--stage", "test")
    assert "Kept: test-images, test-predictions, test-predictions-workspace." in said
    assert "test" not in project.config["stages"]
    said = must(project, *given)
    assert "✓ bucket test-images: kept from an earlier labelwatch-test, and taken back" in said
    assert s3.get_object(Bucket="test-images", Key="leaf.jpg")["Body"].read() == b"leaf"
    (told,) = s3.get_bucket_notification_configuration(Bucket="test-images")["QueueConfigurations"]
    assert told["QueueArn"] == project.config["stages"]["test"]["environment_variables"]["IMAGES_QUEUE_ARN"]


def test_what_fails_after_the_buckets_were_taken_back_goes_on_from_there(
    project: Project, given: tuple[str, ...], local_aws: LocalAws
) -> None:
    must(project, *given)
    tag_buckets(local_aws)
    must(project, "down", "--stage", "test")
    local_aws.client("s3").delete_public_access_block(Bucket="test-images")
    athena = local_aws.client("athena")
    athena.create_work_group(Name="labelwatch-test")  # of somebody else
    try:
        said = refused(project, *given, "--yes")
    finally:
        athena.delete_work_group(WorkGroup="labelwatch-test")
    assert said.startswith("the buckets are taken back, and nothing else is made: ")
    assert "Workgroup: " in said
    said = must(project, *given)
    assert "✓ bucket test-images: this stack's" in said
    assert guards_of(local_aws, "test-images")[0]["BlockPublicAcls"] is True


def test_the_guards_of_a_bucket_that_is_taken_back_are_on_again(
    project: Project, given: tuple[str, ...], local_aws: LocalAws
) -> None:
    must(project, *given)
    tag_buckets(local_aws)
    guards = guards_of(local_aws, "test-images")
    must(project, "down", "--stage", "test")
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
    must(project, *given)
    assert guards_of(local_aws, "test-images") == guards


def test_a_bucket_that_was_given_up_is_taken_back_by_a_new_stack_only(
    project: Project, given: tuple[str, ...], local_aws: LocalAws
) -> None:
    must(project, *given)
    tag_buckets(local_aws)
    must(project, "up", "--stage", "test", "--input-bucket-name", "test-other-images")
    try:
        before = inventory(local_aws)
        said = refused(project, "up", "--stage", "test", "--input-bucket-name", "test-images", "--yes")
        assert "the bucket test-images was this stack's before" in said
        assert inventory(local_aws) == before
    finally:
        must(project, "down", "--stage", "test", "--delete-data")
    assert not [name for name in buckets(local_aws) if name.startswith("test-")]


def test_another_database_takes_the_place_of_the_old_one(
    project: Project, given: tuple[str, ...], local_aws: LocalAws
) -> None:
    must(project, *given)
    said = must(project, "up", "--stage", "test", "--database-name", "leaves")
    assert "database leaves: free; labelwatch_test goes away with its tables" in said
    databases = inventory(local_aws)["databases"]
    assert ("leaves" in databases, "labelwatch_test" in databases) == (True, False)


def test_a_creation_that_waits_for_consent_is_not_dropped_unasked(
    project: Project, given: tuple[str, ...], local_aws: LocalAws
) -> None:
    waiting = Stacks(local_aws.client("cloudformation")).plan("labelwatch-test", A_TOPIC, {}, creates=True)
    assert waiting
    before = inventory(local_aws)
    assert "nobody is there to be asked" in refused(project, *given)
    assert inventory(local_aws) == before
    assert "A creation that waits for somebody's consent" in must(project, *given)


def test_what_is_left_of_a_creation_that_failed_is_deleted_first(
    project: Project, given: tuple[str, ...], local_aws: LocalAws
) -> None:
    taken = {"Type": "AWS::Athena::WorkGroup", "Properties": {"Name": "primary"}}
    failing = A_TOPIC | {"Resources": A_TOPIC["Resources"] | {"Taken": taken}}
    local_aws.client("cloudformation").create_stack(StackName="labelwatch-test", TemplateBody=json.dumps(failing))
    stacks = Stacks(local_aws.client("cloudformation"))
    while (found := stacks.find("labelwatch-test")) and found.status != "ROLLBACK_COMPLETE":
        time.sleep(0.1)
    assert "What is left of a creation that failed has this name (ROLLBACK_COMPLETE)" in must(project, *given)


def test_a_stack_of_the_one_template_is_left_as_it_is(
    project: Project, given: tuple[str, ...], local_aws: LocalAws
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
    plan = stacks.plan("labelwatch-test", A_TOPIC | {"Resources": queue | {"Detect": function}}, {}, creates=True)
    assert plan
    stacks.apply(plan)
    before = inventory(local_aws)
    try:
        for words in ((*given, "--yes"), ("down", "--stage", "test", "--yes")):
            assert "was launched from the one template" in refused(project, *words)
        assert inventory(local_aws) == before
    finally:
        assert stacks.delete("labelwatch-test") == []


def test_a_number_in_the_stage_s_environment_is_taken_as_the_text_that_lambda_wants(
    project: Project, given: tuple[str, ...]
) -> None:
    must(project, *given)
    add_to_stage(project, PRESIGNED_UPLOAD_SECONDS=60)
    must(project, *given)
    assert project.config["stages"]["test"]["environment_variables"]["PRESIGNED_UPLOAD_SECONDS"] == "60"


def test_a_stage_that_could_not_be_written_is_told_before_the_stack_is_changed(
    project: Project, given: tuple[str, ...], local_aws: LocalAws
) -> None:
    must(project, *given)
    add_to_stage(project, PRESIGNED_UPLOAD_SECONDS="soon")
    before = local_aws.client("cloudformation").describe_stacks(StackName="labelwatch-test")["Stacks"]
    assert "PRESIGNED_UPLOAD_SECONDS" in refused(project, *given, "--min-confidence", "60", "--yes")
    assert local_aws.client("cloudformation").describe_stacks(StackName="labelwatch-test")["Stacks"] == before


def test_down_takes_the_data_too_where_that_is_asked_for(
    project: Project, given: tuple[str, ...], local_aws: LocalAws
) -> None:
    before = inventory(local_aws), buckets(local_aws)
    must(project, *given)
    s3 = local_aws.client("s3")
    s3.put_object(Bucket="test-images", Key="leaf.jpg", Body=b"one")
    s3.put_object(Bucket="test-images", Key="leaf.jpg", Body=b"two")
    s3.delete_object(Bucket="test-images", Key="leaf.jpg")
    said = must(project, "down", "--stage", "test", "--delete-data")
    assert "are DELETED with all that is in them" in said
    assert (inventory(local_aws), buckets(local_aws)) == before


def test_down_goes_on_where_somebody_deleted_a_bucket_meanwhile(
    project: Project, given: tuple[str, ...], local_aws: LocalAws
) -> None:
    must(project, *given)
    local_aws.client("s3").delete_bucket(Bucket="test-predictions")
    must(project, "down", "--stage", "test", "--delete-data")
    assert not set(MINE) & set(buckets(local_aws))


def test_down_says_that_a_model_may_still_run(project: Project, given: tuple[str, ...], running: Pipeline) -> None:
    must(project, *given)
    said = must(project, "down", "--stage", "test", "--delete-data")
    assert f"aws rekognition stop-project-version --project-version-arn {running.local_model.arn}" in said


@pytest.mark.parametrize("words", [("down",), ("up", "--min-confidence", "60")], ids=["down", "up"])
def test_nothing_is_done_where_nobody_can_agree(
    project: Project, given: tuple[str, ...], local_aws: LocalAws, words: tuple[str, ...]
) -> None:
    must(project, *given)
    before = inventory(local_aws)
    assert "--yes goes on without" in refused(project, *words, "--stage", "test")
    assert inventory(local_aws) == before


def test_nothing_is_created_where_nobody_can_agree(
    project: Project, given: tuple[str, ...], local_aws: LocalAws
) -> None:
    before = inventory(local_aws), buckets(local_aws)
    assert "--yes goes on without" in refused(project, *given)
    assert (inventory(local_aws), buckets(local_aws)) == before


@pytest.mark.parametrize("command", ["up", "down"])
def test_a_stage_is_of_one_region(project: Project, given: tuple[str, ...], command: str) -> None:
    must(project, *given)
    before = project.config
    said = refused(project, command, "--stage", "test", "--yes", "--region", "us-east-1")
    assert "the stage test is of account 000000000000, Region eu-central-1, and this is" in said
    assert project.config == before


@pytest.mark.usefixtures("given")
def test_down_says_where_there_is_nothing(project: Project) -> None:
    assert refused(project, "down", "--stage", "test", "--yes") == "there is no stack labelwatch-test in eu-central-1."


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (("--stage", "Prod"), {}, "'Prod' is no name for a stage"),
        (("--stage", "template"), {}, "'template' is no name for a stage"),
        (("--stage", "test"), {}, "EmailNotification, InputBucketName, OutputBucketName must be given"),
        (("--stage", "test", *SIX, "--min-confidence", "101"), {}, "must be a number from 0 to 100"),
        (("--stage", "test", "--tag", "team"), {}, "--tag 'team' must be Key=Value"),
        (("--stage", "test", "--parameters", "none.json"), {}, "No such file or directory: none.json"),
        (("--stage", "test"), {"AWS_DEFAULT_REGION": ""}, "no Region is set"),
        (("--stage", "test"), {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no AWS credentials were found"),
        (("--stage", "test", "--profile", "nobody"), {}, "The config profile (nobody) could not be found"),
        (("--stage", "test", "--region", "us-east-1"), {}, "must be given"),
    ],
)
def test_a_mistake_is_one_sentence_and_touches_nothing(
    project: Project, local_aws: LocalAws, words: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    before = inventory(local_aws), project.config
    assert said in refused(project, "up", *words, **environment)
    assert (inventory(local_aws), project.config) == before


def test_a_person_at_the_terminal_is_asked_for_what_is_missing(
    project: Project, given: tuple[str, ...], running: Pipeline
) -> None:
    said = at_a_terminal(
        project, given[:3], ["", "grower@example.com", "test-images", "", "eighty", "75", "test-predictions", "y"]
    )
    assert "MinConfidence is 'eighty', and it must be a number from 0 to 100." in said
    assert "Create the stack labelwatch-test?" in said
    variables = project.config["stages"]["test"]["environment_variables"]
    assert (variables["CustomModelARN"], variables["MinConfidence"]) == ("general", "75")
    assert running


def test_a_person_who_does_not_agree_changes_nothing(
    project: Project, given: tuple[str, ...], local_aws: LocalAws
) -> None:
    before = inventory(local_aws), buckets(local_aws), project.config
    assert "nothing is created" in at_a_terminal(project, given, ["n"])
    assert (inventory(local_aws), buckets(local_aws), project.config) == before


def test_a_person_whose_output_goes_elsewhere_is_asked_too(
    project: Project, given: tuple[str, ...], local_aws: LocalAws, tmp_path: Path
) -> None:
    before = inventory(local_aws), buckets(local_aws), project.config
    log = tmp_path / "log"
    with log.open("w") as output:
        at_a_terminal(project, given, ["n"], output)
    assert "Create the stack labelwatch-test?" in log.read_text()
    assert (inventory(local_aws), buckets(local_aws), project.config) == before


def tag_buckets(local_aws: LocalAws) -> None:
    """As CloudFormation does, and the emulator's leaves out."""
    tags = [{"Key": "application", "Value": "labelwatch"}, {"Key": "stack", "Value": "labelwatch-test"}]
    for name in MINE:
        local_aws.client("s3").put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})


def guards_of(local_aws: LocalAws, bucket: str) -> list[Any]:
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


def at_a_terminal(project: Project, words: tuple[str, ...], answers: list[str], output: IO[str] | None = None) -> str:
    """Runs the command at a terminal of its own where these answers are typed; gives all that it showed there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "labelwatch", *words], cwd=project.folder, env=project.environment,
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
