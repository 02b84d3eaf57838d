"""From zero to an alert by the commands of the docs, in the shell of `make up`, beside its own stack.

The blocks of commands after `<!-- run: chalice -->` and `<!-- run: template -->` in docs/deploy.md and README.md.
"""

import json
import re
import shutil
import subprocess
from itertools import pairwise
from typing import Any

import pytest
import requests
from markdown_it import MarkdownIt

from labelwatch.local.up import variables, write_aws_command
from labelwatch.shared.project import PROJECT
from labelwatch.shared.stacks import Stacks
from tests.support.inventory import Inventory, inventory
from tests.support.pipeline import Pipeline, link_in, picture
from tests.support.project import Project

CHALICE_STACK, TEMPLATE_STACK = "labelwatch-prod", "labelwatch-two"
# A reader confirms, and stops the model after the alert. `make up` has a stack `labelwatch` and its database.
READER = """
labelwatch() {
  case "$1 $2" in
    up* | down* | model\\ start) set -- "$@" --yes ;;
    model\\ stop) until command labelwatch audit; do sleep 1; done; set -- "$@" --yes ;;
  esac
  command labelwatch "$@"
}
"""
CHANGES = {
    r"(?m)^.*'LINK'.*\n": "",  # of an e-mail, which the local AWS does not send
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
        self._words = {"ARN": model, "PROJECT": re.sub("/version/[^/]*", "", model)}

    def run(self, way: str, block: str) -> str:
        """Runs the commands with names in place of the words in capitals, and returns their output."""
        words = self._words | {word: f"walk-{way}-{word.lower()}" for word in ("CODE-BUCKET", "IMAGES", "PREDICTIONS")}
        for pattern, text in {**{rf"\b{word}\b": text for word, text in words.items()}, **CHANGES}.items():
            block = re.sub(pattern, text, block)
        environment = {name: self.project.environment[name] for name in ("PATH", "HOME", "COLUMNS")}
        done = subprocess.run(
            [str(shutil.which("bash")), "-c", f"{self._export}\n{READER}\nset -ex -o pipefail\n{block}"],
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


def test_the_commands_of_the_way_with_chalice_lead_to_alerts_and_remove_all(
    running: Pipeline, reader: Reader, before: Inventory
) -> None:
    find_the_model, deploy, remove = blocks("docs/deploy.md", "chalice")
    repeat, first_steps = blocks("README.md", "chalice")
    assert running.local_model.arn in reader.run("chalice", find_the_model)
    reader.run("chalice", deploy)
    queue = reader.subscribe(CHALICE_STACK)
    reader.run("chalice", repeat)
    reader.run("chalice", first_steps)
    running.local_model.status = "RUNNING"
    assert len([text for text in reader.alerts(queue, 2) if "leaf.jpg" in text]) == 1  # the other is a test
    reader.run("chalice", remove)
    assert inventory(reader.local_aws) == before


def test_the_commands_of_the_way_with_the_template_lead_to_an_alert_and_remove_all(
    reader: Reader, before: Inventory
) -> None:
    deploy, remove = blocks("docs/deploy.md", "template")
    assert "ApiUrl" in reader.run("template", deploy)
    queue = reader.subscribe(TEMPLATE_STACK)
    reader.run("template", "aws s3 cp leaf.jpg s3://IMAGES/")
    (text,) = reader.alerts(queue, 1)
    assert requests.get(f"{link_in(text)}/image", timeout=60).content == picture()
    reader.run("template", f"{remove}aws cloudformation wait stack-delete-complete --stack-name labelwatch\n")
    assert inventory(reader.local_aws) == before
