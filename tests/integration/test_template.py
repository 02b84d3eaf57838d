"""The merged template and the zip, read as they are: what AWS asks for and no emulator checks."""

from __future__ import annotations

import copy
import json
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib import settings
from chalicelib.domain.tokens import BEARER
from chalicelib.queues.batch import LAST_RECEIVE
from labelwatch.deploy import Package, packaging
from labelwatch.local.adaptation import adapt_to_local_aws
from labelwatch.shared import regions
from labelwatch.shared.project import PROJECT
from labelwatch.shared.stacks import inline
from tests.support.template import Template, functions, guards, leaves, listed, mappings, resources, statements

REGION = re.compile(r"\b[a-z]{2}(-gov|-iso[a-z]?)?-(north|south|east|west|central)[a-z]*-\d\b")
FOURTEEN_DAYS = 14 * 24 * 3600
QUEUES = {"ImagesQueue", "PredictionsQueue"}
BUCKETS = {"InputBucket", "OutputBucket", "WorkspaceBucket"}
DEAD_LETTERS = {"ImagesDeadLetters", "PredictionsDeadLetters"}

every_bucket = pytest.mark.parametrize("name", sorted(BUCKETS))


def tls_only(action: str, resource: Any) -> Template:
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    anyone = {"Sid": "TlsOnly", "Effect": "Deny", "Principal": "*"}
    return {**anyone, "Action": action, "Resource": resource, "Condition": condition}


def tls_statements(template: Template) -> list[Template]:
    documents = [resource["Properties"].get("PolicyDocument", {}) for resource in template["Resources"].values()]
    found = [statement for document in documents for statement in document.get("Statement", [])]
    return [statement for statement in found if statement["Sid"] == "TlsOnly"]


def test_the_functions_are_those_of_the_app(template: Template) -> None:
    assert {function["Handler"] for function in functions(template).values()} == {
        "app.detect",
        "app.notify",
        "app.authorize",
        "app.app",
        "app.check_subscriptions",
        "app.manage_model",
    }


def test_every_function_has_a_role_of_the_template(template: Template) -> None:
    roles = {json.dumps({"Fn::GetAtt": [name, "Arn"]}) for name in resources(template, "AWS::IAM::Role")}
    assert {json.dumps(function["Role"]) for function in functions(template).values()} <= roles


def test_no_two_functions_share_a_role(template: Template) -> None:
    roles = [json.dumps(function["Role"]) for function in functions(template).values()]
    assert len(set(roles)) == len(roles)


@pytest.mark.parametrize("placeholder", ["overlay", "replaced-by", "000000000000"])
def test_no_placeholder_is_left(packaged: Package, placeholder: str) -> None:
    assert placeholder not in packaged.template.read_text()


def test_no_example_of_a_setting_is_left(template: Template) -> None:
    valid_anywhere = {"general", "*", "80"}
    assert {*settings.examples().values()} & {*leaves(template)} <= valid_anywhere


def test_packaging_reads_no_setting_of_the_user_s_own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EXISTING_BUCKET_NAME", "AWS_PROFILE", "MinConfidence"):
        monkeypatch.setenv(name, "mine")
    assert settings.read(packaging._environment()).values == settings.read(settings.examples()).values
    assert "mine" not in packaging._environment().values()


def environments(template: Template) -> list[Template]:
    return [function["Environment"]["Variables"] for function in functions(template).values()]


def test_every_variable_without_a_default_is_in_the_environment_of_each_function(template: Template) -> None:
    needed = settings.examples().keys()
    assert [needed - environment.keys() for environment in environments(template)] == [set()] * 6


def test_every_parameter_of_a_setting_reaches_each_function(template: Template) -> None:
    expected = {
        setting.variable: {"Ref": setting.output}
        for setting in settings.SETTINGS
        if setting.parameter and setting.parameter != "ExistingBucketName"
    }
    assert [expected.items() <= environment.items() for environment in environments(template)] == [True] * 6


def test_no_function_has_a_variable_that_no_setting_reads(template: Template) -> None:
    variables = {setting.variable for setting in settings.SETTINGS}
    assert [environment.keys() - variables for environment in environments(template)] == [set()] * 6


def test_no_function_has_an_existing_bucket_whose_notifications_cloudformation_cannot_change(
    template: Template,
) -> None:
    assert [environment for environment in environments(template) if "EXISTING_BUCKET_NAME" in environment] == []


def test_every_function_answers_with_item_failures(template: Template) -> None:
    assert [environment["PARTIAL_BATCH_RESPONSES"] for environment in environments(template)] == ["yes"] * 6


def test_every_mapping_reports_item_failures(template: Template) -> None:
    assert [mapping["FunctionResponseTypes"] for mapping, _, _ in mappings(template)] == [
        ["ReportBatchItemFailures"]
    ] * 2


def test_no_partition_is_written_down(template: Template) -> None:
    assert [text for text in leaves(template) if re.search(r"arn:aws[\w-]*:", text)] == []


def test_no_region_is_written_down_but_those_without_rekognition(template: Template) -> None:
    assert {text for text in leaves(template) if REGION.search(text)} <= regions.without_rekognition()


def test_the_template_refuses_each_region_that_boto3_knows_to_have_no_rekognition(template: Template) -> None:
    (assertion,) = template["Rules"]["RekognitionExists"]["Assertions"]
    (refused,) = assertion["Assert"]["Fn::Not"]
    assert refused["Fn::Contains"] == [sorted(regions.without_rekognition()), {"Ref": "AWS::Region"}]


# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
def test_a_message_is_hidden_for_six_times_as_long_as_its_function_and_its_window_may_take(template: Template) -> None:
    hidden = [
        queue["VisibilityTimeout"] >= 6 * function["Timeout"] + mapping.get("MaximumBatchingWindowInSeconds", 0)
        for mapping, function, queue in mappings(template)
    ]
    assert hidden == [True, True]


def test_two_batches_at_once_are_allowed_at_least(template: Template) -> None:
    assert [mapping["ScalingConfig"]["MaximumConcurrency"] >= 2 for mapping, _, _ in mappings(template)] == [True, True]


def test_a_batch_of_more_than_ten_has_a_window(template: Template) -> None:
    large = [mapping for mapping, _, _ in mappings(template) if mapping["BatchSize"] > 10]
    assert [mapping["MaximumBatchingWindowInSeconds"] >= 1 for mapping in large] == [True]


def test_no_function_reserves_concurrency(packaged: Package) -> None:
    assert "ReservedConcurrentExecutions" not in packaged.template.read_text()


# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
INLINE_LIMIT = 51_200
# Leaves room for the parameters, roles and schedules to come.
INLINE_BUDGET = 49_000


def test_labelwatch_up_can_send_its_template_without_a_bucket(record_property: Callable[[str, object], None]) -> None:
    size = len(inline(packaging.resources()).encode())
    text = f"{size} bytes: {INLINE_BUDGET - size} left of our budget, {INLINE_LIMIT - size} of CloudFormation's limit"
    record_property("inline template", text)
    sys.stdout.write(f"The inline template has {text}.\n")
    assert size <= INLINE_BUDGET, text


def test_the_inline_template_differs_only_in_texts_of_the_console() -> None:
    template = packaging.resources()
    sent = json.loads(inline(template))
    del template["Metadata"]
    for part in (*template["Parameters"].values(), *template["Outputs"].values()):
        del part["Description"]
        part.pop("ConstraintDescription", None)
    assert sent == template


def test_the_dashboard_is_sent_without_whitespace_and_with_the_same_content() -> None:
    def body(template: Template) -> str:
        text: str = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][0]
        return re.sub(r"(\$\{AlarmOf\w+\})+", "", text)

    written, sent = body(packaging.load_template(PROJECT / "infra" / "resources.yaml")), body(packaging.resources())
    assert json.loads(sent) == json.loads(written)
    assert sent == json.dumps(json.loads(sent), separators=(",", ":"))


@every_bucket
def test_a_bucket_is_found_by_its_tags(name: str) -> None:
    """In the stack of `labelwatch up` too, whose other resources have only the stack's tags."""
    tags = {tag["Key"]: tag["Value"] for tag in packaging.resources()["Resources"][name]["Properties"]["Tags"]}
    assert tags == {"application": "labelwatch", "stack": {"Ref": "AWS::StackName"}}


def test_every_change_of_an_optional_parameter_is_one_of_a_resource() -> None:
    """CloudFormation refuses an update in which no resource changes."""
    template = packaging.resources()
    database = json.dumps(template["Resources"]["Database"])
    optional = {name for name, parameter in template["Parameters"].items() if "Default" in parameter}
    assert {name for name in optional if f"${{{name}}}" not in database} == set()
    required = template["Parameters"].keys() - optional
    assert {name for name in required if f'"{name}"' not in json.dumps(template["Resources"])} == set()


def test_the_queues_are_those_of_the_design(template: Template) -> None:
    assert set(resources(template, "AWS::SQS::Queue")) == QUEUES | DEAD_LETTERS


@pytest.mark.parametrize("name", sorted(QUEUES))
def test_the_handler_moves_to_the_dead_letter_queue_before_the_redrive_policy_does(
    template: Template, name: str
) -> None:
    redrive = resources(template, "AWS::SQS::Queue")[name]["RedrivePolicy"]
    assert redrive["maxReceiveCount"] == max(LAST_RECEIVE + 1, 5)


@pytest.mark.parametrize("name", sorted(QUEUES))
def test_a_queue_redrives_to_its_own_dead_letter_queue(template: Template, name: str) -> None:
    redrive = resources(template, "AWS::SQS::Queue")[name]["RedrivePolicy"]
    assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": [name.replace("Queue", "DeadLetters"), "Arn"]}


@pytest.mark.parametrize("name", sorted(QUEUES | DEAD_LETTERS))
def test_a_queue_keeps_its_messages_for_fourteen_days(template: Template, name: str) -> None:
    assert resources(template, "AWS::SQS::Queue")[name]["MessageRetentionPeriod"] == FOURTEEN_DAYS


def test_every_queue_is_encrypted_with_a_key_that_s3_can_use(template: Template) -> None:
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


def test_the_bucket_is_created_after_the_policy_that_allows_its_notifications(template: Template) -> None:
    assert "ImagesQueuePolicy" in listed(template["Resources"]["InputBucket"]["DependsOn"])


@every_bucket
def test_a_bucket_is_private(template: Template, name: str) -> None:
    block = resources(template, "AWS::S3::Bucket")[name]["PublicAccessBlockConfiguration"]
    switches = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    assert block == dict.fromkeys(switches, True)


@every_bucket
def test_a_bucket_is_encrypted(template: Template, name: str) -> None:
    (rule,) = resources(template, "AWS::S3::Bucket")[name]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}


@every_bucket
def test_a_bucket_outlives_its_stack_but_not_a_failed_first_creation(template: Template, name: str) -> None:
    assert template["Resources"][name]["DeletionPolicy"] == "RetainExceptOnCreate"


@every_bucket
def test_the_policy_of_a_bucket_stays_with_the_bucket(template: Template, name: str) -> None:
    kept = ("DeletionPolicy", "UpdateReplacePolicy")
    bucket, policy = template["Resources"][name], template["Resources"][f"{name}Policy"]
    assert [policy[attribute] for attribute in kept] == [bucket[attribute] for attribute in kept]


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
    expected = tls_only("s3:*", [arn, {"Fn::Sub": f"${{{name}.Arn}}/*"}])
    assert expected in guards(template, "AWS::S3::BucketPolicy", "Bucket")[name]


@pytest.mark.parametrize("name", sorted(QUEUES | DEAD_LETTERS))
def test_a_queue_takes_tls_only(template: Template, name: str) -> None:
    expected = tls_only("sqs:*", {"Fn::GetAtt": [name, "Arn"]})
    assert expected in guards(template, "AWS::SQS::QueuePolicy", "Queues")[name]


def test_every_topic_takes_tls_only(template: Template) -> None:
    policies = guards(template, "AWS::SNS::TopicPolicy", "Topics")
    topics = list(resources(template, "AWS::SNS::Topic"))
    assert [tls_only("sns:Publish", {"Ref": name}) in policies[name] for name in topics] == [True, True]


def test_every_role_has_the_permissions_boundary_of_the_parameter(template: Template) -> None:
    boundary = {"Fn::If": ["HasPermissionsBoundary", {"Ref": "PermissionsBoundaryArn"}, {"Ref": "AWS::NoValue"}]}
    roles = resources(template, "AWS::IAM::Role").values()
    assert [role["PermissionsBoundary"] for role in roles] == [boundary] * 8


def test_no_role_has_a_wildcard_in_an_action(template: Template) -> None:
    found = [statement for _, statement in statements(template)]
    assert [statement for statement in found if "*" in "".join(leaves(statement["Action"]))] == []


def test_only_actions_without_resource_types_are_allowed_on_every_resource(template: Template) -> None:
    broad = [
        (role, statement["Action"], statement["Resource"])
        for role, statement in statements(template)
        if "*" in leaves(statement["Resource"])
    ]
    general = {"Fn::If": ["UsesGeneralLabels", "rekognition:DetectLabels", "rekognition:DetectCustomLabels"]}
    detecting = ("DetectRole", general, {"Fn::If": ["UsesGeneralLabels", "*", {"Ref": "CustomModelARN"}]})
    others = [right for right in broad if right != detecting]
    assert detecting in broad
    assert {(", ".join(listed(actions)), resource) for _, actions, resource in others} == {
        ("xray:PutTraceSegments, xray:PutTelemetryRecords", "*"),
        ("lambda:ListEventSourceMappings", "*"),
        ("rekognition:DescribeProjects", "*"),
    }


def test_every_function_writes_to_a_log_group_of_its_own_that_is_kept_for_90_days(template: Template) -> None:
    groups = resources(template, "AWS::Logs::LogGroup")
    written = [function["LoggingConfig"]["LogGroup"]["Ref"] for function in functions(template).values()]
    assert len(set(written)) == len(written)
    assert [groups[name]["RetentionInDays"] for name in written] == [90] * 6


def test_a_role_may_write_to_the_log_of_its_own_function_only(template: Template) -> None:
    written = {
        function["Role"]["Fn::GetAtt"][0]: function["LoggingConfig"]["LogGroup"]["Ref"]
        for function in functions(template).values()
    }
    allowed = {role: statement for role, statement in statements(template) if statement["Sid"] == "WriteLogs"}
    assert {role: allowed[role]["Resource"] for role in written} == {
        role: {"Fn::GetAtt": [group, "Arn"]} for role, group in written.items()
    }
    assert {action for statement in allowed.values() for action in statement["Action"]} == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }


def test_only_lambda_assumes_a_function_s_role_and_quicksight_its_own(template: Template) -> None:
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


ENDPOINT = "http://127.0.0.1:4566"


def test_the_template_of_the_local_aws_differs_in_the_api_s_address_the_paths_of_limits_and_metric_math_only(
    template: Template,
) -> None:
    local = adapt_to_local_aws(template, ENDPOINT)
    variables = local["Resources"]["Notify"]["Properties"]["Environment"]["Variables"]
    address = {"Fn::Sub": f"{ENDPOINT}/restapis/${{RestAPI}}/api/_user_request_"}
    assert variables["API_URL"] == local["Outputs"]["ApiUrl"]["Value"] == address
    variables["API_URL"] = template["Resources"]["Notify"]["Properties"]["Environment"]["Variables"]["API_URL"]
    local["Outputs"]["ApiUrl"]["Value"] = template["Outputs"]["ApiUrl"]["Value"]
    for limit in local["Resources"]["RestAPI"]["Properties"]["MethodSettings"]:
        limit["ResourcePath"] = limit["ResourcePath"].replace("/p", "/~1p").replace("/{", "~1{").replace("/im", "~1im")
    unused = local["Resources"].pop("ModelUnusedAlarm")["Properties"]
    assert (unused["MetricName"], unused["Statistic"], unused["Period"]) == ("ModelRunning", "Minimum", 900)
    others = {name: resource for name, resource in template["Resources"].items() if name != "ModelUnusedAlarm"}
    assert local == template | {"Resources": others}


def test_the_template_itself_stays_as_it_was(template: Template) -> None:
    before = copy.deepcopy(template)
    adapt_to_local_aws(template, ENDPOINT)
    assert template == before


def gateway_responses(template: Template) -> dict[str, Template]:
    responses: dict[str, Template] = template["Resources"]["RestAPI"]["Properties"]["GatewayResponses"]
    return responses


def test_every_answer_of_api_gateway_itself_is_an_error_of_the_same_shape(template: Template) -> None:
    for response in gateway_responses(template).values():
        (media_type, content) = next(iter(response["ResponseTemplates"].items()))
        error = json.loads(content)["error"]
        assert (media_type, set(error)) == ("application/json", {"code", "message", "field"})
        assert error["code"]
        assert error["message"]


def test_no_answer_of_api_gateway_itself_repeats_the_request(template: Template) -> None:
    """Its own message may hold the Authorization header."""
    assert "context.error.message" not in json.dumps(gateway_responses(template))


def test_every_other_error_of_api_gateway_has_the_same_shape(template: Template) -> None:
    assert {"DEFAULT_4XX", "DEFAULT_5XX"} <= set(gateway_responses(template))


def test_the_api_is_open_to_a_page_only_where_an_origin_is_set(template: Template) -> None:
    origin = {"Fn::If": ["HasUploadOrigin", {"Fn::Sub": "'${UploadOrigin}'"}, {"Ref": "AWS::NoValue"}]}
    headers = [response["ResponseParameters"]["Headers"] for response in gateway_responses(template).values()]
    assert headers == [{"Access-Control-Allow-Origin": origin}] * len(headers)


def test_the_input_bucket_is_open_to_uploads_of_a_page_only_where_an_origin_is_set(template: Template) -> None:
    condition, cors, otherwise = resources(template, "AWS::S3::Bucket")["InputBucket"]["CorsConfiguration"]["Fn::If"]
    assert (condition, otherwise) == ("HasUploadOrigin", {"Ref": "AWS::NoValue"})
    (rule,) = cors["CorsRules"]
    assert (rule["AllowedMethods"], rule["AllowedOrigins"]) == (["PUT"], [{"Ref": "UploadOrigin"}])
    # What a page must send beside the type: chalicelib/adapters/s3.py signs it.
    assert rule["AllowedHeaders"] == ["content-type", "if-none-match"]


def test_no_other_bucket_is_open_to_a_page(template: Template) -> None:
    buckets = resources(template, "AWS::S3::Bucket")
    assert {name for name, bucket in buckets.items() if "CorsConfiguration" in bucket} == {"InputBucket"}


def test_the_contract_states_the_limits_that_are_set(template: Template) -> None:
    contract = (PROJECT / "docs" / "openapi.yaml").read_text()
    for limit in limits(template).values():
        assert f"{limit['ThrottlingRateLimit']} requests per second" in contract
        assert f"bursts of {limit['ThrottlingBurstLimit']} " in contract


@pytest.mark.parametrize("path", ["/~1p~1{link_id}", "/~1p~1{link_id}~1image"])
def test_a_route_of_the_picture_page_has_a_lower_limit(template: Template, path: str) -> None:
    """AWS requires ~1: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-apigateway-stage-methodsetting.html."""
    limit = limits(template)["GET", path]
    assert (limit["ThrottlingRateLimit"], limit["ThrottlingBurstLimit"]) == (10, 20)


def test_the_routes_that_read_something_without_a_token_have_a_lower_limit_and_no_others(template: Template) -> None:
    """/health and the preflight request read nothing."""
    paths = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    open_to_all = {
        (method.upper(), f"/{path.replace('/', '~1')}")
        for path, methods in paths.items()
        for method, operation in methods.items()
        if "security" not in operation and (method, path) not in {("get", "/health"), ("options", "/uploads")}
    }
    assert open_to_all == set(limits(template)) - {("*", "/*")}


def test_the_local_aws_reads_the_paths_of_the_limits(template: Template) -> None:
    assert set(limits(adapt_to_local_aws(template, ENDPOINT))) == {
        ("*", "/*"), ("GET", "/p/{link_id}"), ("GET", "/p/{link_id}/image"),
    }  # fmt: skip


def limits(template: Template) -> dict[tuple[str, str], Template]:
    """The limits of the API's stage, by method and path."""
    settings = template["Resources"]["RestAPI"]["Properties"]["MethodSettings"]
    return {(limit["HttpMethod"], limit["ResourcePath"]): limit for limit in settings}


def test_api_gateway_and_the_function_accept_the_same_tokens(template: Template) -> None:
    definition = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["securityDefinitions"]["authorize"]
    assert definition["x-amazon-apigateway-authorizer"]["identityValidationExpression"] == BEARER


def test_the_api_answers_before_api_gateway_gives_up(template: Template) -> None:
    """After 29 s: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html."""
    timeouts = [functions(template)[name]["Timeout"] for name in ("APIHandler", "Authorize")]
    assert max(timeouts) < 29


def statement_of(template: Template, role: str, sid: str) -> Template:
    (found,) = [statement for owner, statement in statements(template) if (owner, statement["Sid"]) == (role, sid)]
    return found


def test_authorize_may_update_the_tokens_of_the_table_only(template: Template) -> None:
    statement = statement_of(template, "AuthorizeRole", "UpdateTokens")
    assert (statement["Action"], statement["Resource"]) == ("dynamodb:UpdateItem", {"Fn::GetAtt": ["Table", "Arn"]})
    assert statement["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["token"]}}


def test_the_api_may_count_uploads_and_record_uploads_and_write_nothing_else_to_the_table(template: Template) -> None:
    written = {
        statement["Action"]: statement["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"]
        for role, statement in statements(template)
        if role == "ApiHandlerRole" and statement["Resource"] == {"Fn::GetAtt": ["Table", "Arn"]}
    }
    assert written == {
        "dynamodb:UpdateItem": ["upload-count"],
        "dynamodb:PutItem": ["upload"],
        "dynamodb:GetItem": ["link"],
    }


def test_an_upload_can_be_signed_under_its_prefix_only(template: Template) -> None:
    statement = statement_of(template, "ApiHandlerRole", "SignUploads")
    assert (statement["Action"], statement["Resource"]) == (
        "s3:PutObject",
        {"Fn::Sub": "${InputBucket.Arn}/uploads/*"},
    )


def test_the_table_has_point_in_time_recovery(template: Template) -> None:
    recovery = resources(template, "AWS::DynamoDB::Table")["Table"]["PointInTimeRecoverySpecification"]
    assert recovery == {"PointInTimeRecoveryEnabled": True}


def holds(template: Template, condition: Any, parameters: dict[str, str]) -> bool:
    """Whether a condition holds where the parameters have these values, and else their defaults."""
    match condition:
        case {"Fn::Equals": [{"Ref": name}, value]}:
            return bool(parameters.get(name, str(template["Parameters"][name].get("Default"))) == value)
        case {"Condition": name}:
            return holds(template, template["Conditions"][name], parameters)
        case {"Fn::Not": [negated]}:
            return not holds(template, negated, parameters)
        case {"Fn::And": parts}:
            return all(holds(template, part, parameters) for part in parts)
        case {"Fn::Or": parts}:
            return any(holds(template, part, parameters) for part in parts)
    raise AssertionError(condition)


@pytest.mark.parametrize(
    ("parameters", "pauses"),
    [
        ({}, False),
        ({"MaxImagesPerDay": "1000"}, True),
        ({"CustomModelARN": "arn:of:a:model"}, True),
    ],
)
def test_detect_may_pause_polling_where_a_model_may_stop_or_the_images_of_a_day_are_limited(
    template: Template, parameters: dict[str, str], *, pauses: bool
) -> None:
    (policy,) = resources(template, "AWS::IAM::Role")["DetectRole"]["Policies"]
    conditions = {
        statement["Fn::If"][0]
        for statement in policy["PolicyDocument"]["Statement"]
        if "Fn::If" in statement and "EventSourceMapping" in json.dumps(statement)
    }
    assert [holds(template, {"Condition": name}, parameters) for name in conditions] == [pauses]


def rule_passes(template: Template, name: str, parameters: dict[str, str]) -> bool:
    rule = template["Rules"][name]
    (assertion,) = rule["Assertions"]
    return not holds(template, rule["RuleCondition"], parameters) or holds(template, assertion["Assert"], parameters)


@pytest.mark.parametrize(
    ("parameters", "passes"),
    [
        ({}, True),
        ({"ModelMaxHoursPerMonth": "40"}, True),
        ({"ModelAutoStart": "yes"}, False),
        ({"ModelAutoStart": "yes", "ModelMaxHoursPerMonth": "40"}, True),
    ],
)
def test_the_template_refuses_an_automatic_start_without_a_limit_of_hours(
    template: Template, parameters: dict[str, str], *, passes: bool
) -> None:
    assert rule_passes(template, "AutoStartHasLimit", parameters) is passes


def rules_with(template: Template, bucket: str, parameters: dict[str, str]) -> dict[str, Any]:
    """The bucket's lifecycle rules by id, without those whose condition does not hold."""

    def chosen(value: Any) -> Any:
        match value:
            case {"Fn::If": [condition, yes, no]}:
                return chosen(yes if holds(template, {"Condition": condition}, parameters) else no)
        return value

    configuration = chosen(template["Resources"][bucket]["Properties"].get("LifecycleConfiguration", {}))
    found = [chosen(rule) for rule in configuration.get("Rules", [])]
    return {rule["Id"]: rule for rule in found if "Id" in rule}


@pytest.mark.parametrize(
    ("bucket", "parameter", "rule"),
    [
        ("InputBucket", "ImageDays", "images"),
        ("OutputBucket", "PredictionDays", "predictions"),
    ],
)
def test_current_and_older_versions_expire_only_where_a_parameter_says_so(
    template: Template, bucket: str, parameter: str, rule: str
) -> None:
    assert rule not in rules_with(template, bucket, {})
    found = rules_with(template, bucket, {parameter: "90"})[rule]
    assert (found["Status"], found["ExpirationInDays"]) == ("Enabled", {"Ref": parameter})
    assert found["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
    # S3 takes no rule that has both; with days it removes the delete markers of that age as well.
    assert "ExpiredObjectDeleteMarker" not in found


def test_only_rows_expire_in_the_output_bucket_and_unfinished_uploads_always_do(template: Template) -> None:
    assert rules_with(template, "OutputBucket", {"PredictionDays": "90"})["predictions"]["Prefix"] == "predictions/"
    for parameters in ({}, {"ImageDays": "90"}):
        assert "unfinished-uploads" in rules_with(template, "InputBucket", parameters)


MODEL_CONDITIONS = ("UsesCustomModel", "StartsModel", "StopsIdleModel", "LimitsModelHours", "StopsModel")
CUSTOM_MODEL = {"CustomModelARN": "arn:of:a:model"}


@pytest.mark.parametrize(
    ("parameters", "true_conditions"),
    [
        ({}, ""),
        ({"ModelAutoStart": "yes", "ModelIdleMinutes": "30", "ModelMaxHoursPerMonth": "40"}, ""),
        (CUSTOM_MODEL, "UsesCustomModel"),
        (CUSTOM_MODEL | {"ModelAutoStart": "yes"}, "UsesCustomModel StartsModel"),
        (CUSTOM_MODEL | {"ModelIdleMinutes": "30"}, "UsesCustomModel StopsIdleModel StopsModel"),
        (CUSTOM_MODEL | {"ModelMaxHoursPerMonth": "40"}, "UsesCustomModel LimitsModelHours StopsModel"),
    ],
)
def test_the_model_may_be_started_and_stopped_only_where_a_parameter_says_so(
    template: Template, parameters: dict[str, str], true_conditions: str
) -> None:
    found = [name for name in MODEL_CONDITIONS if holds(template, {"Condition": name}, parameters)]
    assert found == true_conditions.split()
