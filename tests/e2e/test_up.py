"""`labelwatch up` and `labelwatch down`, as a person at a terminal, or a script, meets them."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labelwatch.local.cloud import Cloud
from tests.e2e import gateway
from tests.e2e.inventory import buckets, inventory
from tests.e2e.pipeline import Pipeline
from tests.e2e.project import Project

NAMES = {"InputBucketName": "test-images", "OutputBucketName": "test-predictions"}
MINE = ["test-images", "test-predictions", "test-predictions-workspace"]
SIX = ("--email-notification", "grower@example.com", "--labels-of-interest", "*", "--min-confidence", "80")


@pytest.fixture
def cloud(running: Pipeline) -> Cloud:
    return running.session.cloud


@pytest.fixture(scope="module")
def project(running: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with gateway.in_front_of(running.session.cloud.endpoint) as api:
        yield Project(tmp_path_factory.mktemp("project"), running.session, api)


@pytest.fixture
def given(running: Pipeline, project: Project) -> Iterator[tuple[str, ...]]:
    """The words that create the stage `test`; it is taken down after the test."""
    names = ("--input-bucket-name", "test-images", "--output-bucket-name", "test-predictions")
    yield ("up", "--stage", "test", "--custom-model-arn", running.standin.arn, *names, *SIX)
    project.labelwatch("down", "--stage", "test", "--yes", "--delete-data")
    assert not set(MINE) & set(buckets(running.session.cloud))


def must(project: Project, *words: str) -> str:
    done = project.labelwatch(*words)
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


def test_a_second_time_changes_nothing(project: Project, given: tuple[str, ...], cloud: Cloud) -> None:
    must(project, *given)
    before = inventory(cloud), project.config
    said = must(project, *given)
    assert "Nothing in the stack has to change." in said
    assert "The stage test in .chalice/config.json is as it should be." in said
    assert (inventory(cloud), project.config) == before


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


def test_tags_of_one_s_own_are_on_the_stack(project: Project, given: tuple[str, ...], cloud: Cloud) -> None:
    must(project, *given, "--tag", "team=plants")
    (stack,) = cloud.client("cloudformation").describe_stacks(StackName="labelwatch-test")["Stacks"]
    assert {"Key": "team", "Value": "plants"} in stack["Tags"]


def test_tags_of_one_s_own_need_not_be_said_again(project: Project, given: tuple[str, ...], cloud: Cloud) -> None:
    must(project, *given, "--tag", "team=plants")
    assert "Nothing in the stack has to change." in must(project, *given)
    (stack,) = cloud.client("cloudformation").describe_stacks(StackName="labelwatch-test")["Stacks"]
    assert {"Key": "team", "Value": "plants"} in stack["Tags"]


def test_a_file_may_hold_the_parameters(
    project: Project, given: tuple[str, ...], running: Pipeline, tmp_path: Path
) -> None:
    file = tmp_path / "test.json"
    file.write_text(json.dumps(NAMES | {"EmailNotification": "a@example.com", "CustomModelARN": running.standin.arn}))
    must(project, "up", "--stage", "test", "--parameters", str(file), "--email-notification", "b@example.com")
    variables = project.config["stages"]["test"]["environment_variables"]
    assert (variables["InputBucketName"], variables["EmailNotification"]) == ("test-images", "b@example.com")
    assert given


def test_what_fails_half_way_leaves_nothing_behind_and_says_which_resource_and_why(
    project: Project, given: tuple[str, ...], cloud: Cloud
) -> None:
    athena = cloud.client("athena")
    athena.create_work_group(Name="labelwatch-test")  # of somebody else
    before = inventory(cloud), buckets(cloud), project.config
    try:
        said = refused(project, *given)
        assert (inventory(cloud), buckets(cloud), project.config) == before
    finally:
        athena.delete_work_group(WorkGroup="labelwatch-test")
    assert said.startswith(
        "the stack labelwatch-test was not created, and nothing of it is left. What failed: Workgroup: "
    )
    assert "labelwatch-test already exists" in said


def test_a_change_that_cannot_be_leaves_all_as_it_was(
    project: Project, given: tuple[str, ...], running: Pipeline, cloud: Cloud
) -> None:
    must(project, *given)
    before = inventory(cloud), project.config
    said = refused(project, "up", "--stage", "test", "--database-name", running.outputs["DatabaseName"])
    assert "is there already in this account and Region; name another: --database-name" in said
    assert (inventory(cloud), project.config) == before


def test_down_keeps_the_data_and_up_takes_it_back(project: Project, given: tuple[str, ...], cloud: Cloud) -> None:
    must(project, *given)
    s3 = cloud.client("s3")
    s3.put_object(Bucket="test-images", Key="leaf.jpg", Body=b"leaf")
    for name in MINE:  # which the emulator's CloudFormation leaves out
        tags = [{"Key": "application", "Value": "labelwatch"}, {"Key": "stack", "Value": "labelwatch-test"}]
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
    said = must(project, "down", "--stage", "test", "--yes")
    assert "Kept: test-images, test-predictions, test-predictions-workspace." in said
    assert "test" not in project.config["stages"]
    said = must(project, *given)
    assert "✓ bucket test-images: kept from an earlier labelwatch-test, and taken back" in said
    assert s3.get_object(Bucket="test-images", Key="leaf.jpg")["Body"].read() == b"leaf"
    (told,) = s3.get_bucket_notification_configuration(Bucket="test-images")["QueueConfigurations"]
    assert told["QueueArn"] == project.config["stages"]["test"]["environment_variables"]["IMAGES_QUEUE_ARN"]


def test_down_takes_the_data_too_where_that_is_asked_for(
    project: Project, given: tuple[str, ...], cloud: Cloud
) -> None:
    before = inventory(cloud), buckets(cloud)
    must(project, *given)
    s3 = cloud.client("s3")
    s3.put_object(Bucket="test-images", Key="leaf.jpg", Body=b"one")
    s3.put_object(Bucket="test-images", Key="leaf.jpg", Body=b"two")
    s3.delete_object(Bucket="test-images", Key="leaf.jpg")
    said = must(project, "down", "--stage", "test", "--yes", "--delete-data")
    assert "are DELETED with all that is in them" in said
    assert (inventory(cloud), buckets(cloud)) == before


def test_down_does_nothing_where_nobody_can_agree(project: Project, given: tuple[str, ...], cloud: Cloud) -> None:
    must(project, *given)
    before = inventory(cloud)
    assert "--yes goes on without" in refused(project, "down", "--stage", "test")
    assert inventory(cloud) == before


def test_down_in_another_region_finds_nothing_and_leaves_the_stage(project: Project, given: tuple[str, ...]) -> None:
    must(project, *given)
    said = refused(project, "down", "--stage", "test", "--yes", "--region", "us-east-1")
    assert said.startswith("there is no stack labelwatch-test")
    assert "test" in project.config["stages"]


@pytest.mark.usefixtures("given")
def test_down_says_where_there_is_nothing(project: Project) -> None:
    assert refused(project, "down", "--stage", "test", "--yes") == "there is no stack labelwatch-test."


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
    project: Project, cloud: Cloud, words: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    before = inventory(cloud), project.config
    assert said in refused(project, "up", *words, **environment)
    assert (inventory(cloud), project.config) == before


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


def test_a_person_who_does_not_agree_changes_nothing(project: Project, given: tuple[str, ...], cloud: Cloud) -> None:
    before = inventory(cloud), buckets(cloud), project.config
    assert "nothing was changed" in at_a_terminal(project, given, ["n"])
    assert (inventory(cloud), buckets(cloud), project.config) == before


def at_a_terminal(project: Project, words: tuple[str, ...], answers: list[str]) -> str:
    """Runs the command at a terminal of its own where these answers are typed; gives all that it showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "labelwatch", *words], cwd=project.folder, env=project.environment,
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
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
