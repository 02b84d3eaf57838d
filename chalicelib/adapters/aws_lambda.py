"""Lambda: the event source mapping by which it polls a queue, and the REST API that invokes a function."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from chalicelib.adapters.faults import raising_faults

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

# https://docs.aws.amazon.com/lambda/latest/api/API_EventSourceMappingConfiguration.html
_ENABLED, _DISABLED = "Enabled", "Disabled"
# https://docs.aws.amazon.com/apigateway/latest/developerguide/arn-format-reference.html
_OF_REST_API = re.compile(r"arn:[^:]+:execute-api:[^:]+:\d+:(\w+)/.*")

# Chalice's name for the stage of its API, in both deployments.
API_STAGE = "api"
_URL_SUFFIXES = {"aws": "amazonaws.com", "aws-cn": "amazonaws.com.cn"}


def rest_api_id(client: LambdaClient, function: str) -> str | None:
    """The id of the REST API that may invoke the function, the last of several; None without a function or an API.

    Raises a Fault where the function's policy cannot be read.
    """
    with raising_faults():
        try:
            policy = client.get_policy(FunctionName=function)["Policy"]
        except client.exceptions.ResourceNotFoundException:
            return None
    conditions = [statement.get("Condition", {}).get("ArnLike", {}) for statement in json.loads(policy)["Statement"]]
    apis = [_OF_REST_API.fullmatch(condition.get("AWS:SourceArn", "")) for condition in conditions]
    return next((api[1] for api in reversed(apis) if api), None)


class ApiAddress:
    """The address of the stack's REST API: as it is set, or else by the function that the API invokes."""

    def __init__(self, client: LambdaClient, function: str, address: str) -> None:
        self._client = client
        self._function = function
        self._address = address

    def find(self) -> str | None:
        """The address without a slash at its end, None where there is no API; it is looked up until it is found.

        Raises a Fault where it cannot be looked up.
        """
        if not self._address and (api := rest_api_id(self._client, self._function)):
            meta = self._client.meta
            suffix = _URL_SUFFIXES.get(meta.partition, _URL_SUFFIXES["aws"])
            self._address = f"https://{api}.execute-api.{meta.region_name}.{suffix}/{API_STAGE}"
        return self._address or None


class EventSourceMapping:
    """The event source mapping of one queue, by its ARN, to one function, by its name."""

    def __init__(self, client: LambdaClient, queue_arn: str, function: str) -> None:
        self._client = client
        self._queue_arn = queue_arn
        self._function = function

    def states(self) -> dict[str, str]:
        """AWS's word for the state of each mapping, by its id; there is one, or none while it is deployed."""
        with raising_faults():
            pages = self._client.get_paginator("list_event_source_mappings").paginate(
                EventSourceArn=self._queue_arn, FunctionName=self._function
            )
            return {mapping["UUID"]: mapping["State"] for page in pages for mapping in page["EventSourceMappings"]}

    def enable(self) -> bool:
        """Resumes polling; returns whether that changed anything. A mapping in a transition takes no change."""
        return self._update(_DISABLED, enabled=True)

    def disable(self) -> bool:
        """Pauses polling; returns whether that changed anything. A mapping in a transition takes no change."""
        return self._update(_ENABLED, enabled=False)

    def _update(self, state: str, *, enabled: bool) -> bool:
        """Updates the mappings in this state."""
        mappings = [mapping for mapping, current in self.states().items() if current == state]
        changes = [self._change(mapping, enabled=enabled) for mapping in mappings]
        return any(changes)

    def _change(self, mapping: str, *, enabled: bool) -> bool:
        with raising_faults():
            try:
                self._client.update_event_source_mapping(UUID=mapping, Enabled=enabled)
            # Another invocation, or a person, changes it at this moment.
            except (self._client.exceptions.ResourceInUseException, self._client.exceptions.ResourceConflictException):
                return False
        return True
