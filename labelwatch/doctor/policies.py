"""Resource policies of buckets and queues: what their statements refuse and allow."""

from typing import Any


def refuses_plain_http(policy: dict[str, Any]) -> bool:
    """Whether a statement denies requests without TLS."""
    return any(
        statement["Effect"] == "Deny"
        and "false" in _listed(statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport"))
        for statement in _listed(policy.get("Statement", []))
    )


def allows_bucket(policy: dict[str, Any], bucket: str) -> bool:
    """Whether a statement lets S3 send messages for this bucket."""
    return any(
        statement["Effect"] == "Allow"
        and statement.get("Principal") == {"Service": "s3.amazonaws.com"}
        and str(statement.get("Condition", {}).get("ArnEquals", {}).get("aws:SourceArn")).endswith(f":::{bucket}")
        for statement in _listed(policy.get("Statement", []))
    )


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 - a policy has a list, or its only element
    return value if isinstance(value, list) else [value]
