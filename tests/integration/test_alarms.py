"""What AWS shows of the stack: alarms, dashboard, traces, tags, outputs."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from labelwatch.shared.project import PROJECT
from tests.support.template import Template, function_roles, functions, guards, resources, statements

OPERATIONS = (PROJECT / "docs" / "operations.md").read_text()
ROLES_AND_STATE = {"AWS::IAM::Role", "AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::DynamoDB::Table"}


def alarms(template: Template) -> dict[str, Template]:
    return resources(template, "AWS::CloudWatch::Alarm")


def dimensions(alarm: Template) -> dict[str, Any]:
    return {one["Name"]: one["Value"] for one in alarm["Dimensions"]}


def takes_tags(kind: str) -> bool:
    """By AWS's own schema; the transform's types, which stand in none of its lists, do."""
    if kind.startswith("AWS::Serverless::"):
        return True
    return "Tags" in PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema["properties"]


def tags_of(resource: Template) -> dict[str, Any]:
    tags = resource["Properties"].get("Tags", {})
    return tags if isinstance(tags, dict) else {one["Key"]: one["Value"] for one in tags}


def test_every_alarm_goes_to_whoever_runs_this(template: Template) -> None:
    assert [one["AlarmActions"] for one in alarms(template).values()] == [[{"Ref": "OperationsTopic"}]] * 11


def test_every_alarm_and_no_other_is_explained(template: Template) -> None:
    assert set(re.findall(r"\*\*(\w+Alarm)\*\*", OPERATIONS)) == set(alarms(template))


def alarms_on(template: Template, queue: str) -> set[tuple[str, str, int, int]]:
    """Metric and statistic, the value that is too much, and for how many seconds it must be."""
    return {
        (
            one["MetricName"],
            one["Statistic"],
            one["Threshold"],
            one["Period"] * one.get("DatapointsToAlarm", one["EvaluationPeriods"]),
        )
        for one in alarms(template).values()
        if dimensions(one) == {"QueueName": {"Fn::GetAtt": [queue, "QueueName"]}}
        and one["ComparisonOperator"] == "GreaterThanThreshold"
    }


@pytest.mark.parametrize("queue", ["ImagesDeadLetters", "PredictionsDeadLetters"])
def test_each_arrival_among_the_dead_letters_is_an_alarm_and_one_that_stays_for_an_hour(
    template: Template, queue: str
) -> None:
    assert alarms_on(template, queue) == {
        ("NumberOfMessagesSent", "Sum", 0, 300),
        ("ApproximateNumberOfMessagesVisible", "Maximum", 0, 3600),
    }


def test_an_arrival_that_cloudwatch_hears_of_a_quarter_of_an_hour_late_is_an_alarm_too(template: Template) -> None:
    arrivals = [one for one in alarms(template).values() if one["MetricName"] == "NumberOfMessagesSent"]
    assert [one["Period"] * (one["EvaluationPeriods"] - 1) for one in arrivals] == [900, 900]


def test_images_that_wait_for_over_an_hour_are_an_alarm_and_another_two_days_before_they_are_lost(
    template: Template,
) -> None:
    kept = template["Resources"]["ImagesQueue"]["Properties"]["MessageRetentionPeriod"]
    assert alarms_on(template, "ImagesQueue") == {
        ("ApproximateAgeOfOldestMessage", "Maximum", seconds, 300) for seconds in (3600, kept - 2 * 24 * 3600)
    }


def test_predictions_that_wait_are_an_alarm_before_sqs_leaves_them_out_of_their_age(template: Template) -> None:
    """That is when a message is received for the third time, where nothing gives it back earlier."""
    third = 2 * template["Resources"]["PredictionsQueue"]["Properties"]["VisibilityTimeout"]
    ((metric, _, seconds, _),) = alarms_on(template, "PredictionsQueue")
    assert metric == "ApproximateAgeOfOldestMessage"
    assert 300 < seconds < third


def test_a_model_that_cannot_be_looked_at_or_changed_is_an_alarm(template: Template) -> None:
    alarm = alarms(template)["ModelChecksAlarm"]
    assert dimensions(alarm) == {"service": "manage_model", "stack": {"Ref": "AWS::StackName"}}
    assert (alarm["MetricName"], alarm["Statistic"], alarm["Threshold"], alarm["Period"]) == (
        "ModelCheckErrors",
        "Sum",
        10,
        900,
    )


def test_nobody_looking_at_the_subscriptions_is_an_alarm_like_one_that_is_silent(template: Template) -> None:
    alarm = alarms(template)["SubscriptionsAlarm"]
    assert (alarm["MetricName"], alarm["TreatMissingData"]) == ("SubscriptionsInactive", "missing")
    assert alarm["InsufficientDataActions"] == alarm["AlarmActions"]
    assert dimensions(alarm) == {"service": "check_subscriptions", "stack": {"Ref": "AWS::StackName"}}


def test_no_alarm_is_on_mere_errors_which_throttling_causes_by_design(template: Template) -> None:
    assert {one["MetricName"] for one in alarms(template).values()} & {"Errors", "Throttles"} == set()


def dashboard(template: Template, *, holding: bool = True) -> Template:
    """The dashboard where every condition holds, or none."""
    (board,) = resources(template, "AWS::CloudWatch::Dashboard").values()
    text, names = board["DashboardBody"]["Fn::Sub"]
    for name, alarm in (("AlarmOfAnExistingBucket", "IngestDropsAlarm"), ("AlarmOfALimit", "ModelHoursAlarm")):
        condition, there, elsewhere = names[name]["Fn::If"]
        assert condition == template["Resources"][alarm]["Condition"]
        text = text.replace(f"${{{name}}}", there["Fn::Sub"] if holding else elsewhere)
    body: Template = json.loads(re.sub(r"\$\{([\w.:]+)\}", r"\1", text))
    return body


def shown(template: Template) -> set[tuple[str, str, str]]:
    """Namespace, name and the value of the first dimension of each metric, with CloudWatch's dots written out."""
    found = set()
    for widget in dashboard(template)["widgets"]:
        above: list[str] = []
        for metric in widget["properties"].get("metrics", []):
            names = [one for one in metric if isinstance(one, str)]
            above = [above[place] if name == "." else name for place, name in enumerate(names)]
            found.add((above[0], above[1], above[3]))
    return found


def test_the_dashboard_shows_the_age_of_the_oldest_message_of_each_queue(template: Template) -> None:
    ages = {which for _, name, which in shown(template) if name == "ApproximateAgeOfOldestMessage"}
    assert ages == {"ImagesQueue.QueueName", "PredictionsQueue.QueueName"}


def test_the_dashboard_shows_only_metrics_that_are_written(template: Template) -> None:
    ours = {(service, name) for namespace, name, service in shown(template) if namespace == "Labelwatch"}
    table = re.findall(r"^\| `(\w+)` \|.*\| ([\w, ]+) \|$", OPERATIONS, re.MULTILINE)
    written = {(service, name) for name, services in table for service in services.split(", ")}
    assert ours <= written
    assert {name for _, name in ours} >= {"ImagesDetected", "ImagesRejected", "Alerts", "ModelTime"}


@pytest.mark.parametrize("holding", [True, False])
def test_the_dashboard_shows_every_alarm_that_the_stack_has(template: Template, *, holding: bool) -> None:
    (widget,) = [one for one in dashboard(template, holding=holding)["widgets"] if one["type"] == "alarm"]
    there = {name for name in alarms(template) if holding or "Condition" not in template["Resources"][name]}
    assert set(widget["properties"]["alarms"]) == {f"{name}.Arn" for name in there}


def test_everything_that_takes_tags_says_whose_it_is(template: Template) -> None:
    wanted = {"application": "labelwatch", "stack": {"Ref": "AWS::StackName"}}
    tagged = {name: tags_of(one) for name, one in template["Resources"].items() if takes_tags(one["Type"])}
    assert {name for name, tags in tagged.items() if not wanted.items() <= tags.items()} == set()
    assert {template["Resources"][name]["Type"] for name in tagged} >= ROLES_AND_STATE


def test_functions_are_traced_only_where_it_is_wanted(template: Template) -> None:
    assert template["Conditions"]["HasTracing"] == {"Fn::Equals": [{"Ref": "Tracing"}, "yes"]}
    assert {json.dumps(one["Tracing"]) for one in functions(template).values()} == {
        '{"Fn::If": ["HasTracing", "Active", "PassThrough"]}'
    }


# https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
def test_every_role_may_send_traces_only_where_it_is_wanted(template: Template) -> None:
    conditional = {
        name: statement["Fn::If"][0]
        for name, role in function_roles(template).items()
        for statement in role["Policies"][0]["PolicyDocument"]["Statement"]
        if "Fn::If" in statement and statement["Fn::If"][1]["Sid"] == "Trace"
    }
    assert conditional == dict.fromkeys(function_roles(template), "HasTracing")
    sent = [set(one["Action"]) for _, one in statements(template) if one["Sid"] == "Trace"]
    assert sent == [{"xray:PutTraceSegments", "xray:PutTelemetryRecords"}] * len(conditional)


def test_every_output_says_what_it_is(template: Template) -> None:
    assert [name for name, one in template["Outputs"].items() if not one.get("Description")] == []


def test_what_a_person_needs_is_among_the_outputs(template: Template) -> None:
    assert {"ApiUrl", "InputBucket", "OutputBucket", "AlertsTopicArn", "DashboardUrl"} <= set(template["Outputs"])


def test_alarms_of_this_account_and_nobody_else_s_may_use_the_operations_topic(template: Template) -> None:
    (allowed,) = [
        one
        for one in guards(template, "AWS::SNS::TopicPolicy", "Topics")["OperationsTopic"]
        if one["Effect"] == "Allow"
    ]
    assert (allowed["Principal"], allowed["Action"]) == ({"Service": "cloudwatch.amazonaws.com"}, "sns:Publish")
    assert allowed["Resource"] == {"Ref": "OperationsTopic"}
    assert allowed["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_two_hours_with_one_silent_subscription_are_an_alarm(template: Template) -> None:
    alarm = alarms(template)["SubscriptionsAlarm"]
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["Threshold"]) == (3600, 2, 0)
    assert (alarm["Statistic"], alarm["ComparisonOperator"]) == ("Maximum", "GreaterThanThreshold")


def test_one_event_that_ingest_dropped_is_an_alarm(template: Template) -> None:
    alarm = alarms(template)["IngestDropsAlarm"]
    assert dimensions(alarm) == {"FunctionName": {"Fn::Sub": "${AWS::StackName}-ingest"}}
    assert (alarm["MetricName"], alarm["Statistic"], alarm["Threshold"]) == ("AsyncEventsDropped", "Sum", 0)


def test_the_last_hour_that_the_model_may_run_in_a_month_is_an_alarm(template: Template) -> None:
    alarm = alarms(template)["ModelHoursAlarm"]
    assert dimensions(alarm) == {"service": "manage_model", "stack": {"Ref": "AWS::StackName"}}
    assert (alarm["MetricName"], alarm["Statistic"]) == ("ModelHoursThisMonth", "Maximum")
    limit = {"Ref": "ModelMaxHoursPerMonth"}
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (limit, "GreaterThanOrEqualToThreshold")
