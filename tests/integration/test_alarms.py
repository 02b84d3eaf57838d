"""What AWS shows of the stack: alarms, dashboard, traces, tags, outputs."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from chalicelib.telemetry import METRICS
from checks.transform import transform
from labelwatch.deploy import packaging
from labelwatch.shared.project import PROJECT
from tests.support.template import Template, function_roles, functions, guards, resources

ROLES_AND_STATE = {"AWS::IAM::Role", "AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::DynamoDB::Table"}


def alarms(template: Template) -> dict[str, Template]:
    return resources(template, "AWS::CloudWatch::Alarm")


def metric_alarms(template: Template) -> dict[str, Template]:
    """The alarms on one metric, without metric math."""
    return {name: alarm for name, alarm in alarms(template).items() if "MetricName" in alarm}


def dimensions(metric: Template) -> dict[str, Any]:
    return {dimension["Name"]: dimension["Value"] for dimension in metric["Dimensions"]}


def takes_tags(kind: str) -> bool:
    """By AWS's own schema, which lacks the types of the transform; those take tags."""
    if kind.startswith("AWS::Serverless::"):
        return True
    return "Tags" in PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema["properties"]


def tags_of(resource: Template) -> dict[str, Any]:
    tags = resource["Properties"].get("Tags", {})
    return tags if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags}


def test_every_alarm_goes_to_the_operations_topic(template: Template) -> None:
    assert [alarm["AlarmActions"] for alarm in alarms(template).values()] == [[{"Ref": "OperationsTopic"}]] * 15


def test_the_pages_for_operators_name_every_alarm_and_no_other(template: Template) -> None:
    """The reference is written from the template; the other pages are not."""
    pages = [page for page in (PROJECT / "docs").rglob("*.md") if page.parent.name != "reference"]
    named = {name for page in pages for name in re.findall(r"\b\w+Alarm\b", page.read_text())}
    assert named == set(alarms(template))


def test_the_description_of_every_alarm_says_where_to_go_next(template: Template) -> None:
    text = {name: json.dumps(alarm["AlarmDescription"]) for name, alarm in alarms(template).items()}
    assert [name for name, words in text.items() if "Run labelwatch" not in words and "/aws/lambda/" not in words] == []


def alarms_on(template: Template, queue: str) -> set[tuple[str, str, int, int]]:
    """Metric and statistic, the threshold, and for how many seconds the metric must be over it."""
    return {
        (
            alarm["MetricName"],
            alarm["Statistic"],
            alarm["Threshold"],
            alarm["Period"] * alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]),
        )
        for alarm in metric_alarms(template).values()
        if dimensions(alarm) == {"QueueName": {"Fn::GetAtt": [queue, "QueueName"]}}
        and alarm["ComparisonOperator"] == "GreaterThanThreshold"
    }


@pytest.mark.parametrize("queue", ["ImagesDeadLetters", "PredictionsDeadLetters"])
def test_each_new_dead_letter_is_an_alarm_and_each_that_stays_for_an_hour(template: Template, queue: str) -> None:
    assert alarms_on(template, queue) == {
        ("NumberOfMessagesSent", "Sum", 0, 300),
        ("ApproximateNumberOfMessagesVisible", "Maximum", 0, 3600),
    }


def test_a_new_dead_letter_that_cloudwatch_counts_15_minutes_late_is_an_alarm(template: Template) -> None:
    arrivals = [alarm for alarm in metric_alarms(template).values() if alarm["MetricName"] == "NumberOfMessagesSent"]
    assert [alarm["Period"] * (alarm["EvaluationPeriods"] - 1) for alarm in arrivals] == [900, 900]


def test_images_that_wait_for_over_an_hour_are_an_alarm_and_another_two_days_before_they_expire(
    template: Template,
) -> None:
    kept = template["Resources"]["ImagesQueue"]["Properties"]["MessageRetentionPeriod"]
    assert alarms_on(template, "ImagesQueue") == {
        ("ApproximateAgeOfOldestMessage", "Maximum", seconds, 300) for seconds in (3600, kept - 2 * 24 * 3600)
    }


def test_waiting_predictions_are_an_alarm_before_sqs_leaves_them_out_of_the_age(template: Template) -> None:
    """SQS does so at the third receive; the second visibility timeout ends before that."""
    third = 2 * template["Resources"]["PredictionsQueue"]["Properties"]["VisibilityTimeout"]
    ((metric, _, seconds, _),) = alarms_on(template, "PredictionsQueue")
    assert metric == "ApproximateAgeOfOldestMessage"
    assert 300 < seconds < third


def test_failing_model_checks_are_an_alarm(template: Template) -> None:
    alarm = alarms(template)["ModelChecksAlarm"]
    assert dimensions(alarm) == {"service": "manage_model", "stack": {"Ref": "AWS::StackName"}}
    assert (alarm["MetricName"], alarm["Statistic"], alarm["Threshold"], alarm["Period"]) == (
        "ModelCheckErrors",
        "Sum",
        10,
        900,
    )


def test_a_missing_subscription_check_is_an_alarm_like_an_inactive_subscription(template: Template) -> None:
    alarm = alarms(template)["SubscriptionsAlarm"]
    assert (alarm["MetricName"], alarm["TreatMissingData"]) == ("SubscriptionsInactive", "missing")
    assert alarm["InsufficientDataActions"] == alarm["AlarmActions"]
    assert dimensions(alarm) == {"service": "check_subscriptions", "stack": {"Ref": "AWS::StackName"}}


def test_no_alarm_is_on_errors_or_throttles_which_happen_by_design(template: Template) -> None:
    of_functions = {
        name for name, alarm in metric_alarms(template).items() if alarm["MetricName"] in {"Errors", "Throttles"}
    }
    assert of_functions == {"AuthorizeErrorsAlarm"}  # its function raises only where no client can be admitted


# Chalice's names in both deployments, and those that CloudFormation's own API and function have.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
@pytest.mark.parametrize(
    ("name", "metric", "chalice", "cloudformation"),
    [
        ("ApiErrorsAlarm", "5XXError", {"ApiName": "labelwatch"}, {"ApiName": {"Ref": "AWS::StackName"}}),
        (
            "AuthorizeErrorsAlarm",
            "Errors",
            {"FunctionName": {"Fn::Sub": "${AWS::StackName}-authorize"}},
            {"FunctionName": {"Ref": "Authorize"}},
        ),
    ],
)
def test_an_error_of_the_api_or_of_authorize_is_an_alarm_in_both_deployments(
    template: Template, name: str, metric: str, chalice: dict[str, Any], cloudformation: dict[str, Any]
) -> None:
    of_chalice = packaging.resources()["Resources"][name]["Properties"]
    assert (dimensions(of_chalice), dimensions(alarms(template)[name])) == (chalice, cloudformation)
    assert (of_chalice["MetricName"], of_chalice["Statistic"], of_chalice["Threshold"]) == (metric, "Sum", 0)


def test_the_names_in_the_alarms_are_those_of_the_api(template: Template) -> None:
    assert template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["info"]["title"] == {
        "Ref": "AWS::StackName"
    }
    assert json.loads((PROJECT / ".chalice" / "config.json").read_text())["app_name"] == "labelwatch"


def test_a_model_that_runs_for_four_hours_without_an_image_is_an_alarm_whoever_started_it(template: Template) -> None:
    alarm = alarms(template)["ModelUnusedAlarm"]
    expression, running, handled = alarm["Metrics"]
    assert expression["Expression"] == "IF(FILL(handled, 0) > 0, 0, running)"
    metrics = {part["Id"]: part["MetricStat"] for part in (running, handled)}
    assert {name: (stat["Metric"]["MetricName"], stat["Stat"]) for name, stat in metrics.items()} == {
        "running": ("ModelRunning", "Minimum"),
        "handled": ("NumberOfMessagesDeleted", "Sum"),
    }
    assert [dimensions(stat["Metric"]) for stat in metrics.values()] == [
        {"service": "manage_model", "stack": {"Ref": "AWS::StackName"}},
        {"QueueName": {"Fn::GetAtt": ["ImagesQueue", "QueueName"]}},
    ]
    assert {stat["Period"] * alarm["EvaluationPeriods"] for stat in metrics.values()} == {4 * 3600}
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "GreaterThanOrEqualToThreshold")
    assert template["Resources"]["ModelUnusedAlarm"]["Condition"] == "UsesCustomModel"


def dashboard(template: Template, *, conditions: bool = True) -> Template:
    """The dashboard where every condition is true, or none."""
    (board,) = resources(template, "AWS::CloudWatch::Dashboard").values()
    text, variables = board["DashboardBody"]["Fn::Sub"]
    for name, alarm in (
        ("AlarmOfAModel", "ModelUnusedAlarm"),
        ("AlarmOfAnExistingBucket", "IngestDropsAlarm"),
        ("AlarmOfALimit", "ModelHoursAlarm"),
        ("AlarmOfADayLimit", "ImagesPerDayAlarm"),
    ):
        condition, arn, nothing = variables[name]["Fn::If"]
        assert condition == template["Resources"][alarm]["Condition"]
        text = text.replace(f"${{{name}}}", arn["Fn::Sub"] if conditions else nothing)
    body: Template = json.loads(re.sub(r"\$\{([\w.:]+)\}", r"\1", text))
    return body


def shown(template: Template) -> set[tuple[str, str, str]]:
    """Namespace, name and the value of the first dimension of each metric, with CloudWatch's dots written out."""
    found = set()
    for widget in dashboard(template)["widgets"]:
        above: list[str] = []
        for metric in widget["properties"].get("metrics", []):
            names = [name for name in metric if isinstance(name, str)]
            above = [above[index] if name == "." else name for index, name in enumerate(names)]
            found.add((above[0], above[1], above[3]))
    return found


def test_the_dashboard_shows_the_age_of_the_oldest_message_of_each_queue(template: Template) -> None:
    ages = {queue for _, name, queue in shown(template) if name == "ApproximateAgeOfOldestMessage"}
    assert ages == {"ImagesQueue.QueueName", "PredictionsQueue.QueueName"}


def test_the_dashboard_shows_only_metrics_that_are_written(template: Template) -> None:
    ours = {(service, name) for namespace, name, service in shown(template) if namespace == "Labelwatch"}
    assert ours <= {(service, name) for name, metric in METRICS.items() for service in metric.services}
    assert {name for _, name in ours} >= {"ImagesDetected", "ImagesRejected", "Alerts", "ModelTime"}


@pytest.mark.parametrize("conditions", [True, False])
def test_the_dashboard_shows_every_alarm_that_the_stack_has(template: Template, *, conditions: bool) -> None:
    widgets = dashboard(template, conditions=conditions)["widgets"]
    (widget,) = [widget for widget in widgets if widget["type"] == "alarm"]
    names = {name for name in alarms(template) if conditions or "Condition" not in template["Resources"][name]}
    assert set(widget["properties"]["alarms"]) == {f"{name}.Arn" for name in names}


def test_every_resource_that_takes_tags_has_those_of_application_and_stack(template: Template) -> None:
    expected = {"application": "labelwatch", "stack": {"Ref": "AWS::StackName"}}
    tagged = {
        name: tags_of(resource) for name, resource in template["Resources"].items() if takes_tags(resource["Type"])
    }
    assert {name for name, tags in tagged.items() if not expected.items() <= tags.items()} == set()
    assert {template["Resources"][name]["Type"] for name in tagged} >= ROLES_AND_STATE


def test_only_resources_for_which_the_transform_takes_no_tags_have_none(template: Template) -> None:
    """The API's stage has the tags of the API."""
    made = transform(template)["Resources"].values()
    without = {made_["Type"] for made_ in made if takes_tags(made_["Type"]) and not tags_of(made_)}
    assert without == {"AWS::Lambda::EventSourceMapping", "AWS::Events::Rule", "AWS::ApiGateway::RestApi"}


def test_functions_are_traced_only_where_tracing_is_on(template: Template) -> None:
    assert template["Conditions"]["HasTracing"] == {"Fn::Equals": [{"Ref": "Tracing"}, "yes"]}
    assert {json.dumps(function["Tracing"]) for function in functions(template).values()} == {
        '{"Fn::If": ["HasTracing", "Active", "PassThrough"]}'
    }


# https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
def test_every_role_may_always_send_traces(template: Template) -> None:
    """Lambda refuses tracing to a role without the right, and one update would change the role and the function."""
    allowed = {
        name: set(statement["Action"])
        for name, role in function_roles(template).items()
        for statement in role["Policies"][0]["PolicyDocument"]["Statement"]
        if statement.get("Sid") == "Trace"
    }
    traces = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
    assert allowed.keys() == function_roles(template).keys()
    assert [actions for actions in allowed.values() if actions != traces] == []


def test_every_output_has_a_description(template: Template) -> None:
    assert [name for name, output in template["Outputs"].items() if not output.get("Description")] == []


def test_addresses_and_buckets_are_among_the_outputs(template: Template) -> None:
    assert {"ApiUrl", "InputBucket", "OutputBucket", "AlertsTopicArn", "DashboardUrl"} <= set(template["Outputs"])


def test_only_alarms_of_this_stack_may_publish_to_the_operations_topic(template: Template) -> None:
    (allowed,) = [
        statement
        for statement in guards(template, "AWS::SNS::TopicPolicy", "Topics")["OperationsTopic"]
        if statement["Effect"] == "Allow"
    ]
    assert (allowed["Principal"], allowed["Action"]) == ({"Service": "cloudwatch.amazonaws.com"}, "sns:Publish")
    assert allowed["Resource"] == {"Ref": "OperationsTopic"}
    condition = allowed["Condition"]
    assert condition["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert condition["ArnLike"]["aws:SourceArn"]["Fn::Sub"].endswith(":${AWS::AccountId}:alarm:${AWS::StackName}-*")


def test_two_hours_with_an_inactive_subscription_are_an_alarm(template: Template) -> None:
    alarm = alarms(template)["SubscriptionsAlarm"]
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["Threshold"]) == (3600, 2, 0)
    assert (alarm["Statistic"], alarm["ComparisonOperator"]) == ("Maximum", "GreaterThanThreshold")


def test_a_dropped_event_of_ingest_is_an_alarm(template: Template) -> None:
    alarm = alarms(template)["IngestDropsAlarm"]
    assert dimensions(alarm) == {"FunctionName": {"Fn::Sub": "${AWS::StackName}-ingest"}}
    assert (alarm["MetricName"], alarm["Statistic"], alarm["Threshold"]) == ("AsyncEventsDropped", "Sum", 0)


def test_reaching_the_model_s_hours_of_a_month_is_an_alarm(template: Template) -> None:
    alarm = alarms(template)["ModelHoursAlarm"]
    assert dimensions(alarm) == {"service": "manage_model", "stack": {"Ref": "AWS::StackName"}}
    assert (alarm["MetricName"], alarm["Statistic"]) == ("ModelHoursThisMonth", "Maximum")
    limit = {"Ref": "ModelMaxHoursPerMonth"}
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (limit, "GreaterThanOrEqualToThreshold")


def test_reaching_the_images_of_a_day_is_an_alarm(template: Template) -> None:
    alarm = alarms(template)["ImagesPerDayAlarm"]
    assert dimensions(alarm) == {"service": "manage_model", "stack": {"Ref": "AWS::StackName"}}
    assert (alarm["MetricName"], alarm["Statistic"], alarm["Period"]) == ("ImagesToday", "Maximum", 300)
    limit = {"Ref": "MaxImagesPerDay"}
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (limit, "GreaterThanOrEqualToThreshold")
