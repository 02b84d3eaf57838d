"""What asks for each right: the local AWS, when a function runs, or, where it does not look, a static test."""

from __future__ import annotations

from tests.least_privilege.rights import Right

# ministack checks the calls of these services against the caller's role.
ENFORCED_HERE = frozenset({"s3", "sqs", "sns", "dynamodb"})

_POLLER = "tests/integration/test_roles.py::test_lambda_may_take_and_delete_the_messages_that_set_a_function_off"
_LOGS = "tests/integration/test_roles.py::test_every_role_may_write_the_log_of_its_function"
_GONE = "tests/integration/test_roles.py::test_detect_may_tell_what_is_gone_from_what_is_forbidden"
_MODEL = "tests/integration/test_roles.py::test_detect_may_ask_the_model_that_is_set"
_MAPPING = "tests/integration/test_roles.py::test_detect_and_keep_model_may_turn_the_mapping_of_detect_and_no_other"
_LIFE = (
    "tests/integration/test_roles.py::"
    "test_keep_model_may_ask_for_the_model_and_start_and_stop_it_only_where_that_is_wanted"
)
_TRACES = "tests/integration/test_watched.py::test_every_role_may_send_traces_only_where_it_is_wanted"

# ministack polls the queues and writes the logs of its own accord, records no traces, and says 404 of an object that is
# not there to whoever could read it; the model is a local model.
REQUIRED_BY = {
    "sqs:ReceiveMessage": _POLLER,
    "sqs:GetQueueAttributes": _POLLER,
    "logs:CreateLogStream": _LOGS,
    "logs:PutLogEvents": _LOGS,
    "s3:ListBucket": _GONE,
    "rekognition:DetectLabels": _MODEL,
    "rekognition:DetectCustomLabels": _MODEL,
    "lambda:ListEventSourceMappings": _MAPPING,
    "lambda:UpdateEventSourceMapping": _MAPPING,
    "rekognition:DescribeProjects": _LIFE,
    "rekognition:DescribeProjectVersions": _LIFE,
    "rekognition:StartProjectVersion": _LIFE,
    "rekognition:StopProjectVersion": _LIFE,
    "xray:PutTraceSegments": _TRACES,
    "xray:PutTelemetryRecords": _TRACES,
}

# Nobody takes this role in the local AWS, which has no QuickSight.
_QUICKSIGHT = "tests/integration/test_roles.py::test_quicksight_may_ask_athena_for_the_rows_and_nothing_else"


def required_by(right: Right) -> str | None:
    """The static test that requires it; None where the local AWS asks for it."""
    if right.role == "QuickSightRole":
        return _QUICKSIGHT
    if (right.role, right.action) == ("ManageModelRole", "sqs:GetQueueAttributes"):
        return None  # the function itself asks for it, not its poller
    return REQUIRED_BY.get(right.action)
