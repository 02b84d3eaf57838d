"""The life of a stage by `labelwatch up` and `labelwatch down`: each fixture is its next step."""

import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from labelwatch.local.ministack import REGION, LocalAws
from labelwatch.shared.stacks import Stacks
from tests.support.inventory import Inventory, buckets, inventory
from tests.support.pipeline import Pipeline
from tests.support.project import Project

STACK = "labelwatch-test"
BUCKETS = ["test-images", "test-predictions", "test-predictions-workspace"]
FORMER, RENAMED = "test-images", "test-other-images"
FOREIGN = "test-payroll"
UP = ("up", "--stage", "test")
TOPIC: dict[str, Any] = {"Topic": {"Type": "AWS::SNS::Topic"}}
WEAK_OWNERSHIP = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
WEAK_ENCRYPTION = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]}


class State(NamedTuple):
    """All that `labelwatch up` and `down` may change."""

    account: Inventory
    buckets: list[str]
    config: dict[str, Any]


class Step(NamedTuple):
    """The output of a command that succeeded, or the message of a refusal, and the state after it."""

    text: str
    after: State


@pytest.fixture(scope="module")
def local_aws(running: Pipeline) -> LocalAws:
    return running.session.local_aws


@pytest.fixture(scope="module")
def project(running: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project"), running.session)


@pytest.fixture(scope="module")
def options(running: Pipeline) -> tuple[str, ...]:
    """The options that create the stage."""
    names = ("--input-bucket-name", "test-images", "--output-bucket-name", "test-predictions")
    return ("--custom-model-arn", running.local_model.arn, *names, "--email-notification", "grower@example.com")


@pytest.fixture(scope="module")
def initial(project: Project) -> State:
    return state_of(project)


class Declined(NamedTuple):
    """What was written to the file that standard output went to, and the state after it."""

    log: str
    after: State


@pytest.fixture(scope="module")
def declined(project: Project, initial: State, tmp_path_factory: pytest.TempPathFactory) -> Declined:
    """A person starts `up` without options, with its output in a file, and does not confirm."""
    assert STACK not in initial.account["stacks"]
    log = tmp_path_factory.mktemp("declined") / "log"
    at_a_terminal(
        project, UP, ["", "grower@example.com", "test-images", "", "eighty", "75", "test-predictions", "", "n"], log
    )
    return Declined(log.read_text(), state_of(project))


def test_a_person_is_prompted_for_missing_parameters_although_the_output_goes_to_a_file(declined: Declined) -> None:
    assert "MinConfidence 'eighty'" in declined.log
    assert re.search(r"CustomModelARN +default +general", declined.log)
    assert re.search(r"MinConfidence +given +75", declined.log)
    assert re.search(r"MaxImagesPerDay +given +1000", declined.log)
    assert f"Create stack {STACK}?" in declined.log


def test_a_person_who_declines_changes_nothing(declined: Declined, initial: State) -> None:
    assert declined.after == initial


class Waiting(NamedTuple):
    before: State
    refusal: Step


@pytest.fixture(scope="module")
def waiting(project: Project, local_aws: LocalAws, options: tuple[str, ...], declined: Declined) -> Waiting:
    """Another creation of the stack waits for consent, and nobody can consent to its deletion."""
    assert declined
    template = {"Parameters": {}, "Resources": TOPIC}
    assert Stacks(local_aws.client("cloudformation")).plan(STACK, template, {}, creates=True)
    return Waiting(state_of(project), refused(project, *UP, *options))


def test_nothing_is_changed_where_nobody_can_confirm(waiting: Waiting) -> None:
    assert "--yes" in waiting.refusal.text
    assert waiting.refusal.after == waiting.before


@pytest.fixture(scope="module")
def failed(project: Project, local_aws: LocalAws, options: tuple[str, ...], waiting: Waiting) -> Step:
    """The waiting creation is deleted, and then the stack's own fails."""
    assert waiting
    with workgroup_of_the_stack_s_name(local_aws):
        refusal = refused(project, *UP, *options, "--yes").text
    return Step(refusal, state_of(project))


def test_a_creation_that_fails_gives_the_resource_and_the_reason(failed: Step) -> None:
    assert re.search(f"Workgroup: .*{STACK} already exists", failed.text)


def test_a_creation_that_fails_leaves_nothing(failed: Step, initial: State) -> None:
    assert failed.after == initial


@pytest.fixture(scope="module")
def created(
    project: Project,
    local_aws: LocalAws,
    options: tuple[str, ...],
    failed: Step,
    tmp_path_factory: pytest.TempPathFactory,
) -> Step:
    """By a file, options that override it, and a tag; the rest of a failed creation is in the way."""
    assert failed
    leave_a_failed_creation(local_aws)
    file = tmp_path_factory.mktemp("parameters") / "test.yaml"
    file.write_text("MinConfidence: 80\nEmailNotification: of-the-file@example.com\n")
    return done(project, *UP, *options, "--parameters", str(file), "--tag", "team=plants")


def test_what_a_failed_creation_left_is_deleted_first(created: Step) -> None:
    assert f"{STACK} is ROLLBACK_COMPLETE" in created.text


def test_up_shows_its_checks_and_changes_and_the_commands_to_run_next(created: Step) -> None:
    assert "✓ Model: RUNNING" in created.text
    assert "test-images: available" in created.text
    assert re.search(r"create +│ DetectRole +│ AWS::IAM::Role", created.text)
    assert re.search(r"1\. AWS_DEFAULT_REGION=eu-central-1 \S+/chalice deploy --stage test", created.text)
    assert re.search(r"2\. AWS_DEFAULT_REGION=eu-central-1 \S+/labelwatch up --stage test ", created.text)


def test_an_option_overrides_the_file_of_parameters(created: Step) -> None:
    variables = created.after.config["stages"]["test"]["environment_variables"]
    assert (variables["MinConfidence"], variables["EmailNotification"]) == ("80", "grower@example.com")


@pytest.fixture(scope="module")
def repeated(project: Project, created: Step) -> Step:
    assert created
    return done(project, *UP)


def test_a_second_run_changes_nothing(repeated: Step, created: Step) -> None:
    assert f"{STACK}: unchanged" in repeated.text
    assert repeated.after == created.after


@pytest.mark.usefixtures("repeated")
def test_the_tags_of_the_options_are_on_the_stack_and_stay(local_aws: LocalAws) -> None:
    (stack,) = local_aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    assert {tag["Key"]: tag["Value"] for tag in stack["Tags"]} == {
        "team": "plants", "application": "labelwatch", "stack": STACK,
    }  # fmt: skip


@pytest.fixture(scope="module")
def changed(project: Project, local_aws: LocalAws, repeated: Step) -> Step:
    """Parameters that change resources in place, a database, and a bucket, which keeps its image."""
    assert repeated
    local_aws.client("s3").put_object(Bucket=FORMER, Key="leaf.jpg", Body=b"leaf")
    tag_buckets(local_aws, *BUCKETS)
    names = ("--database-name", "leaves", "--input-bucket-name", RENAMED)
    return done(project, *UP, "--min-confidence", "60", "--tracing", "yes", *names)


def test_parameters_are_changed_without_the_other_options(changed: Step) -> None:
    assert re.search(r"MinConfidence +changed +60", changed.text)
    assert re.search(r"update +│ DetectRole", changed.text)
    stage = changed.after.config["stages"]["test"]
    variables = stage["environment_variables"]
    assert (variables["MinConfidence"], variables["OutputBucketName"], stage["xray"]) == (
        "60",
        "test-predictions",
        True,
    )


def test_a_database_of_another_name_replaces_the_old_database(changed: Step, created: Step) -> None:
    assert re.search(r"replace +│ Database", changed.text)
    databases = {*created.after.account["databases"], "leaves"} - {"labelwatch_test"}
    assert set(changed.after.account["databases"]) == databases


def test_a_bucket_of_another_name_leaves_the_old_bucket(changed: Step) -> None:
    assert set(changed.after.buckets) >= {FORMER, RENAMED}


@pytest.fixture(scope="module")
def kept(project: Project, local_aws: LocalAws, changed: Step) -> Step:
    """The stack is deleted without its buckets."""
    assert changed
    tag_buckets(local_aws, RENAMED)
    return done(project, "down", "--stage", "test")


def test_down_keeps_the_data(kept: Step, initial: State) -> None:
    assert f"Kept: {', '.join([*BUCKETS[:1], RENAMED, *BUCKETS[1:]])}." in kept.text
    assert kept.after == initial._replace(buckets=sorted([*initial.buckets, *BUCKETS, RENAMED]))


class Imported(NamedTuple):
    step: Step
    protection: list[Any]


@pytest.fixture(scope="module")
def imported(project: Project, local_aws: LocalAws, options: tuple[str, ...], kept: Step) -> Imported:
    """A new stack with the kept buckets, whose protection was weakened meanwhile."""
    assert kept
    weaken_protection(local_aws)
    return Imported(done(project, *UP, *options), protection_of(local_aws))


PROTECTION = [
    dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True),
    {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
    {"SSEAlgorithm": "AES256"},
    "Enabled",
]


@pytest.mark.usefixtures("imported")
def test_up_imports_the_buckets_that_down_kept_with_their_images(local_aws: LocalAws) -> None:
    assert local_aws.client("s3").get_object(Bucket=FORMER, Key="leaf.jpg")["Body"].read() == b"leaf"


def test_an_imported_bucket_notifies_the_queue_of_the_new_stack(imported: Imported, local_aws: LocalAws) -> None:
    found = local_aws.client("s3").get_bucket_notification_configuration(Bucket=FORMER)
    queue = imported.step.after.config["stages"]["test"]["environment_variables"]["IMAGES_QUEUE_ARN"]
    assert [configuration["QueueArn"] for configuration in found["QueueConfigurations"]] == [queue]


def test_the_protection_of_an_imported_bucket_is_restored(imported: Imported) -> None:
    assert imported.protection == PROTECTION


@pytest.fixture(scope="module")
def interrupted(project: Project, local_aws: LocalAws, options: tuple[str, ...], imported: Imported) -> Step:
    """Once more, but the update after the import fails."""
    assert imported
    done(project, "down", "--stage", "test")
    with workgroup_of_the_stack_s_name(local_aws):
        return refused(project, *UP, *options, "--yes")


def test_an_update_that_fails_after_the_import_gives_the_resource_and_the_reason(interrupted: Step) -> None:
    assert re.search(f"Workgroup: .*{STACK} already exists", interrupted.text)


@pytest.fixture(scope="module")
def continued(project: Project, local_aws: LocalAws, options: tuple[str, ...], interrupted: Step) -> Imported:
    """As if the first run had been killed before it restored the protection."""
    assert interrupted
    weaken_protection(local_aws)
    return Imported(done(project, *UP, *options), protection_of(local_aws))


def test_the_same_command_continues_after_the_import(continued: Imported, imported: Imported) -> None:
    assert "test-images: already exists, unchanged" in continued.step.text
    assert continued.step.after.account["stacks"].keys() == imported.step.after.account["stacks"].keys()
    assert continued.protection == PROTECTION


@pytest.fixture(scope="module")
def deleted(project: Project, local_aws: LocalAws, continued: Imported) -> Step:
    """With the data: several versions of an image, a bucket that was deleted meanwhile, and a bucket of others."""
    assert continued
    s3 = local_aws.client("s3")
    s3.put_object(Bucket="test-images", Key="leaf.jpg", Body=b"second")
    s3.delete_object(Bucket="test-images", Key="leaf.jpg")
    s3.delete_bucket(Bucket="test-predictions")
    s3.create_bucket(Bucket=FOREIGN, CreateBucketConfiguration={"LocationConstraint": REGION})
    tag_buckets(local_aws, FOREIGN)
    s3.put_object(Bucket=FOREIGN, Key="payroll.csv", Body=b"salaries")
    return done(project, "down", "--stage", "test", "--delete-data", "--bucket", RENAMED)


@pytest.fixture(scope="module")
def foreign_deleted(project: Project, deleted: Step) -> Step:
    """The bucket of others too, by its name."""
    assert deleted
    return done(project, "down", "--stage", "test", "--delete-data", "--bucket", FOREIGN)


def test_down_with_delete_data_keeps_a_bucket_of_others_that_somebody_has_tagged(deleted: Step) -> None:
    assert FOREIGN in deleted.after.buckets
    assert re.search(rf"Keeps .*{FOREIGN}", " ".join(deleted.text.split()))


def test_down_with_delete_data_deletes_all_buckets_of_the_stack_and_named_buckets(
    foreign_deleted: Step, initial: State
) -> None:
    assert foreign_deleted.after == initial


def test_down_prints_the_command_that_stops_the_model(deleted: Step, running: Pipeline) -> None:
    assert f"aws rekognition stop-project-version --project-version-arn {running.local_model.arn}\n" in deleted.text


def state_of(project: Project) -> State:
    return State(inventory(project.local_aws), buckets(project.local_aws), project.config)


def done(project: Project, *arguments: str) -> Step:
    """Runs the command with --yes; it must succeed."""
    completed = project.labelwatch(*arguments, "--yes")
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return Step(completed.stdout, state_of(project))


def refused(project: Project, *arguments: str) -> Step:
    """Runs the command; it must fail with one line."""
    completed = project.labelwatch(*arguments)
    assert (completed.returncode, len(completed.stderr.splitlines())) == (1, 1), completed.stdout + completed.stderr
    assert completed.stderr.startswith("labelwatch: ")
    return Step(completed.stderr, state_of(project))


@contextmanager
def workgroup_of_the_stack_s_name(local_aws: LocalAws) -> Iterator[None]:
    """Another tool's workgroup, which the stack cannot create until the block ends."""
    athena = local_aws.client("athena")
    athena.create_work_group(Name=STACK)
    yield
    athena.delete_work_group(WorkGroup=STACK)


def leave_a_failed_creation(local_aws: LocalAws) -> None:
    cloudformation = local_aws.client("cloudformation")
    taken = {"Taken": {"Type": "AWS::Athena::WorkGroup", "Properties": {"Name": "primary"}}}
    cloudformation.create_stack(StackName=STACK, TemplateBody=json.dumps({"Resources": TOPIC | taken}))
    stacks = Stacks(cloudformation)
    while (found := stacks.find(STACK)) and found.status != "ROLLBACK_COMPLETE":
        time.sleep(0.1)


def tag_buckets(local_aws: LocalAws, *names: str) -> None:
    """Tags the buckets as CloudFormation does, and the emulator does not."""
    tags = [{"Key": "application", "Value": "labelwatch"}, {"Key": "stack", "Value": STACK}]
    for name in names:
        local_aws.client("s3").put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})


def weaken_protection(local_aws: LocalAws) -> None:
    s3 = local_aws.client("s3")
    s3.delete_public_access_block(Bucket=FORMER)
    s3.put_bucket_ownership_controls(Bucket=FORMER, OwnershipControls=WEAK_OWNERSHIP)
    s3.put_bucket_versioning(Bucket=FORMER, VersioningConfiguration={"Status": "Suspended"})
    s3.put_bucket_encryption(Bucket=FORMER, ServerSideEncryptionConfiguration=WEAK_ENCRYPTION)


def protection_of(local_aws: LocalAws) -> list[Any]:
    s3 = local_aws.client("s3")
    encryption = s3.get_bucket_encryption(Bucket=FORMER)["ServerSideEncryptionConfiguration"]["Rules"]
    return [
        s3.get_public_access_block(Bucket=FORMER)["PublicAccessBlockConfiguration"],
        s3.get_bucket_ownership_controls(Bucket=FORMER)["OwnershipControls"],
        encryption[0]["ApplyServerSideEncryptionByDefault"],
        s3.get_bucket_versioning(Bucket=FORMER)["Status"],
    ]


def at_a_terminal(project: Project, arguments: tuple[str, ...], answers: list[str], log: Path) -> None:
    """Runs the command at a terminal of its own with these answers, and its standard output in a file."""
    ours, theirs = pty.openpty()
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "labelwatch", *arguments], cwd=project.folder, env=project.environment,
            stdin=theirs, stdout=output, stderr=theirs, start_new_session=True,
        )  # fmt: skip
    os.close(theirs)
    os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
    process.wait(60)
    os.close(ours)
