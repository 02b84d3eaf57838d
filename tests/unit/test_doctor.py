"""Each check of `labelwatch doctor` by its own findings, on an account that is healthy but for one fault."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from labelwatch.deploy import resources, stage
from labelwatch.doctor import as_text, examine, read_status
from labelwatch.doctor.examine import CHECKS
from labelwatch.doctor.functions import API, SCHEDULE
from labelwatch.doctor.rights import LEADING_KEYS, REQUIRED
from labelwatch.shared.errors import UserError
from labelwatch.shared.findings import Finding, Result, as_json
from tests.support import fake_deployment as aws
from tests.support import template
from tests.support.builders import MODEL
from tests.support.fake_account import OWNER, REGION, STACK
from tests.support.fake_deployment import STATEMENTS, VALUES, FakeDeployedAccount, FakeIam, denied, refusal

TABLE = f"arn:aws:dynamodb:{REGION}:{OWNER}:table/{VALUES['TableName']}"
GENERAL = "general"

type Answers = dict[str, Any]


@pytest.fixture
def account() -> FakeDeployedAccount:
    return FakeDeployedAccount()


def findings(fake: FakeDeployedAccount) -> list[Finding]:
    account: Any = fake
    return examine(account, STACK, " --stack x")


def problems(fake: FakeDeployedAccount) -> list[Finding]:
    return [finding for finding in findings(fake) if finding.result != Result.PASS]


def finding_of(fake: FakeDeployedAccount, check: str) -> Finding:
    (found,) = [finding for finding in findings(fake) if finding.check == check]
    return found


def names_of(found: list[Finding]) -> set[str]:
    return {finding.check for finding in found}


# --- Faults, as what AWS answers.


def settings(**changes: str) -> Answers:
    """The stack and its functions with these parameters."""
    return {
        "cloudformation.describe_stacks": aws.stack(**changes),
        "lambda.get_function_configuration": aws.configured(**changes),
    }


def model(status: str, *, polled: str = "Disabled", **more: Any) -> Answers:
    return {"rekognition.describe_project_versions": aws.model(status, **more)} | mappings(ImagesQueueArn=[polled])


def mappings(**states: list[str]) -> Answers:
    """The states of the event source mappings of each queue; Enabled where none are given."""

    def answer(EventSourceArn: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        (queue,) = [name for name in ("ImagesQueueArn", "PredictionsQueueArn") if VALUES[name] == EventSourceArn]
        return {"EventSourceMappings": [{"State": state} for state in states.get(queue, ["Enabled"])]}

    return {"lambda.list_event_source_mappings": answer}


def without_function(name: str) -> Answers:
    def answer(FunctionName: str) -> dict[str, Any]:  # noqa: N803 - the same
        if FunctionName.endswith(name):
            raise refusal("ResourceNotFoundException")
        return aws.configured()(FunctionName)

    return {"lambda.get_function_configuration": answer}


def reporting(FunctionName: str) -> dict[str, Any]:  # noqa: N803 - the same
    healthy = aws.configured()(FunctionName)
    variables = healthy["Environment"]["Variables"] | {"PARTIAL_BATCH_RESPONSES": "yes"}
    return healthy | {"Environment": {"Variables": variables}}


def with_role(role: str) -> Answers:
    return {"lambda.get_function_configuration": lambda **function: aws.configured()(**function) | {"Role": role}}


def with_timeout(seconds: int) -> Answers:
    return {"lambda.get_function_configuration": lambda **name: aws.configured()(**name) | {"Timeout": seconds}}


def rights(*more: tuple[str, str, str, str | None], without: str = "") -> Answers:
    iam = FakeIam()
    iam.granted = {right for right in iam.granted | set(more) if right[1] != without}
    return {"iam.simulate_principal_policy": iam.simulate}


def queues(*, only: str = "", depth: int = 0, **attributes: str) -> Answers:
    """Every queue with these messages and attributes, or only the queue whose URL ends so."""

    def answer(QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803 - the same
        is_meant = QueueUrl.endswith(only)
        healthy: Callable[..., dict[str, Any]] = aws.queue(depth if is_meant else 0, **attributes if is_meant else {})
        return healthy(QueueUrl, AttributeNames)

    return {"sqs.get_queue_attributes": answer}


def age(hours: float) -> Answers:
    return {"cloudwatch.get_metric_statistics": {"Datapoints": [{"Maximum": hours * 3600}, {"Maximum": 0.0}]}}


def subscriptions(arn: str, **attributes: str) -> Answers:
    """A confirmed queue, and an e-mail address with this ARN and these attributes."""
    listed = [("sqs", "arn:queue", "arn:1"), ("email", "grower@example.com", arn)]
    return {
        "sns.list_subscriptions_by_topic": {
            "Subscriptions": [
                {"Protocol": protocol, "Endpoint": endpoint, "SubscriptionArn": arn}
                for protocol, endpoint, arn in listed
            ]
        },
        "sns.get_subscription_attributes": lambda SubscriptionArn: {  # noqa: N803 - the same
            "Attributes": {"ConfirmationWasAuthenticated": "true"} if SubscriptionArn == "arn:1" else attributes
        },
    }


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Statement": statements})


def stack(status: str = "UPDATE_COMPLETE", without: str = "") -> Answers:
    return {"cloudformation.describe_stacks": aws.stack(status, without)}


def unset(configuration: str, code: str) -> Answers:
    return {f"s3.get_{configuration}": refusal(code)}


REFUSES_HTTP, ALLOWS_BUCKET = map(policy, STATEMENTS)
NO_LABELS: Answers = {"rekognition.list_dataset_labels": {"DatasetLabelDescriptions": []}}
NO_ENCRYPTION = "ServerSideEncryptionConfigurationNotFoundError"
NO_IMAGE = {"s3.list_objects_v2": {"KeyCount": 0}}
OLD_SETTING = {"lambda.get_function_configuration": aws.configured(MinConfidence="1")}
NO_TABLE = {"glue.get_table": refusal("EntityNotFoundException")}
MOVED_TABLE: Answers = {"glue.get_table": lambda **name: aws.table(**name, location="s3://b")}
NO_SUMMARY = {"rekognition.describe_project_versions": aws.model(EvaluationResult={})}
CONCURRENCY = {"AccountLimit": {"UnreservedConcurrentExecutions": 10}}
UNINVOKED = {"lambda.get_policy": {"Policy": aws.invoked_by(SCHEDULE)}}
THROTTLED: Answers = {"lambda.get_function_concurrency": {"ReservedConcurrentExecutions": 0}}
OTHER_REDRIVE = {"deadLetterTargetArn": "arn:aws:sqs:::other", "maxReceiveCount": 20}
EARLY_REDRIVE = {"deadLetterTargetArn": "arn:aws:sqs:::images-dead", "maxReceiveCount": 1}
NO_EXPIRY = {"dynamodb.describe_time_to_live": {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}}
NO_BACKUPS: Answers = {"dynamodb.describe_continuous_backups": {"ContinuousBackupsDescription": {}}}
UNSET_SETTINGS = {"lambda.get_function_configuration": lambda **name: aws.configured()(**name) | {"Environment": {}}}
SILENT, TO_OTHERS = aws.alarm(ActionsEnabled=False), aws.alarm(AlarmActions=["arn:other"])
DELETED = refusal("ResourceNotFoundException")
OTHER_MODEL = {"ProjectVersionDescriptions": [{"ProjectVersionArn": "arn:other", "Status": "RUNNING"}]}

# Chalice's file is compared where a clone has the stage, in test_doctor_stage_file.py.
OF_EVERY_STACK = {check.name for check in CHECKS} - {"Stage file"}


def named(value: object) -> str:
    """The same name in each process, which the answers have not."""
    return value if isinstance(value, str) else "answers"


@pytest.mark.parametrize(
    ("check", "result", "phrase", "answers"),
    [
        ("Stack", "fail", "UPDATE_ROLLBACK_FAILED", stack("UPDATE_ROLLBACK_FAILED")),
        ("Lambda concurrency", "warn", "Service Quotas", {"lambda.get_account_settings": CONCURRENCY}),
        ("SMS", "warn", "sandbox", {"sns.get_sms_sandbox_account_status": {"IsInSandbox": True}}),
        ("Model", "fail", "TRAINING_FAILED", model("TRAINING_FAILED")),
        ("Model", "warn", "COPYING_IN_PROGRESS", model("COPYING_IN_PROGRESS")),
        ("Labels of interest", "fail", "'Brown Spot'", settings(LabelsofInterest="leaf-smut, brownspot")),
        ("Labels of interest", "fail", "Brown Spot, bacterial-leaf-blight", settings(LabelsofInterest="wheat")),
        ("Labels of interest", "warn", "Rekognition console", NO_SUMMARY | NO_LABELS),
        ("Functions", "fail", "Not deployed: notify.", without_function("-notify")),
        ("Functions", "fail", "(MinConfidence)", OLD_SETTING),
        ("Functions", "fail", "reserved concurrency", THROTTLED),
        ("Functions", "fail", "under 60 seconds: detect, notify", with_timeout(59)),
        ("Functions", "fail", "Without the stack's settings", UNSET_SETTINGS),
        ("Invocations", "fail", "apigateway.amazonaws.com", UNINVOKED),
        ("Invocations", "fail", "events.amazonaws.com", {"lambda.get_policy": {"Policy": aws.invoked_by(API)}}),
        ("Invocations", "fail", "no permission", {"lambda.get_policy": DELETED}),
        ("Invocations", "fail", "no permission", {"lambda.get_policy": {"Policy": policy({"Principal": "*"})}}),
        ("Invocations", "fail", "by events", {"events.describe_rule": {"Name": "other", "State": "ENABLED"}}),
        ("Invocations", "fail", "No schedule", {"events.list_rule_names_by_target": {"RuleNames": []}}),
        ("Invocations", "fail", "disabled", {"events.describe_rule": aws.scheduled("DISABLED")}),
        ("Invocations", "fail", "rate(7 days)", {"events.describe_rule": aws.scheduled(rate="rate(7 days)")}),
        ("Failed messages", "fail", "detect and notify", {"lambda.get_function_configuration": reporting}),
        ("Roles", "fail", "notify lacks sns:Publish", rights(without="sns:Publish")),
        ("Roles", "fail", "detect must not have dynamodb:Scan", rights(("detect", "dynamodb:Scan", TABLE, None))),
        ("Roles", "fail", "authorize must not", rights(("authorize", "dynamodb:UpdateItem", TABLE, "another"))),
        ("Time zone", "warn", "Europe/Berlin", settings(TimeZone="Mars/Olympus")),
        ("REST API", "fail", "limits", {"apigateway.get_stage": {}}),
        ("REST API", "fail", "chalice deploy --stage", stack(without="RestAPIId")),
        ("Polling", "fail", "images queue's", mappings(ImagesQueueArn=["Disabled"])),
        ("Polling", "fail", "predictions queue's", mappings(PredictionsQueueArn=["Disabled"])),
        ("Polling", "fail", "no event source mappings", mappings(ImagesQueueArn=[])),
        ("Polling", "fail", "2 event source mappings", mappings(PredictionsQueueArn=["Enabled", "Enabled"])),
        ("Polling", "fail", "is Enabled", model("STOPPED", polled="Enabled")),
        ("Event notifications", "fail", "s3://images --stack x", {"s3.get_bucket_notification_configuration": {}}),
        ("Queues", "fail", "plain HTTP", queues(Policy=ALLOWS_BUCKET)),
        ("Queues", "fail", "input bucket", queues(only="/images", Policy=REFUSES_HTTP)),
        ("Queues", "fail", "no dead-letter queue", queues(RedrivePolicy="")),
        ("Queues", "fail", "than images-dead", queues(only="/images", RedrivePolicy=json.dumps(OTHER_REDRIVE))),
        ("Queues", "fail", "1 receives", queues(only="/images", RedrivePolicy=json.dumps(EARLY_REDRIVE))),
        ("Queues", "fail", "30 instead of 360", queues(only="/images", VisibilityTimeout="30")),
        ("Queues", "fail", "MessageRetentionPeriod 60", queues(MessageRetentionPeriod="60")),
        ("Queues", "fail", "DelaySeconds 900", queues(DelaySeconds="900")),
        ("Queues", "fail", "not encrypted", queues(SqsManagedSseEnabled="false")),
        ("Waiting images", "warn", "s3:TestEvent", queues(only="/images", depth=1) | NO_IMAGE),
        ("Waiting images", "warn", "30 hours", queues(only="/images", depth=1) | age(30)),
        ("Dead letters", "warn", "labelwatch dead-letters list --stack x", queues(only="/predictions-dead", depth=2)),
        ("Buckets", "fail", "public access", unset("public_access_block", "NoSuchPublicAccessBlockConfiguration")),
        ("Buckets", "fail", "ACLs", unset("bucket_ownership_controls", "OwnershipControlsNotFoundError")),
        ("Buckets", "fail", "encryption", unset("bucket_encryption", NO_ENCRYPTION)),
        ("Buckets", "fail", "images has no versioning", {"s3.get_bucket_versioning": {}}),
        ("Buckets", "fail", "plain HTTP", unset("bucket_policy", "NoSuchBucketPolicy")),
        ("Access logs", "warn", "images and predictions", {"s3.get_bucket_logging": {}}),
        ("Subscriptions", "fail", "labelwatch subscribe", {"sns.list_subscriptions_by_topic": {"Subscriptions": []}}),
        ("Subscriptions", "warn", "1 unconfirmed", subscriptions("PendingConfirmation")),
        ("Subscriptions", "warn", "link in a message", subscriptions("arn:2")),
        ("Athena tables", "warn", "labelwatch athena up --stack x", NO_TABLE),
        ("Athena tables", "fail", "labelwatch athena up --stack x", MOVED_TABLE),
        ("Table", "fail", "system backup", {"dynamodb.describe_time_to_live": DELETED}),
        ("Table", "warn", "TTL", NO_EXPIRY),
        ("Table", "warn", "point-in-time", NO_BACKUPS),
        ("Alarms", "fail", "OldAlarm", {"cloudwatch.describe_alarms": {"MetricAlarms": []}}),
        ("Alarms", "fail", "Enable the actions", {"cloudwatch.describe_alarms": {"MetricAlarms": [SILENT]}}),
        ("Alarms", "fail", "with the topic", {"cloudwatch.describe_alarms": {"MetricAlarms": [TO_OTHERS]}}),
        ("Logs", "fail", "aws logs create-log-group", {"logs.describe_log_groups": {"logGroups": []}}),
    ],
    ids=named,
)  # fmt: skip
def test_a_fault_is_found_by_its_own_check_alone(
    account: FakeDeployedAccount, check: str, result: str, phrase: str, answers: Answers
) -> None:
    account.answers |= answers
    found = problems(account)
    assert {(finding.check, finding.result) for finding in found} == {(check, result)}
    assert all(phrase in f"{finding.found} {finding.action}" for finding in found)


def test_a_healthy_deployment_passes_every_check(account: FakeDeployedAccount) -> None:
    assert problems(account) == []
    assert names_of(findings(account)) == {"Credentials", "Stack", *OF_EVERY_STACK}


@pytest.mark.parametrize(
    "answers",
    [
        model("STOPPED"),
        model("RUNNING", polled="Enabling"),
        settings(LabelsofInterest="*"),
        settings(LabelsofInterest="BROWN SPOT:95, *"),
        settings(CustomModelARN=GENERAL, LabelsofInterest="Leaf"),
        {"s3.get_object": denied("s3:GetObject")},  # then the labels are those of the dataset
        subscriptions("Deleted"),
    ],
    ids=["stopped", "resuming", "any label", "case", "general", "no summary", "deleted"],
)
def test_what_is_right_as_it_is_passes(account: FakeDeployedAccount, answers: Answers) -> None:
    iam = FakeIam()
    iam.granted |= {("detect", "rekognition:DetectLabels", "*", None)} if GENERAL in str(answers) else set()
    account.answers |= answers | {"iam.simulate_principal_policy": iam.simulate}
    assert problems(account) == []


def test_a_model_that_does_not_exist_fails_and_polling_is_paused(account: FakeDeployedAccount) -> None:
    account.answers |= {"rekognition.describe_projects": {"ProjectDescriptions": []}}
    assert MODEL in finding_of(account, "Model").found
    assert finding_of(account, "Polling").result == Result.FAIL


def test_two_other_models_that_run_leave_no_quota(account: FakeDeployedAccount) -> None:
    project = {"ProjectArn": "arn:p", "Datasets": []}
    account.answers |= {
        "rekognition.describe_projects": {"ProjectDescriptions": [project, project]},
        "rekognition.describe_project_versions": OTHER_MODEL,
    }
    assert finding_of(account, "Running models").result == Result.WARN


def test_a_region_without_rekognition_fails(account: FakeDeployedAccount) -> None:
    account.region = "eu-west-3"
    found = finding_of(account, "Region")
    assert found.result == Result.FAIL
    assert "eu-west-1" in found.action


def test_functions_of_the_stack_itself_are_found_by_their_logical_ids(account: FakeDeployedAccount) -> None:
    names = {"APIHandler": STACK} | {
        "".join(map(str.capitalize, name.split("_"))): f"{STACK}-{name}"
        for name in stage.ROLES
        if name != "api_handler"
    }
    del names["ManageModel"]
    account.answers["cloudformation.list_stack_resources"] = aws.stack_resources(**names)
    (found,) = problems(account)
    assert found.found == "Not deployed: manage_model."


def test_an_existing_bucket_needs_its_notification_to_ingest(account: FakeDeployedAccount) -> None:
    ours = {"LambdaFunctionArn": f"arn:aws:lambda:::function:{STACK}-ingest", "Events": ["s3:ObjectCreated:*"]}
    ingest_role = {stage.ROLES["ingest"]: aws.role_of("ingest")}
    account.answers |= settings(ExistingBucketName="cameras")
    description = aws.stack(ExistingBucketName="cameras", **ingest_role)
    account.answers["cloudformation.describe_stacks"] = description
    queue = account.answers["s3.get_bucket_notification_configuration"]
    account.answers["s3.get_bucket_notification_configuration"] = lambda Bucket: (  # noqa: N803 - boto3's name
        {"LambdaFunctionConfigurations": [ours]} if Bucket == "cameras" else queue
    )
    assert finding_of(account, "Event notifications").result == Result.PASS
    account.answers["s3.get_bucket_notification_configuration"] = queue
    assert "cameras" in finding_of(account, "Event notifications").found


# --- Refusals of AWS


@pytest.mark.parametrize(
    ("operation", "checks"),
    [
        ("lambda.get_account_settings", {"Lambda concurrency"}),
        ("lambda.get_function_configuration", {"Functions", "Failed messages", "Invocations"}),
        ("lambda.get_function_concurrency", {"Functions"}),
        ("lambda.get_policy", {"Invocations"}),
        ("events.list_rule_names_by_target", {"Invocations"}),
        ("dynamodb.describe_time_to_live", {"Table"}),
        ("cloudwatch.describe_alarms", {"Alarms"}),
        ("logs.describe_log_groups", {"Logs"}),
        ("lambda.list_event_source_mappings", {"Polling", "Failed messages"}),
        ("iam.simulate_principal_policy", {"Roles"}),
        ("apigateway.get_stage", {"REST API"}),
        ("s3.get_bucket_notification_configuration", {"Event notifications"}),
        ("s3.get_bucket_policy", {"Buckets"}),
        ("s3.get_bucket_logging", {"Access logs"}),
        ("sns.list_subscriptions_by_topic", {"Subscriptions"}),
        ("glue.get_table", {"Athena tables"}),
    ],
)
def test_a_missing_right_is_named_and_stops_no_other_check(
    account: FakeDeployedAccount, operation: str, checks: set[str]
) -> None:
    account.answers[operation] = denied("service:Action")
    found = problems(account)
    assert {(finding.check, finding.result) for finding in found} == {(check, Result.WARN) for check in checks}
    assert all("needs service:Action." in finding.found for finding in found)
    assert names_of(findings(account)) == {"Credentials", "Stack", *OF_EVERY_STACK}


@pytest.mark.parametrize(
    ("operation", "action"),
    [("GetPublicAccessBlock", "s3:GetBucketPublicAccessBlock"), ("GetBucketPolicy", "s3:GetBucketPolicy")],
)
def test_the_action_is_named_where_s3_does_not_name_it(
    account: FakeDeployedAccount, operation: str, action: str
) -> None:
    account.answers["s3.get_public_access_block"] = refusal("AccessDenied", "Access Denied", operation)
    assert action in finding_of(account, "Buckets").found


def test_the_cause_of_an_error_of_ours_is_named(account: FakeDeployedAccount) -> None:
    account.answers["sqs.get_queue_attributes"] = denied("sqs:GetQueueAttributes")  # a Fault of the adapter has it
    assert "sqs:GetQueueAttributes" in finding_of(account, "Dead letters").found


def test_a_refusal_for_another_reason_is_a_warning(account: FakeDeployedAccount) -> None:
    account.answers["glue.get_table"] = EndpointConnectionError(endpoint_url="https://glue")
    (found,) = problems(account)
    assert (found.check, found.result) == ("Athena tables", Result.WARN)


def test_a_deleted_queue_fails(account: FakeDeployedAccount) -> None:
    account.answers["sqs.get_queue_attributes"] = refusal("AWS.SimpleQueueService.NonExistentQueue")
    assert {finding.result for finding in problems(account)} == {Result.FAIL}
    assert names_of(problems(account)) == {"Queues", "Waiting images", "Dead letters"}
    assert any("predictions queue" in finding.found for finding in problems(account))


def test_no_check_changes_anything_or_receives_a_message(account: FakeDeployedAccount) -> None:
    findings(account)
    operations = {call.partition(".")[2] for call in account.calls}
    assert {operation.partition("_")[0] for operation in operations} == {"describe", "get", "list", "simulate"}


# --- Before the deployment


def test_before_a_deployment_only_the_account_is_checked(account: FakeDeployedAccount) -> None:
    account.answers["cloudformation.describe_stacks"] = refusal("ValidationError")
    assert names_of(findings(account)) == {
        "Credentials", "Stack", "Region", "Lambda concurrency", "SMS", "Running models",
    }  # fmt: skip
    (found,) = problems(account)
    assert (found.check, found.result) == ("Stack", Result.WARN)


@pytest.mark.parametrize(
    ("answer", "result", "phrase"),
    [
        (aws.stack("UPDATE_IN_PROGRESS"), Result.WARN, "UPDATE_IN_PROGRESS"),
        (aws.stack(without="TableName"), Result.FAIL, "TableName"),
        (denied("cloudformation:DescribeStacks"), Result.WARN, "needs cloudformation:DescribeStacks"),
    ],
    ids=["in progress", "another", "denied"],
)
def test_a_stack_that_cannot_be_checked_is_reported(
    account: FakeDeployedAccount, answer: Any, result: Result, phrase: str
) -> None:
    account.answers["cloudformation.describe_stacks"] = answer
    (found,) = problems(account)
    assert (found.check, found.result) == ("Stack", result)
    assert phrase in found.found


def test_without_credentials_nothing_else_is_checked() -> None:
    class NoCredentials(FakeDeployedAccount):
        @property
        def id(self) -> str:  # type: ignore[override]
            raise UserError("No AWS credentials found.")

    (found,) = findings(NoCredentials())
    assert (found.check, found.result) == ("Credentials", Result.FAIL)


# --- The table of rights


@pytest.mark.parametrize("function", REQUIRED)
def test_the_table_of_rights_has_the_actions_and_keys_of_the_template(function: str) -> None:
    role = stage.ROLES[function].removesuffix("Arn")
    found: set[tuple[str, str]] = set()
    for name, statement in template.statements(resources()):
        if name != role or statement["Sid"] in {"WriteLogs", "Trace"}:
            continue
        keys = statement.get("Condition", {}).get("ForAllValues:StringEquals", {}).get(LEADING_KEYS, [""])
        actions = statement["Action"]
        names = actions["Fn::If"][1:] if isinstance(actions, dict) else template.listed(actions)
        found |= {(action, key) for action in names for key in keys}
    table = {
        (action, right.context.value if right.context and right.context.key == LEADING_KEYS else "")
        for right in REQUIRED[function]
        for action in right.actions.split()
    }
    assert table == found


# --- Output


def test_the_text_fits_a_terminal_and_keeps_commands_whole(account: FakeDeployedAccount) -> None:
    account.answers |= {"s3.get_bucket_notification_configuration": {}, "s3.get_bucket_logging": {}}
    found = findings(account)
    for width in range(60, 81):  # so that the command once stands at the end of a line
        text = as_text(found, width)
        assert max(map(len, text.splitlines())) <= width
        assert "`labelwatch backfill s3://images --stack x`" in text
    assert text.endswith("27 findings: 25 pass, 1 warn, 1 fail.\n")


def test_json_has_each_finding(account: FakeDeployedAccount) -> None:
    content = json.loads(as_json(findings(account), stack=STACK))
    assert content["stack"] == STACK
    assert {"check": "Model", "result": "pass"}.items() <= content["findings"][6].items()


def test_the_status_fits_one_screen(account: FakeDeployedAccount) -> None:
    fake: Any = account
    account.answers |= queues(only="/images", depth=1234) | subscriptions("PendingConfirmation")
    lines = read_status(fake, STACK).as_text().splitlines()
    assert len(lines) < 24
    assert max(map(len, lines)) <= 80
    assert {"Model: RUNNING", "Polling: on", "Images waiting: 1,234", "Image dead letters: 0"} <= set(lines)
    assert "Subscribers of alerts: 1 confirmed, 1 unconfirmed" in lines
    assert "Images alerted today (UTC): 3" in lines


def test_a_value_that_cannot_be_read_is_null_with_its_reason(account: FakeDeployedAccount) -> None:
    fake: Any = account
    account.answers["dynamodb.query"] = denied("dynamodb:Query")
    status = json.loads(read_status(fake, STACK).as_json())
    assert status["values"]["images_alerted_today"] is None
    assert "dynamodb:Query" in status["unreadable"]["images_alerted_today"]
    assert status["values"]["model"] == "RUNNING"


def image_limit(most: int, images: int) -> Answers:
    item = {"Item": {"images": {"N": str(images)}}}
    return settings(MaxImagesPerDay=str(most)) | {"dynamodb.get_item": item}


def test_a_limit_of_images_that_is_reached_is_a_warning_and_polling_must_be_paused(
    account: FakeDeployedAccount,
) -> None:
    account.answers |= image_limit(500, 500) | mappings(ImagesQueueArn=["Disabled"])
    found = finding_of(account, "Polling")
    assert (found.result, "500 of 500" in found.found) == (Result.WARN, True)
    account.answers |= mappings()
    assert [finding.result for finding in findings(account) if finding.check == "Polling"] == [Result.FAIL, Result.WARN]


@pytest.mark.parametrize(("most", "images"), [(500, 499), (0, 7000)])
def test_below_the_limit_of_images_polling_must_be_on(account: FakeDeployedAccount, most: int, images: int) -> None:
    account.answers |= image_limit(most, images)
    assert finding_of(account, "Polling").result == Result.PASS
    account.answers |= mappings(ImagesQueueArn=["Disabled"])
    assert finding_of(account, "Polling").result == Result.FAIL


@pytest.mark.parametrize(
    ("most", "images", "shown"),
    [(0, 0, "no limit"), (500, 7, "7 of 500"), (1000, 1000, "1,000 of 1,000, reached")],
)
def test_the_status_has_the_images_of_today_and_their_limit(
    account: FakeDeployedAccount, most: int, images: int, shown: str
) -> None:
    account.answers |= image_limit(most, images)
    fake: Any = account
    status = read_status(fake, STACK)
    assert str(status.values["image_limit_today"]).startswith(shown)
    assert max(map(len, status.as_text().splitlines())) <= 80
