"""`labelwatch forget` on the local AWS: afterwards, no store has anything of the image but what the command lists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, quote_plus
from uuid import uuid4

import pytest

from labelwatch.local.session import INPUT_BUCKET
from labelwatch.shared.project import PROJECT
from labelwatch.shared.queues import QueueReader, ReceiveOptions
from tests.support.command import invoke, invoke_labelwatch
from tests.support.pipeline import Pipeline, picture, user_environment

# In milliseconds of a test: all queues are read, the mailbox's too.
QUICKLY = ReceiveOptions(hidden_seconds=60, long_poll_seconds=0)


class Stores:
    """All buckets, queues and tables of the account."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._s3, self._sqs, self._dynamodb = map(pipeline.session.local_aws.client, ("s3", "sqs", "dynamodb"))

    def having(self, *texts: bytes) -> list[str]:
        """Where one of the texts is: in a key, in the bytes of any version, in a message or in an item."""
        return [
            location
            for part in (self._objects(), self._messages(), self._items())
            for location, content in part
            if any(text in content for text in texts)
        ]

    def _objects(self) -> Iterator[tuple[str, bytes]]:
        for bucket in [found["Name"] for found in self._s3.list_buckets()["Buckets"]]:
            for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
                for marker in page.get("DeleteMarkers", []):
                    yield f"marker in {bucket}", f"{marker['Key']} {marker['VersionId']}".encode()
                for version in page.get("Versions", []):
                    name = {"Key": version["Key"], "VersionId": version["VersionId"]}
                    content = self._s3.get_object(Bucket=bucket, **name)["Body"].read()
                    yield f"object in {bucket}", " ".join([*name.values(), version["ETag"], ""]).encode() + content

    def _messages(self) -> Iterator[tuple[str, bytes]]:
        for url in self._sqs.list_queues()["QueueUrls"]:
            reader = QueueReader(self._sqs, url, QUICKLY)
            reader.receive_all()
            reader.release()
            for message in reader.messages.values():
                yield f"message in {url}", json.dumps(message, ensure_ascii=False).encode()

    def _items(self) -> Iterator[tuple[str, bytes]]:
        for table in self._dynamodb.list_tables()["TableNames"]:
            for page in self._dynamodb.get_paginator("scan").paginate(TableName=table):
                for item in page["Items"]:
                    yield f"item of {table}", json.dumps(item, ensure_ascii=False).encode()


class Uploads:
    """Three versions of one key, with an alert and a dead letter, and all words by which a store may know the image."""

    def __init__(self, pipeline: Pipeline, key: str) -> None:
        self.pipeline, self.key = pipeline, key
        self._s3 = pipeline.session.local_aws.client("s3")
        # With bytes of its own: other tests upload the same picture.
        self.contents = [
            content + key.encode() for content in (picture("leaf-smut"), b"no image ", picture("brown-spot"))
        ]

    def upload(self) -> None:
        words = [self.key]
        for content in self.contents:
            self.pipeline.upload(self.key, content=content)
            head = self._s3.head_object(Bucket=INPUT_BUCKET, Key=self.key)
            words += [head["VersionId"], head["ETag"].strip('"')]
            self.pipeline.wait_until_empty()
            if content is self.contents[0]:
                self.pipeline.wait_for_alert(self.key)
        self.pipeline.wait_until(lambda: self.key in self.pipeline.dead_letters, "a dead letter")
        words += self._prediction_ids()
        dynamodb, table = self.pipeline.session.local_aws.client("dynamodb"), self.pipeline.outputs["TableName"]
        # As of a presigned upload, whose record has the key as its id.
        dynamodb.put_item(TableName=table, Item={"kind": {"S": "upload"}, "id": {"S": self.key}})
        forms = {form for word in words for form in (word, quote(word, safe=":/"), quote_plus(word, safe="/"))}
        escaped = {json.dumps(form)[1:-1] for form in forms}
        self.words = [*(word.encode() for word in forms | escaped), *self.contents]

    def _prediction_ids(self) -> list[str]:
        """Of both versions with a prediction."""
        bucket = self.pipeline.outputs["OutputBucket"]
        listed = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="predictions/")
        keys = [found["Key"] for page in listed for found in page["Contents"]]
        of_image = [
            key for key in keys if json.dumps(self.key)[1:-1].encode() in self._content(bucket, key) or
            self.key.encode() in self._content(bucket, key)
        ]  # fmt: skip
        assert len(of_image) == 2
        return [key.rpartition("/")[2].removesuffix(".json") for key in of_image]

    def _content(self, bucket: str, key: str) -> bytes:
        content: bytes = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return content


@pytest.fixture
def folder() -> str:
    """Of no other test: the pipeline is shared."""
    return f"forgotten {uuid4().hex[:8]}"


@pytest.fixture
def forgotten(pipeline: Pipeline, folder: str) -> Uploads:
    uploads = Uploads(pipeline, f"{folder}/葉 1.jpg")
    uploads.upload()
    return uploads


def forget(pipeline: Pipeline, *words: str) -> str:
    done = invoke_labelwatch(pipeline.session, "forget", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_no_store_has_a_forgotten_image_but_what_the_command_lists(pipeline: Pipeline, forgotten: Uploads) -> None:
    stores = Stores(pipeline)
    assert len(stores.having(*forgotten.words)) > 8
    found = json.loads(forget(pipeline, forgotten.key, "--dry-run", "--format", "json"))
    assert (len(found["images"]), len(found["predictions"]), len(found["dead_letters"]), found["links"]) == (3, 2, 1, 1)
    printed = forget(pipeline, forgotten.key, "--yes")
    assert stores.having(*forgotten.words) == []
    assert [listed in printed for listed in ("e-mail", "90 days", "35 days", "30 days")] == [True] * 4
    assert invoke_labelwatch(pipeline.session, "audit", "--prefix", forgotten.key).returncode == 0


def test_images_with_a_longer_key_stay_until_their_source_is_forgotten(pipeline: Pipeline, forgotten: Uploads) -> None:
    stores = Stores(pipeline)
    before = sorted(stores.having(*forgotten.words))
    forget(pipeline, forgotten.key.removesuffix(".jpg"), "--yes")
    assert sorted(stores.having(*forgotten.words)) == before
    source = forgotten.key.partition("/")[0]
    assert json.loads(forget(pipeline, "--source", source, "-y", "--format", "json"))["deleted"]
    assert stores.having(*forgotten.words) == []


def test_without_a_terminal_nothing_is_forgotten(pipeline: Pipeline, folder: str) -> None:
    key = f"{folder}/leaf.jpg"
    pipeline.upload(key)
    pipeline.wait_for_alert(key)
    refused = invoke_labelwatch(pipeline.session, "forget", key)
    assert (refused.returncode, "--yes" in refused.stderr) == (1, True)
    assert pipeline.session.local_aws.client("s3").head_object(Bucket=INPUT_BUCKET, Key=key)


def documented_permissions() -> set[str]:
    """The permissions of the command, by docs/deploy.md."""
    text = (PROJECT / "docs" / "deploy.md").read_text()
    section = text.partition("- `labelwatch forget`: ")[2].partition("\n- `labelwatch ")[0]
    return set(re.findall(r"`([a-z0-9]+:[A-Z]\w+)`", section))


@contextmanager
def user_with(pipeline: Pipeline, permissions: set[str]) -> Iterator[dict[str, str]]:
    """The environment of a user with these permissions alone."""
    iam, name = pipeline.session.local_aws.client("iam"), f"user-{uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": sorted(permissions), "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="forget", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    credentials = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    yield user_environment(pipeline.session) | credentials
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName=name, PolicyName="forget")
    iam.delete_user(UserName=name)


def test_the_documented_permissions_suffice_and_a_dry_run_needs_none_to_delete(
    pipeline: Pipeline, forgotten: Uploads
) -> None:
    permissions = documented_permissions()
    deleting = {permission for permission in permissions if "Delete" in permission or "Send" in permission}
    assert {permission.partition(":")[0] for permission in deleting} == {"s3", "sqs", "dynamodb"}
    with user_with(pipeline, permissions - deleting) as environment:
        dry = invoke(environment, "forget", forgotten.key, "--dry-run")
        assert dry.returncode == 0, dry.stderr
        refused = invoke(environment, "forget", forgotten.key, "--yes")
        assert (refused.returncode, "same command" in refused.stderr) == (1, True)
    with user_with(pipeline, permissions) as environment:
        done = invoke(environment, "forget", forgotten.key, "--yes")
    assert done.returncode == 0, done.stderr
    assert Stores(pipeline).having(*forgotten.words) == []
