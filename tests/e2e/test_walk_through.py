"""From zero to an alert by the commands of the docs, in the shell of `make up`, beside its own stack.

Whoever deploys has the policies of infra/deploy-policy alone. ministack checks all direct calls, but not what its
CloudFormation does for the caller.

The blocks of commands after `<!-- run: chalice -->` and `<!-- run: template -->` in docs/deploy.md and README.md.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import requests
from markdown_it import MarkdownIt

from labelwatch.local.ministack import REGION
from labelwatch.local.up import variables, write_aws_command
from labelwatch.shared.project import PROJECT
from labelwatch.shared.stacks import Stacks
from tests.support.deployer import Deployer, actions, deploying
from tests.support.inventory import Inventory, inventory
from tests.support.pipeline import Pipeline, link_in, picture
from tests.support.project import Project

CHALICE_STACK, TEMPLATE_STACK = "labelwatch-prod", "labelwatch-two"
# What the docs describe without a block of commands: an existing bucket, kept buckets, traces and a lost file.
CHALICE_LIFE = """
labelwatch up --stage prod --custom-model-arn ARN --email-notification you@example.com \
  --input-bucket-name IMAGES --output-bucket-name PREDICTIONS --existing-bucket EXISTING --tracing yes
chalice deploy --stage prod
labelwatch up --stage prod --tracing no
rm .chalice/deployed/prod.json
labelwatch up --stage prod
chalice delete --stage prod
labelwatch down --stage prod
"""
# Rights without a call of this name: to pass and to tag on creation, to remove a tag, and those of the local model.
UNSEEN = {
    *("iam:PassRole", "lambda:TagResource", "lambda:UntagResource"),
    *("rekognition:DescribeProjects", "rekognition:DescribeProjectVersions"),
}
# A reader confirms, and stops the model after the alert. `make up` has a stack `labelwatch` and its database.
READER = """
labelwatch() {
  case "$1 $2" in
    up* | down* | verify* | model\\ start) set -- "$@" --yes ;;
    model\\ stop) until command labelwatch audit; do sleep 1; done; set -- "$@" --yes ;;
  esac
  command labelwatch "$@"
}
"""
CHANGES = {
    r"(?m)^.*'LINK'.*\n": "",  # of an e-mail, which the local AWS does not send
    r"(?m)^labelwatch verify --image leaf.jpg  .*\n": "",  # needs the API's address on AWS; the template's API is local
    r"--stack-name labelwatch\b": f"--stack-name {TEMPLATE_STACK}",
    r"\bMinConfidence=": "DatabaseName=labelwatch_two MinConfidence=",
}


def blocks(page: str, way: str) -> list[str]:
    """The marked blocks of commands in the page of this name."""
    tokens = MarkdownIt("commonmark").parse((PROJECT / page).read_text())
    return [block.content for mark, block in pairwise(tokens) if mark.content.strip() == f"<!-- run: {way} -->"]


class Reader:
    """A person with a clone, in a terminal with the line that `make up` prints."""

    def __init__(self, running: Pipeline, project: Project) -> None:
        self.local_aws = running.session.local_aws
        self.project = project
        (project.folder / "leaf.jpg").write_bytes(picture())
        write_aws_command(project.folder / "bin")
        self._export = variables(running.session, project.folder / "bin")
        model = running.local_model.arn
        self.words = {word: f"walk-{word.lower()}" for word in ("CODE-BUCKET", "EXISTING", "IMAGES", "PREDICTIONS")}
        self.words |= {"ARN": model, "PROJECT": re.sub("/version/[^/]*", "", model)}

    def run(self, block: str, deployer: Deployer | None = None) -> str:
        """Runs the commands with names in place of the words in capitals, and returns their output."""
        for pattern, text in {**{rf"\b{word}\b": text for word, text in self.words.items()}, **CHANGES}.items():
            block = re.sub(pattern, text, block)
        exports = [self._export, deployer.export] if deployer else [self._export]
        environment = {name: self.project.environment[name] for name in ("PATH", "HOME", "COLUMNS")}
        done = subprocess.run(
            [str(shutil.which("bash")), "-c", "\n".join([*exports, READER, "set -ex -o pipefail", block])],
            cwd=self.project.folder,
            env=environment | {"PYTHONPATH": str(self.project.folder)},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def subscribe(self, stack: str) -> str:
        """Subscribes a queue to the stack's alerts, and returns the queue's URL."""
        sqs = self.local_aws.client("sqs")
        url: str = sqs.create_queue(QueueName=f"inbox-of-{stack}")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        allow = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        found = Stacks(self.local_aws.client("cloudformation")).find(stack)
        assert found
        self.local_aws.client("sns").subscribe(TopicArn=found.outputs["AlertsTopicArn"], Protocol="sqs", Endpoint=arn)
        return url

    def alerts(self, queue: str, count: int) -> list[str]:
        """The texts of this many alerts; deletes the queue."""
        sqs = self.local_aws.client("sqs")
        texts: list[str] = []
        while len(texts) < count:
            received: list[dict[str, Any]] = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20).get("Messages", [])
            assert received, f"{len(texts)} of {count} alerts"
            texts += [json.loads(message["Body"])["Message"] for message in received]
            for message in received:
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        sqs.delete_queue(QueueUrl=queue)
        return texts


@pytest.fixture
def before(running: Pipeline) -> Inventory:
    return inventory(running.session.local_aws)


@pytest.fixture(scope="module")
def reader(running: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return Reader(running, Project(tmp_path_factory.mktemp("project"), running.session))


@pytest.fixture(scope="module")
def chalice_deployer(reader: Reader) -> Iterator[Deployer]:
    with deploying(reader.local_aws, "chalice-deployer", ["stack", "chalice"], reader.words) as deployer:
        yield deployer


@pytest.fixture(scope="module")
def template_deployer(reader: Reader) -> Iterator[Deployer]:
    with deploying(reader.local_aws, "template-deployer", ["stack", "template"], reader.words) as deployer:
        yield deployer


def test_the_commands_of_the_way_with_chalice_lead_to_alerts_and_remove_all(
    running: Pipeline, reader: Reader, before: Inventory, chalice_deployer: Deployer
) -> None:
    find_the_model, deploy, remove = blocks("docs/deploy.md", "chalice")
    repeat, first_steps = blocks("README.md", "chalice")
    assert running.local_model.arn in reader.run(find_the_model, chalice_deployer)
    reader.run(deploy, chalice_deployer)
    queue = reader.subscribe(CHALICE_STACK)
    reader.run(repeat, chalice_deployer)
    reader.run(first_steps)
    running.local_model.status = "RUNNING"
    assert len([text for text in reader.alerts(queue, 2) if "leaf.jpg" in text]) == 1  # the other is a test
    reader.run(remove, chalice_deployer)
    assert inventory(reader.local_aws) == before


def test_the_policies_suffice_for_an_existing_bucket_kept_buckets_and_a_lost_file(
    reader: Reader, before: Inventory, chalice_deployer: Deployer
) -> None:
    s3 = reader.local_aws.client("s3")
    s3.create_bucket(Bucket=reader.words["EXISTING"], CreateBucketConfiguration={"LocationConstraint": REGION})
    predictions = reader.words["PREDICTIONS"]
    for bucket in (reader.words["IMAGES"], predictions, f"{predictions}-workspace"):
        tags = [{"Key": "application", "Value": "labelwatch"}, {"Key": "stack", "Value": CHALICE_STACK}]
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    output = reader.run(CHALICE_LIFE, chalice_deployer)
    assert "Could not" not in output
    assert inventory(reader.local_aws) == before


def test_the_policy_of_the_way_with_chalice_has_only_what_its_commands_use(chalice_deployer: Deployer) -> None:
    assert actions("chalice") - chalice_deployer.used == UNSEEN
    assert chalice_deployer.used - actions("stack") - actions("chalice") == {"sts:GetCallerIdentity"}
    # With tags, on findings of CloudFormation's early validation, and by hand after a rollback that failed.
    unused = {"TagResource", "DescribeEvents", "ContinueUpdateRollback"}
    calls = {action for action in actions("stack") if action.startswith("cloudformation:")}
    assert calls - chalice_deployer.used == {f"cloudformation:{name}" for name in unused}


def test_the_commands_of_the_way_with_the_template_lead_to_an_alert_and_remove_all(
    reader: Reader, before: Inventory, template_deployer: Deployer
) -> None:
    for bucket in ("IMAGES", "PREDICTIONS"):
        reader.words[bucket] += "-two"
    deploy, verify, remove = blocks("docs/deploy.md", "template")
    assert "ApiUrl" in reader.run(deploy, template_deployer)
    queue = reader.subscribe(TEMPLATE_STACK)
    reader.run("aws s3 cp leaf.jpg s3://IMAGES/")
    (text,) = reader.alerts(queue, 1)
    assert requests.get(f"{link_in(text)}/image", timeout=60).content == picture()
    assert "pass  Picture of the alert" in reader.run(f"export LABELWATCH_STACK={TEMPLATE_STACK}\n{verify}")
    wait = f"aws cloudformation wait stack-delete-complete --stack-name {TEMPLATE_STACK}\n"
    reader.run(f"{remove}{wait}", template_deployer)
    assert inventory(reader.local_aws) == before


def test_the_policy_of_the_way_with_the_template_has_only_what_its_commands_use(template_deployer: Deployer) -> None:
    assert template_deployer.used <= actions("stack") | actions("template")
    calls = {action for action in actions("template") if action.startswith(("cloudformation:", "s3:"))}
    assert calls - template_deployer.used == {"s3:ListBucket"}  # for HeadBucket, and for a 404 of HeadObject
