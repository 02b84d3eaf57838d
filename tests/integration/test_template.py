"""The merged template and the zip, read as they are: what AWS asks for and no emulator checks."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from chalicelib import settings
from chalicelib.queues.batch import LAST_RECEIVE
from labelwatch.deploy import package
from labelwatch.deploy.package import Package
from labelwatch.local.deployment import as_deployed_here
from labelwatch.shared.project import PROJECT
from labelwatch.shared.stacks import compact
from tests.support.builders import ENVIRONMENT
from tests.support.template import Template, functions, guards, leaves, listed, mappings, resources, statements

REGION = re.compile(r"\b[a-z]{2}(-gov|-iso[a-z]?)?-(north|south|east|west|central)[a-z]*-\d\b")
FOURTEEN_DAYS = 14 * 24 * 3600
QUEUES = {"ImagesQueue", "PredictionsQueue"}
BUCKETS = {"InputBucket", "OutputBucket", "WorkspaceBucket"}
DEAD_LETTERS = {"ImagesDeadLetters", "PredictionsDeadLetters"}

every_bucket = pytest.mark.parametrize("name", sorted(BUCKETS))


class Recording(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, *values: Mapping[str, str]) -> None:
        super().__init__(*values)
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)


def tls_only(action: str, resource: Any) -> Template:
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    who = {"Sid": "TlsOnly", "Effect": "Deny", "Principal": "*"}
    return {**who, "Action": action, "Resource": resource, "Condition": condition}


def tls_statements(template: Template) -> list[Template]:
    documents = [one["Properties"].get("PolicyDocument", {}) for one in template["Resources"].values()]
    return [one for document in documents for one in document.get("Statement", []) if one["Sid"] == "TlsOnly"]


def without_the_three(template: Template) -> Template:
    """The template without what `as_deployed_here` may change: when TlsOnly refuses, batch names, gateway responses."""
    changed = copy.deepcopy(template)
    changed["Resources"]["RestAPI"]["Properties"].pop("GatewayResponses", None)
    for name in resources(changed, "AWS::ApiGateway::GatewayResponse"):
        del changed["Resources"][name]
    for statement in tls_statements(changed):
        del statement["Condition"]
    for _, statement in statements(changed):
        if not isinstance(statement["Action"], dict):
            statement["Action"] = [name for name in listed(statement["Action"]) if not name.endswith("Batch")]
    return changed


def test_the_functions_are_those_of_the_app(template: Template) -> None:
    assert {one["Handler"] for one in functions(template).values()} == {
        "app.detect",
        "app.notify",
        "app.authorize",
        "app.app",
        "app.check_subscriptions",
        "app.manage_model",
    }


def test_every_function_has_a_role_of_the_template(template: Template) -> None:
    roles = {json.dumps({"Fn::GetAtt": [name, "Arn"]}) for name in resources(template, "AWS::IAM::Role")}
    assert {json.dumps(one["Role"]) for one in functions(template).values()} <= roles


def test_no_two_functions_share_a_role(template: Template) -> None:
    roles = [json.dumps(one["Role"]) for one in functions(template).values()]
    assert len(set(roles)) == len(roles)


@pytest.mark.parametrize("placeholder", ["overlay", "replaced-by", "000000000000"])
def test_no_placeholder_is_left(packaged: Package, placeholder: str) -> None:
    assert placeholder not in packaged.template.read_text()


def test_every_variable_without_a_default_is_given_to_each_function(template: Template) -> None:
    environment = Recording(ENVIRONMENT)
    settings.read(environment)
    needed = set()
    for name in environment.asked:
        try:
            settings.read({other: value for other, value in ENVIRONMENT.items() if other != name})
        except settings.SettingError:
            needed.add(name)
    given = [set(one["Environment"]["Variables"]) for one in functions(template).values()]
    assert [needed - names for names in given] == [set()] * 6


def test_no_function_is_given_a_variable_that_nothing_reads(template: Template) -> None:
    environment = Recording(ENVIRONMENT)
    settings.read(environment)
    given = {name for one in functions(template).values() for name in one["Environment"]["Variables"]}
    assert given - environment.asked == set()


def test_a_function_that_answers_with_item_failures_is_told_so(template: Template) -> None:
    told = [one["Environment"]["Variables"]["PARTIAL_BATCH_RESPONSES"] for one in functions(template).values()]
    assert told == ["yes"] * 6


def test_every_mapping_reports_item_failures(template: Template) -> None:
    assert [one["FunctionResponseTypes"] for one, _, _ in mappings(template)] == [["ReportBatchItemFailures"]] * 2


def test_no_partition_is_written_down(template: Template) -> None:
    assert [text for text in leaves(template) if re.search(r"arn:aws[\w-]*:", text)] == []


def test_no_region_is_written_down(template: Template) -> None:
    assert [text for text in leaves(template) if REGION.search(text)] == []


# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
def test_a_message_is_hidden_for_six_times_as_long_as_its_function_and_its_window_may_take(template: Template) -> None:
    hidden = [
        queue["VisibilityTimeout"] >= 6 * function["Timeout"] + mapping.get("MaximumBatchingWindowInSeconds", 0)
        for mapping, function, queue in mappings(template)
    ]
    assert hidden == [True, True]


def test_two_batches_at_once_are_allowed_at_least(template: Template) -> None:
    assert [one["ScalingConfig"]["MaximumConcurrency"] >= 2 for one, _, _ in mappings(template)] == [True, True]


def test_a_batch_of_more_than_ten_has_a_window(template: Template) -> None:
    large = [one for one, _, _ in mappings(template) if one["BatchSize"] > 10]
    assert [one["MaximumBatchingWindowInSeconds"] >= 1 for one in large] == [True]


def test_no_function_reserves_concurrency(packaged: Package) -> None:
    assert "ReservedConcurrentExecutions" not in packaged.template.read_text()


# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
def test_labelwatch_up_can_send_its_template_without_a_bucket() -> None:
    assert len(compact(package.resources()).encode()) <= 51_200


def test_the_queues_are_those_of_the_design(template: Template) -> None:
    assert set(resources(template, "AWS::SQS::Queue")) == QUEUES | DEAD_LETTERS


@pytest.mark.parametrize("name", sorted(QUEUES))
def test_the_handler_sets_aside_before_the_queue_does(template: Template, name: str) -> None:
    redrive = resources(template, "AWS::SQS::Queue")[name]["RedrivePolicy"]
    assert redrive["maxReceiveCount"] == max(LAST_RECEIVE + 1, 5)


@pytest.mark.parametrize("name", sorted(QUEUES))
def test_a_queue_hands_over_to_its_own_dead_letters(template: Template, name: str) -> None:
    redrive = resources(template, "AWS::SQS::Queue")[name]["RedrivePolicy"]
    assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": [name.replace("Queue", "DeadLetters"), "Arn"]}


@pytest.mark.parametrize("name", sorted(QUEUES | DEAD_LETTERS))
def test_a_queue_keeps_its_messages_for_fourteen_days(template: Template, name: str) -> None:
    assert resources(template, "AWS::SQS::Queue")[name]["MessageRetentionPeriod"] == FOURTEEN_DAYS


def test_every_queue_is_encrypted_with_a_key_that_lets_s3_in(template: Template) -> None:
    queues = resources(template, "AWS::SQS::Queue").values()
    assert [(queue["SqsManagedSseEnabled"], "KmsMasterKeyId" in queue) for queue in queues] == [(True, False)] * 4


def test_s3_may_send_for_the_input_bucket_of_this_account_only(template: Template) -> None:
    policy = guards(template, "AWS::SQS::QueuePolicy", "Queues")["ImagesQueue"]
    (allowed,) = [statement for statement in policy if statement["Effect"] == "Allow"]
    assert (allowed["Principal"], allowed["Action"]) == ({"Service": "s3.amazonaws.com"}, "sqs:SendMessage")
    assert allowed["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
        "ArnEquals": {"aws:SourceArn": {"Fn::Sub": "arn:${AWS::Partition}:s3:::${InputBucketName}"}},
    }


def test_s3_is_asked_to_notify_only_when_the_queue_lets_it_in(template: Template) -> None:
    assert "ImagesQueuePolicy" in listed(template["Resources"]["InputBucket"]["DependsOn"])


@every_bucket
def test_a_bucket_is_private(template: Template, name: str) -> None:
    block = resources(template, "AWS::S3::Bucket")[name]["PublicAccessBlockConfiguration"]
    wanted = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    assert block == dict.fromkeys(wanted, True)


@every_bucket
def test_a_bucket_is_encrypted(template: Template, name: str) -> None:
    (rule,) = resources(template, "AWS::S3::Bucket")[name]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}


@every_bucket
def test_a_bucket_outlives_its_stack_but_not_a_failed_first_creation(template: Template, name: str) -> None:
    assert template["Resources"][name]["DeletionPolicy"] == "RetainExceptOnCreate"


@every_bucket
def test_a_bucket_outlives_a_change_of_its_name(template: Template, name: str) -> None:
    assert template["Resources"][name]["UpdateReplacePolicy"] == "Retain"


def test_the_buckets_are_those_of_the_design(template: Template) -> None:
    assert set(resources(template, "AWS::S3::Bucket")) == BUCKETS


def test_the_input_bucket_keeps_versions(template: Template) -> None:
    versions = resources(template, "AWS::S3::Bucket")["InputBucket"]["VersioningConfiguration"]
    assert versions == {"Status": "Enabled"}


@every_bucket
def test_a_bucket_and_its_objects_take_tls_only(template: Template, name: str) -> None:
    arn = {"Fn::GetAtt": [name, "Arn"]}
    wanted = tls_only("s3:*", [arn, {"Fn::Sub": f"${{{name}.Arn}}/*"}])
    assert wanted in guards(template, "AWS::S3::BucketPolicy", "Bucket")[name]


@pytest.mark.parametrize("name", sorted(QUEUES | DEAD_LETTERS))
def test_a_queue_takes_tls_only(template: Template, name: str) -> None:
    wanted = tls_only("sqs:*", {"Fn::GetAtt": [name, "Arn"]})
    assert wanted in guards(template, "AWS::SQS::QueuePolicy", "Queues")[name]


def test_every_topic_takes_tls_only(template: Template) -> None:
    policies = guards(template, "AWS::SNS::TopicPolicy", "Topics")
    topics = list(resources(template, "AWS::SNS::Topic"))
    assert [tls_only("sns:Publish", {"Ref": name}) in policies[name] for name in topics] == [True, True]


def test_no_role_may_do_whatever_it_wants(template: Template) -> None:
    assert [one for _, one in statements(template) if "*" in "".join(leaves(one["Action"]))] == []


def test_only_what_knows_no_resources_is_asked_of_no_resource(template: Template) -> None:
    broad = [
        (role, one["Action"], one["Resource"]) for role, one in statements(template) if "*" in leaves(one["Resource"])
    ]
    general = {"Fn::If": ["UsesGeneralLabels", "rekognition:DetectLabels", "rekognition:DetectCustomLabels"]}
    detecting = ("DetectRole", general, {"Fn::If": ["UsesGeneralLabels", "*", {"Ref": "CustomModelARN"}]})
    tracing = [one for one in broad if one != detecting]
    assert detecting in broad
    assert {(", ".join(listed(actions)), resource) for _, actions, resource in tracing} == {
        ("xray:PutTraceSegments, xray:PutTelemetryRecords", "*"),
        ("lambda:ListEventSourceMappings", "*"),
        ("rekognition:DescribeProjects", "*"),
    }


def test_every_function_writes_to_a_group_of_its_own_that_is_kept_for_a_stated_time(template: Template) -> None:
    groups = resources(template, "AWS::Logs::LogGroup")
    written = [one["LoggingConfig"]["LogGroup"]["Ref"] for one in functions(template).values()]
    assert len(set(written)) == len(written)
    assert [groups[name]["RetentionInDays"] for name in written] == [90] * 6


def test_a_role_may_write_to_the_log_of_its_own_function_only(template: Template) -> None:
    written = {
        one["Role"]["Fn::GetAtt"][0]: one["LoggingConfig"]["LogGroup"]["Ref"] for one in functions(template).values()
    }
    allowed = {role: one for role, one in statements(template) if one["Sid"] == "WriteLogs"}
    assert {role: allowed[role]["Resource"] for role in written} == {
        role: {"Fn::GetAtt": [group, "Arn"]} for role, group in written.items()
    }
    assert {name for one in allowed.values() for name in one["Action"]} == {"logs:CreateLogStream", "logs:PutLogEvents"}


def test_only_lambda_takes_a_function_s_role_and_quicksight_its_own(template: Template) -> None:
    roles = resources(template, "AWS::IAM::Role")
    trusts = {name: role["AssumeRolePolicyDocument"]["Statement"] for name, role in roles.items()}
    lambdas = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    assert trusts.pop("QuickSightRole") == [
        lambdas
        | {
            "Principal": {"Service": "quicksight.amazonaws.com"},
        }
    ]
    assert list(trusts.values()) == [[lambdas]] * 7


def test_the_template_deployed_here_differs_in_three_things_only(template: Template) -> None:
    assert without_the_three(as_deployed_here(template)) == without_the_three(template)


def test_the_gateway_responses_deployed_here_say_what_those_of_the_template_say(template: Template) -> None:
    here = resources(as_deployed_here(template), "AWS::ApiGateway::GatewayResponse")
    there = gateway_responses(template)
    assert {one["ResponseType"]: one["ResponseTemplates"] for one in here.values()} == {
        name: one["ResponseTemplates"] for name, one in there.items()
    }
    assert {one["ResponseType"]: one.get("StatusCode") for one in here.values()} == {
        name: one.get("StatusCode") for name, one in there.items()
    }


def test_the_template_itself_stays_as_it_was(template: Template) -> None:
    before = copy.deepcopy(template)
    as_deployed_here(template)
    assert template == before


def test_plain_http_is_let_in_here_and_tls_is_not(template: Template) -> None:
    guard = {json.dumps(one["Condition"]) for one in tls_statements(as_deployed_here(template))}
    assert guard == {'{"Bool": {"aws:SecureTransport": "true"}}'}


def test_a_role_gains_nothing_here_but_the_batch_names_of_what_it_may_do(template: Template) -> None:
    pairs = zip(statements(template), statements(as_deployed_here(template)), strict=True)
    gained = {
        name for (_, there), (_, here) in pairs for name in {*leaves(here["Action"])} - {*leaves(there["Action"])}
    }
    assert gained == {"sqs:SendMessageBatch", "sqs:DeleteMessageBatch"}


def gateway_responses(template: Template) -> dict[str, Template]:
    responses: dict[str, Template] = template["Resources"]["RestAPI"]["Properties"]["GatewayResponses"]
    return responses


def test_every_answer_of_api_gateway_itself_is_an_error_of_the_one_shape(template: Template) -> None:
    for response in gateway_responses(template).values():
        (media_type, content) = next(iter(response["ResponseTemplates"].items()))
        error = json.loads(content)["error"]
        assert (media_type, set(error)) == ("application/json", {"code", "message", "field"})
        assert error["code"]
        assert error["message"]


def test_no_answer_of_api_gateway_itself_repeats_what_was_sent(template: Template) -> None:
    """Its own message may hold the Authorization header."""
    assert "context.error.message" not in json.dumps(gateway_responses(template))


def test_what_is_not_foreseen_has_the_one_shape_too(template: Template) -> None:
    assert {"DEFAULT_4XX", "DEFAULT_5XX"} <= set(gateway_responses(template))


def test_the_api_is_open_to_a_page_only_where_an_origin_is_set(template: Template) -> None:
    if_there_is_one = {"Fn::If": ["HasUploadOrigin", {"Fn::Sub": "'${UploadOrigin}'"}, {"Ref": "AWS::NoValue"}]}
    headers = [one["ResponseParameters"]["Headers"] for one in gateway_responses(template).values()]
    assert headers == [{"Access-Control-Allow-Origin": if_there_is_one}] * len(headers)


def test_the_input_bucket_is_open_to_forms_of_a_page_only_where_an_origin_is_set(template: Template) -> None:
    condition, cors, otherwise = resources(template, "AWS::S3::Bucket")["InputBucket"]["CorsConfiguration"]["Fn::If"]
    assert (condition, otherwise) == ("HasUploadOrigin", {"Ref": "AWS::NoValue"})
    (rule,) = cors["CorsRules"]
    assert (rule["AllowedMethods"], rule["AllowedOrigins"]) == (["POST"], [{"Ref": "UploadOrigin"}])


def test_no_other_bucket_is_open_to_a_page(template: Template) -> None:
    open_to_pages = {name for name, one in resources(template, "AWS::S3::Bucket").items() if "CorsConfiguration" in one}
    assert open_to_pages == {"InputBucket"}


def test_the_rate_that_the_contract_states_is_the_one_that_is_set(template: Template) -> None:
    (limit,) = resources(template, "AWS::Serverless::Api")["RestAPI"]["MethodSettings"]
    assert (limit["HttpMethod"], limit["ResourcePath"]) == ("*", "/*")
    contract = (PROJECT / "docs" / "openapi.yaml").read_text()
    assert f"{limit['ThrottlingRateLimit']} requests a second" in contract
    assert f"{limit['ThrottlingBurstLimit']} at once" in contract


def test_the_api_answers_before_api_gateway_gives_up(template: Template) -> None:
    """After 29 s: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html."""
    timeouts = [functions(template)[name]["Timeout"] for name in ("APIHandler", "Authorize")]
    assert max(timeouts) < 29


def test_a_token_opens_nothing_but_the_tokens_of_the_table(template: Template) -> None:
    (statement,) = [
        one for role, one in statements(template) if role == "AuthorizeRole" and one["Sid"] == "UpdateTokens"
    ]
    assert (statement["Action"], statement["Resource"]) == ("dynamodb:UpdateItem", {"Fn::GetAtt": ["Table", "Arn"]})
    assert statement["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["token"]}}


def test_a_form_can_be_signed_for_uploads_only(template: Template) -> None:
    (statement,) = [
        one for role, one in statements(template) if role == "ApiHandlerRole" and one["Sid"] == "SignUploads"
    ]
    assert (statement["Action"], statement["Resource"]) == (
        "s3:PutObject",
        {"Fn::Sub": "${InputBucket.Arn}/uploads/*"},
    )


def test_the_table_can_be_brought_back_to_any_time(template: Template) -> None:
    recovery = resources(template, "AWS::DynamoDB::Table")["Table"]["PointInTimeRecoverySpecification"]
    assert recovery == {"PointInTimeRecoveryEnabled": True}


def holds(template: Template, condition: Any, parameters: dict[str, str]) -> bool:
    """Whether a condition holds where the parameters have these values, and else their defaults."""
    match condition:
        case {"Fn::Equals": [{"Ref": name}, value]}:
            return bool(parameters.get(name, str(template["Parameters"][name].get("Default"))) == value)
        case {"Condition": name}:
            return holds(template, template["Conditions"][name], parameters)
        case {"Fn::Not": [one]}:
            return not holds(template, one, parameters)
        case {"Fn::And": parts}:
            return all(holds(template, one, parameters) for one in parts)
        case {"Fn::Or": parts}:
            return any(holds(template, one, parameters) for one in parts)
    raise AssertionError(condition)


OF_THE_MODEL = ("UsesCustomModel", "StartsModel", "StopsIdleModel", "LimitsModelHours", "StopsModel")
A_MODEL = {"CustomModelARN": "arn:of:a:model"}


@pytest.mark.parametrize(
    ("parameters", "holding"),
    [
        ({}, ""),
        ({"ModelAutoStart": "yes", "ModelIdleMinutes": "30", "ModelMaxHoursPerMonth": "40"}, ""),
        (A_MODEL, "UsesCustomModel"),
        (A_MODEL | {"ModelAutoStart": "yes"}, "UsesCustomModel StartsModel"),
        (A_MODEL | {"ModelIdleMinutes": "30"}, "UsesCustomModel StopsIdleModel StopsModel"),
        (A_MODEL | {"ModelMaxHoursPerMonth": "40"}, "UsesCustomModel LimitsModelHours StopsModel"),
    ],
)
def test_the_model_may_be_started_and_stopped_only_where_a_parameter_asks_for_it(
    template: Template, parameters: dict[str, str], holding: str
) -> None:
    assert [one for one in OF_THE_MODEL if holds(template, {"Condition": one}, parameters)] == holding.split()
