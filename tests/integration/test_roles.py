"""The rights that AWS checks and the local AWS does not; and that none of the roles' rights is forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.least_privilege.required import ENFORCED_LOCALLY, REQUIRED_BY, required_by
from tests.least_privilege.rights import NOTHING, Right, actions, rights, without
from tests.least_privilege.running import run
from tests.support.template import Template, function_roles, functions, listed, mappings, resources, statements

INPUT = {"Fn::Sub": "${InputBucket.Arn}/*"}
EXISTING = {"Fn::If": ["HasExistingBucket", {"Fn::Sub": "arn:${AWS::Partition}:s3:::${ExistingBucketName}/*"}, NOTHING]}


def allowed(template: Template, role: str, resource: Any) -> set[str]:
    """What the role may do with this resource, named as its statements name it."""
    return {
        action
        for owner, statement in statements(template)
        if owner == role and resource in listed(statement["Resource"])
        for action in actions(statement)
    }


# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
def test_lambda_may_poll_the_queue_of_a_function(template: Template) -> None:
    needed = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
    missing = [
        needed - allowed(template, function["Role"]["Fn::GetAtt"][0], mapping["Queue"])
        for mapping, function, _ in mappings(template)
    ]
    assert missing == [set(), set()]


# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html (the stack creates the groups)
def test_every_role_may_write_the_log_of_its_function(template: Template) -> None:
    roles = function_roles(template)
    logs = {role: {"Fn::GetAtt": [role.replace("Role", "Logs"), "Arn"]} for role in roles}
    assert {role: allowed(template, role, log) for role, log in logs.items()} == {
        role: {"logs:CreateLogStream", "logs:PutLogEvents"} for role in roles
    }


# https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/sc-introduction.html
# https://docs.aws.amazon.com/rekognition/latest/dg/security_iam_service-with-iam.html
def test_detect_may_use_the_model_of_the_parameter(template: Template) -> None:
    action = {"Fn::If": ["UsesGeneralLabels", "rekognition:DetectLabels", "rekognition:DetectCustomLabels"]}
    model = {"Fn::If": ["UsesGeneralLabels", "*", {"Ref": "CustomModelARN"}]}
    detecting = [
        statement["Action"]
        for role, statement in statements(template)
        if role == "DetectRole" and statement["Resource"] == model
    ]
    assert detecting == [action]


# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
def test_detect_and_manage_model_may_update_the_mapping_of_detect_and_no_other(template: Template) -> None:
    region = "${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}"
    of_detect = {"ArnEquals": {"lambda:FunctionArn": {"Fn::Sub": f"arn:{region}:function:${{AWS::StackName}}-detect"}}}
    for role in ("DetectRole", "ManageModelRole"):
        assert "lambda:ListEventSourceMappings" in allowed(template, role, "*")
        (updating,) = [
            statement
            for owner, statement in statements(template)
            if (owner, statement["Action"]) == (role, "lambda:UpdateEventSourceMapping")
        ] or [{}]
        assert updating.get("Resource") == {"Fn::Sub": f"arn:{region}:event-source-mapping:*"}
        assert updating["Condition"] == of_detect
    assert functions(template)["Detect"]["FunctionName"] == {"Fn::Sub": "${AWS::StackName}-detect"}


# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonrekognition.html
def test_manage_model_may_describe_the_model_and_start_and_stop_it_only_where_a_parameter_says_so(
    template: Template,
) -> None:
    model, region = {"Ref": "CustomModelARN"}, "rekognition:${AWS::Region}:${AWS::AccountId}"
    project = {"Project": {"Fn::Select": [1, {"Fn::Split": ["/", {"Fn::Sub": "${CustomModelARN}/general"}]}]}}
    versions = {"Fn::Sub": [f"arn:${{AWS::Partition}}:{region}:project/${{Project}}/*", project]}
    (policy,) = resources(template, "AWS::IAM::Role")["ManageModelRole"]["Policies"]
    conditional = [statement["Fn::If"] for statement in policy["PolicyDocument"]["Statement"] if "Fn::If" in statement]
    rights_of_rekognition = {
        statement["Action"]: (condition, statement["Resource"])
        for condition, statement, _ in conditional
        if str(statement["Action"]).startswith("rekognition:")
    }
    assert rights_of_rekognition == {
        "rekognition:DescribeProjects": ("UsesCustomModel", "*"),
        "rekognition:DescribeProjectVersions": ("UsesCustomModel", versions),
        "rekognition:StartProjectVersion": ("StartsModel", model),
        "rekognition:StopProjectVersion": ("StopsModel", model),
    }


def test_manage_model_may_read_the_images_queue_only_where_it_may_start_the_model(template: Template) -> None:
    (policy,) = resources(template, "AWS::IAM::Role")["ManageModelRole"]["Policies"]
    rights_of_sqs = {
        action: statement["Fn::If"][0]
        for statement in policy["PolicyDocument"]["Statement"]
        if "Fn::If" in statement
        for action in listed(statement["Fn::If"][1]["Action"])
        if action.startswith("sqs:")
    }
    assert rights_of_sqs == {
        "sqs:GetQueueAttributes": "UsesCustomModel",
        "sqs:ReceiveMessage": "StartsModel",
        "sqs:ChangeMessageVisibility": "StartsModel",
        "sqs:DeleteMessage": "StartsModel",
    }


def test_detect_and_manage_model_may_put_the_model_s_state_only(template: Template) -> None:
    conditions = [
        statement["Condition"]["ForAllValues:StringEquals"]
        for role, statement in statements(template)
        if role in {"DetectRole", "ManageModelRole"} and "dynamodb:PutItem" in listed(statement["Action"])
    ]
    assert conditions == [{"dynamodb:LeadingKeys": ["model"]}] * 2


def kinds_of(template: Template, sid: str) -> dict[tuple[str, str], list[str]]:
    """The kinds of items to which a statement is limited, by role and action."""
    return {
        (role, statement["Action"]): statement["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"]
        for role, statement in statements(template)
        if statement["Sid"] == sid
    }


def test_detect_and_notify_may_update_idempotency_records_of_their_own_kinds_only(template: Template) -> None:
    assert kinds_of(template, "UpdateIdempotencyRecords") == {
        ("DetectRole", "dynamodb:UpdateItem"): ["dead-letter"],
        ("NotifyRole", "dynamodb:UpdateItem"): ["alert", "test-alert", "dead-letter"],
    }


def test_detect_may_count_images_and_manage_model_may_read_the_count_and_neither_may_do_more(
    template: Template,
) -> None:
    of_counts = kinds_of(template, "UpdateImageCount") | kinds_of(template, "ReadImageCount")
    assert of_counts == {
        ("DetectRole", "dynamodb:UpdateItem"): ["image-count"],
        ("ManageModelRole", "dynamodb:GetItem"): ["image-count"],
    }


def test_notify_may_write_links_and_the_api_may_read_them_and_neither_may_do_more(template: Template) -> None:
    of_links = {
        (role, action)
        for role, statement in statements(template)
        if statement.get("Condition", {}).get("ForAllValues:StringEquals") == {"dynamodb:LeadingKeys": ["link"]}
        for action in listed(statement["Action"])
    }
    assert of_links == {("NotifyRole", "dynamodb:PutItem"), ("ApiHandlerRole", "dynamodb:GetItem")}


# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
def test_notify_may_read_the_policy_of_the_api_s_function_and_of_no_other(template: Template) -> None:
    of_api = {"Fn::Sub": "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${AWS::StackName}"}
    assert "lambda:GetPolicy" in allowed(template, "NotifyRole", of_api)
    readers = [role for role, statement in statements(template) if "lambda:GetPolicy" in listed(statement["Action"])]
    assert readers == ["NotifyRole"]


# https://docs.aws.amazon.com/rekognition/latest/APIReference/API_S3Object.html: with the rights of the caller.
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html: one right with a version, the other without.
@pytest.mark.parametrize("objects", [INPUT, EXISTING], ids=["input bucket", "existing bucket"])
def test_rekognition_may_read_the_version_that_detect_names(template: Template, objects: Template) -> None:
    assert allowed(template, "DetectRole", objects) == {"s3:GetObject", "s3:GetObjectVersion"}


# https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html: else a missing object is a 403, and is retried.
def test_detect_may_list_buckets_so_that_a_missing_object_is_a_404(template: Template) -> None:
    own = [{"Fn::GetAtt": [name, "Arn"]} for name in ("InputBucket", "OutputBucket")]
    existing = {
        "Fn::If": ["HasExistingBucket", {"Fn::Sub": "arn:${AWS::Partition}:s3:::${ExistingBucketName}"}, NOTHING]
    }
    assert [allowed(template, "DetectRole", bucket) for bucket in (*own, existing)] == [{"s3:ListBucket"}] * 3


# https://docs.aws.amazon.com/athena/latest/ug/security-iam-athena.html and the pages below it: what a query needs of
# the workgroup, of the Glue Data Catalog, of the rows' bucket and of that of the results.
def test_quicksight_may_query_the_rows_with_athena_and_nothing_else(template: Template) -> None:
    of_glue = "arn:${AWS::Partition}:glue:${AWS::Region}:${AWS::AccountId}:"
    tables = {
        *("glue:GetDatabase", "glue:GetDatabases", "glue:GetTable", "glue:GetTables"),
        *("glue:GetPartition", "glue:GetPartitions"),
    }
    expected = {
        "arn:${AWS::Partition}:athena:${AWS::Region}:${AWS::AccountId}:datacatalog/AwsDataCatalog": {
            *("athena:GetDataCatalog", "athena:GetDatabase", "athena:ListDatabases"),
            *("athena:GetTableMetadata", "athena:ListTableMetadata"),
        },
        # https://docs.aws.amazon.com/athena/latest/ug/fine-grained-access-to-glue-resources.html
        f"{of_glue}database/default": tables,
        "arn:${AWS::Partition}:athena:${AWS::Region}:${AWS::AccountId}:workgroup/${Workgroup}": {
            *("athena:GetWorkGroup", "athena:StartQueryExecution", "athena:StopQueryExecution"),
            *("athena:GetQueryExecution", "athena:GetQueryResults", "athena:GetQueryResultsStream"),
        },
        f"{of_glue}catalog": tables,
        f"{of_glue}database/${{Database}}": tables,
        f"{of_glue}table/${{Database}}/*": tables,
        "OutputBucket": {"s3:ListBucket", "s3:GetBucketLocation"},
        "WorkspaceBucket": {"s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"},
        "${OutputBucket.Arn}/predictions/*": {"s3:GetObject"},
        "${WorkspaceBucket.Arn}/athena-results/*": {
            *("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
        },
    }
    given: dict[str, set[str]] = {}
    for right in rights(template):
        if right.role == "QuickSightRole":
            resource = right.resource.get("Fn::Sub") or right.resource["Fn::GetAtt"][0]
            given.setdefault(resource, set()).add(right.action)
    assert given == expected


def test_quicksight_lists_only_the_rows_and_the_results(template: Template) -> None:
    listing = [
        statement
        for role, statement in statements(template)
        if (role, statement["Action"]) == ("QuickSightRole", "s3:ListBucket")
    ]
    assert {statement["Resource"]["Fn::GetAtt"][0]: statement["Condition"] for statement in listing} == {
        "OutputBucket": {"StringLike": {"s3:prefix": "predictions/*"}},
        "WorkspaceBucket": {"StringLike": {"s3:prefix": "athena-results/*"}},
    }


def test_every_right_is_checked_by_the_local_aws_or_by_a_static_test(template: Template) -> None:
    unaccounted = [
        right
        for right in rights(template)
        if not required_by(right) and right.action.partition(":")[0] not in ENFORCED_LOCALLY
    ]
    assert unaccounted == []


def test_no_static_test_is_named_for_an_action_that_no_role_has(template: Template) -> None:
    assert REQUIRED_BY.keys() - {right.action for right in rights(template)} == set()


def test_every_static_test_fails_without_the_right_that_it_requires(template: Template) -> None:
    required = [(right, test) for right in rights(template) if (test := required_by(right))]
    assert [right for right, test in required if passes(test, without(template, str(right)))] == []


def test_every_static_test_passes_on_the_template_as_it_is(template: Template) -> None:
    tests = {test for right in rights(template) if (test := required_by(right))}
    assert [test for test in tests if not passes(test, template)] == []


def passes(test: str, template: Template) -> bool:
    file, _, name = test.partition("::")
    function: Callable[[Template], None] = getattr(import_module(file.removesuffix(".py").replace("/", ".")), name)
    try:
        function(template)
    except AssertionError:
        return False
    return True


def test_a_template_without_a_right_lacks_that_right_and_nothing_else(template: Template) -> None:
    before = {as_text(right) for right in rights(template)}
    after = {right: {as_text(left) for left in rights(without(template, str(right)))} for right in rights(template)}
    assert {right: before - left for right, left in after.items()} == {right: {as_text(right)} for right in after}
    assert [right for right, left in after.items() if left - before] == []


def as_text(right: Right) -> tuple[str, str, str, str]:
    """A right without its index, which may end its statement's name too; a conditional resource as if it were there."""
    resource = right.resource
    if isinstance(resource, dict) and resource.get("Fn::If", [])[2:] == [NOTHING]:
        resource = resource["Fn::If"][1]
    return right.role, right.sid.rstrip("0123456789"), right.action, json.dumps(resource)


def test_a_conditional_statement_stays_conditional_when_another_right_is_removed(template: Template) -> None:
    statements_left = [
        json.dumps(statement)
        for right in rights(template)
        for role in resources(without(template, str(right)), "AWS::IAM::Role").values()
        for statement in role["Policies"][0]["PolicyDocument"]["Statement"]
    ]
    conditional = [statement for statement in statements_left if "${ExistingBucketName}" in statement]
    assert conditional
    assert [statement for statement in conditional if '"HasExistingBucket"' not in statement] == []


def test_a_right_that_no_role_has_cannot_be_removed(template: Template) -> None:
    with pytest.raises(LookupError, match="DetectRole/ReadImages/s3:PutObject"):
        without(template, "DetectRole/ReadImages/s3:PutObject")


def test_only_a_failure_in_a_test_s_own_body_counts_as_a_failure(tmp_path: Path) -> None:
    contents = {
        "passed": "def test_body(): assert True",
        "failed": "def test_body(): assert False",
        "broken_before": "import pytest\n@pytest.fixture\ndef it(): assert False\ndef test_body(it): pass",
        "broken_after": "import pytest\n@pytest.fixture\ndef it():\n yield\n assert False\ndef test_body(it): pass",
    }
    for name, content in contents.items():
        (tmp_path / f"test_{name}.py").write_text(content)
    outcome = run([str(tmp_path)])
    failed, broken = (
        {Path(test.partition("::")[0]).stem for test in tests} for tests in (outcome.failed, outcome.broken)
    )
    assert (failed, broken) == ({"test_failed"}, {"test_broken_before", "test_broken_after"}), outcome.output


def test_a_test_that_cannot_be_imported_counts_as_broken(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("import nothing_of_that_name")
    outcome = run([str(tmp_path / "test_it.py")])
    assert (len(outcome.failed), len(outcome.broken)) == (0, 1), outcome.output
