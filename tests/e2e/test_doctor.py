"""`labelwatch doctor` and `status` on a stack of their own, in which tests break one thing after the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from labelwatch.analytics import TABLE
from labelwatch.deploy import Package
from labelwatch.local.deployment import PACKAGES_BUCKET, deploy_template
from labelwatch.local.session import Session
from labelwatch.shared import stacks
from tests.support.command import invoke, invoke_labelwatch
from tests.support.pipeline import Pipeline, functions, picture, set_environment, set_mapping, user_environment

STACK = "labelwatch-doctor"
DETECT = f"{STACK}-detect"
# The schedules are disabled, so that manage_model repairs nothing during a test.
ALWAYS = {"Invocations"}


@pytest.fixture(scope="module")
def session(running: Pipeline, packaged: Package) -> Session:
    """A stack with every right that parameters decide on, and with the Athena tables."""
    template = stacks.pointing_at(json.loads(packaged.template.read_text()), PACKAGES_BUCKET, packaged.zip.name)
    parameters = {
        "CustomModelARN": running.local_model.arn,
        "EmailNotification": "grower@example.com",
        "InputBucketName": "images-doctor",
        "OutputBucketName": "predictions-doctor",
        "DatabaseName": "labelwatch_doctor",
        "ModelAutoStart": "yes",
        "ModelIdleMinutes": "30",
        "ModelMaxHoursPerMonth": "20",
        "MaxImagesPerDay": "100000",
    }
    outputs = deploy_template(running.session.local_aws, STACK, template, parameters)
    session = replace(running.session, outputs=outputs)
    session.local_aws.disable_schedules()
    Pipeline(session, running.wait_seconds).wait_until_empty()  # of S3's test event
    assert invoke_labelwatch(session, "athena", "up", "--stack", STACK).returncode == 0
    return session


def results(session: Session, **environment: str) -> dict[str, set[str]]:
    """The checks by their results, and the exit code that follows from these."""
    environment = user_environment(session) | environment
    done = invoke(environment, "doctor", "--stack", STACK, "--format", "json")
    found: dict[str, set[str]] = {"pass": set(), "warn": set(), "fail": set()}
    for finding in json.loads(done.stdout)["findings"]:
        found[finding["result"]].add(finding["check"])
    assert done.returncode == (1 if found["fail"] else 0), done.stderr
    return found


@contextmanager
def enabled_schedules(session: Session) -> Iterator[None]:
    events = session.local_aws.client("events")
    for rule in events.list_rules(NamePrefix=STACK)["Rules"]:
        events.enable_rule(Name=rule["Name"])
    yield
    session.local_aws.disable_schedules()


def test_a_healthy_stack_has_no_fail(session: Session) -> None:
    with enabled_schedules(session):
        found = results(session)
    assert found["fail"] == set()
    # What the local AWS lacks (docs/verified.md), and e-mail addresses that anyone may unsubscribe.
    assert found["warn"] == {"SMS", "Access logs", "Subscriptions", "Table"}


# --- Each thing that may break, until the end of its block.


@contextmanager
def no_subscription(session: Session) -> Iterator[None]:
    sns, topic = session.local_aws.client("sns"), session.outputs["OperationsTopicArn"]
    for item in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=item["SubscriptionArn"])
    yield
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=session.outputs["ImagesQueueArn"])


@contextmanager
def no_notification(session: Session) -> Iterator[None]:
    s3, bucket = session.local_aws.client("s3"), session.outputs["InputBucket"]
    before = s3.get_bucket_notification_configuration(Bucket=bucket)
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    yield
    before = {"QueueConfigurations": before["QueueConfigurations"]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=before)


@contextmanager
def disabled_mapping(session: Session) -> Iterator[None]:
    set_mapping(session, DETECT, Enabled=False)
    yield
    set_mapping(session, DETECT, Enabled=True)


@contextmanager
def ignored_reports(session: Session) -> Iterator[None]:
    set_mapping(session, DETECT, FunctionResponseTypes=[])
    yield
    set_mapping(session, DETECT, FunctionResponseTypes=["ReportBatchItemFailures"])


@contextmanager
def another_table(session: Session) -> Iterator[None]:
    glue, database = session.local_aws.client("glue"), {"DatabaseName": "labelwatch_doctor"}
    table = glue.get_table(**database, Name=TABLE)["Table"]
    names = ("Name", "StorageDescriptor", "PartitionKeys", "TableType", "Parameters")
    before = {name: table[name] for name in names}
    columns = before["StorageDescriptor"]["Columns"][1:]
    changed = before | {"StorageDescriptor": before["StorageDescriptor"] | {"Columns": columns}}
    glue.update_table(**database, TableInput=changed)
    yield
    glue.update_table(**database, TableInput=before)


@contextmanager
def another_limit(session: Session) -> Iterator[None]:
    client, stage = (
        session.local_aws.client("apigateway"),
        {"restApiId": session.outputs["RestAPIId"], "stageName": "api"},
    )
    operation = {"op": "replace", "path": "/*/*/throttling/rateLimit"}
    client.update_stage(**stage, patchOperations=[operation | {"value": "9000"}])
    yield
    client.update_stage(**stage, patchOperations=[operation | {"value": "50"}])


@contextmanager
def no_bucket_policy(session: Session) -> Iterator[None]:
    s3, bucket = session.local_aws.client("s3"), session.outputs["OutputBucket"]
    before = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.delete_bucket_policy(Bucket=bucket)
    yield
    s3.put_bucket_policy(Bucket=bucket, Policy=before)


@contextmanager
def public_bucket(session: Session) -> Iterator[None]:
    s3, bucket = session.local_aws.client("s3"), session.outputs["InputBucket"]
    before = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    s3.delete_public_access_block(Bucket=bucket)
    yield
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=before)


@contextmanager
def no_queue_policy(session: Session) -> Iterator[None]:
    sqs, url = session.local_aws.client("sqs"), session.outputs["ImagesQueueUrl"]
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    yield
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": before})


@contextmanager
def another_setting(session: Session) -> Iterator[None]:
    notify = functions(session, STACK)["Notify"]
    set_environment(session, notify, MinConfidence="1")
    yield
    set_environment(session, notify, MinConfidence="80")


@contextmanager
def no_role_policy(session: Session) -> Iterator[None]:
    iam, names = session.local_aws.client("iam"), _policy_of(session)
    before = iam.get_role_policy(**names)["PolicyDocument"]
    iam.delete_role_policy(**names)
    yield
    iam.put_role_policy(**names, PolicyDocument=json.dumps(before))


@contextmanager
def too_many_rights(session: Session) -> Iterator[None]:
    iam, names = session.local_aws.client("iam"), _policy_of(session) | {"PolicyName": "more"}
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
    iam.put_role_policy(**names, PolicyDocument=json.dumps(document))
    yield
    iam.delete_role_policy(**names)


@contextmanager
def short_visibility(session: Session) -> Iterator[None]:
    sqs, url = session.local_aws.client("sqs"), session.outputs["ImagesQueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "30"})
    yield
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "360"})


@contextmanager
def no_alarm(session: Session) -> Iterator[None]:
    cloudwatch = session.local_aws.client("cloudwatch")
    alarm = next(
        found
        for found in cloudwatch.describe_alarms()["MetricAlarms"]
        if f"{STACK}-ImagesOldAlarm" in found["AlarmName"]
    )
    cloudwatch.delete_alarms(AlarmNames=[alarm["AlarmName"]])
    yield
    accepted = cloudwatch.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
    cloudwatch.put_metric_alarm(**{name: value for name, value in alarm.items() if name in accepted})


@contextmanager
def no_log_group(session: Session) -> Iterator[None]:
    logs = session.local_aws.client("logs")
    logs.delete_log_group(logGroupName=f"/aws/lambda/{STACK}-notify")
    yield
    logs.create_log_group(logGroupName=f"/aws/lambda/{STACK}-notify")


def _policy_of(session: Session) -> dict[str, str]:
    return {"RoleName": session.outputs["NotifyRoleArn"].rpartition("/")[2], "PolicyName": "notify"}


FAULTS: list[tuple[Callable[[Session], AbstractContextManager[None]], str]] = [
    (no_subscription, "Subscriptions"),
    (no_notification, "Event notifications"),
    (disabled_mapping, "Polling"),
    (ignored_reports, "Failed messages"),
    (another_table, "Athena tables"),
    (another_limit, "REST API"),
    (no_bucket_policy, "Buckets"),
    (public_bucket, "Buckets"),
    (no_queue_policy, "Queues"),
    (another_setting, "Functions"),
    (no_role_policy, "Roles"),
    (too_many_rights, "Roles"),
    (short_visibility, "Queues"),
    (no_alarm, "Alarms"),
    (no_log_group, "Logs"),
]


@pytest.mark.parametrize(("broken", "check"), FAULTS)
def test_what_is_broken_fails_its_own_check_alone(session: Session, broken: Callable[..., Any], check: str) -> None:
    with broken(session):
        assert results(session)["fail"] == ALWAYS | {check}


def test_every_fault_is_named_where_all_come_together(session: Session) -> None:
    with ExitStack() as faults:
        for broken, _ in FAULTS:
            faults.enter_context(broken(session))
        assert results(session)["fail"] == ALWAYS | {check for _, check in FAULTS}


def test_after_all_repairs_nothing_else_fails(session: Session) -> None:
    assert results(session)["fail"] == ALWAYS


def test_who_lacks_rights_gets_the_other_checks(session: Session) -> None:
    iam = session.local_aws.client("iam")
    iam.create_user(UserName="auditor")
    key = iam.create_access_key(UserName="auditor")["AccessKey"]
    allowed = ["cloudformation:*", "sqs:*", "s3:GetBucketNotification", "lambda:*", "sts:*"]
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": allowed, "Resource": "*"}}
    iam.put_user_policy(UserName="auditor", PolicyName="audit", PolicyDocument=json.dumps(document))
    keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    found = results(session, **keys)
    assert {"Queues", "Functions", "Event notifications"} <= found["pass"]
    assert {"Buckets", "Roles", "Athena tables", "REST API"} <= found["warn"]
    text = invoke(user_environment(session) | keys, "doctor", "--stack", STACK).stdout
    assert "needs iam:SimulatePrincipalPolicy" in text.replace("\n      ", " ")


def test_before_a_deployment_the_account_is_checked(session: Session) -> None:
    done = invoke_labelwatch(session, "doctor", "--stack", "labelwatch-nowhere")
    assert done.returncode == 0
    assert "labelwatch-nowhere" in done.stdout
    assert "Region" in done.stdout


def test_the_status_counts_today_s_images_and_alerts(session: Session) -> None:
    pipeline = Pipeline(session)
    session.local_aws.client("s3").put_object(Bucket=session.outputs["InputBucket"], Key="leaf.jpg", Body=picture())

    def values() -> dict[str, Any]:
        done = invoke_labelwatch(session, "status", "--stack", STACK, "--format", "json")
        counted: dict[str, Any] = json.loads(done.stdout)["values"]
        return counted

    pipeline.wait_until(lambda: values()["images_alerted_today"] == 1, "an alert")
    found = values()
    assert (found["images_predicted_today"], found["picture_links"]) == (1, 1)
    assert (found["model"], found["polling"], found["image_dead_letters"]) == ("RUNNING", "on", 0)
