"""What checks each right: the local AWS, when a function runs, or else a static test."""

from __future__ import annotations

from tests.least_privilege.rights import Right

# ministack checks the calls of these services against the caller's role.
ENFORCED_LOCALLY = frozenset({"s3", "sqs", "sns", "dynamodb"})

_POLLER = "tests/integration/test_roles.py::test_lambda_may_poll_the_queue_of_a_function"
_LOGS = "tests/integration/test_roles.py::test_every_role_may_write_the_log_of_its_function"
_LIST = "tests/integration/test_roles.py::test_detect_may_list_buckets_so_that_a_missing_object_is_a_404"
_MODEL = "tests/integration/test_roles.py::test_detect_may_use_the_model_of_the_parameter"
_MAPPING = "tests/integration/test_roles.py::test_detect_and_manage_model_may_update_the_mapping_of_detect_and_no_other"
_API = "tests/integration/test_roles.py::test_notify_may_read_the_policy_of_the_api_s_function_and_of_no_other"
_LIFE = (
    "tests/integration/test_roles.py::"
    "test_manage_model_may_describe_the_model_and_start_and_stop_it_only_where_a_parameter_says_so"
)
_COUNT = (
    "tests/integration/test_roles.py::"
    "test_detect_may_count_images_and_manage_model_may_read_the_count_and_neither_may_do_more"
)
_TRACES = "tests/integration/test_alarms.py::test_every_role_may_always_send_traces"

# ministack polls the queues and writes the logs without these rights, records no traces, and answers 404 for a missing
# object to any caller that could read it; the model is a local model. Only `chalice deploy` needs to look up the API.
REQUIRED_BY = {
    "sqs:ReceiveMessage": _POLLER,
    "sqs:GetQueueAttributes": _POLLER,
    "logs:CreateLogStream": _LOGS,
    "logs:PutLogEvents": _LOGS,
    "s3:ListBucket": _LIST,
    "rekognition:DetectLabels": _MODEL,
    "rekognition:DetectCustomLabels": _MODEL,
    "lambda:ListEventSourceMappings": _MAPPING,
    "lambda:UpdateEventSourceMapping": _MAPPING,
    "lambda:GetPolicy": _API,
    "rekognition:DescribeProjects": _LIFE,
    "rekognition:DescribeProjectVersions": _LIFE,
    "rekognition:StartProjectVersion": _LIFE,
    "rekognition:StopProjectVersion": _LIFE,
    "xray:PutTraceSegments": _TRACES,
    "xray:PutTelemetryRecords": _TRACES,
}

# Nothing assumes this role in the local AWS, which has no QuickSight.
_QUICKSIGHT = "tests/integration/test_roles.py::test_quicksight_may_query_the_rows_with_athena_and_nothing_else"


def required_by(right: Right) -> str | None:
    """The static test that requires the right; None where the local AWS checks it."""
    if right.role == "QuickSightRole":
        return _QUICKSIGHT
    if right.sid == "UpdateImageCount":
        return _COUNT  # ministack does not know the kinds of items, and detect may update those of another kind
    if right.role == "ManageModelRole" and right.action in {"sqs:GetQueueAttributes", "sqs:ReceiveMessage"}:
        return None  # the function itself uses them, not its poller
    return REQUIRED_BY.get(right.action)
