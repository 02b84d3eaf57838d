"""The event source mapping by which Lambda takes messages from a queue and hands them to a function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.adapters.faults import told_as_faults

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

# https://docs.aws.amazon.com/lambda/latest/api/API_EventSourceMappingConfiguration.html
_ON, _OFF = "Enabled", "Disabled"


class EventSourceMapping:
    """The mapping of one queue, by its ARN, to one function, by its name."""

    def __init__(self, client: LambdaClient, queue_arn: str, function: str) -> None:
        self._client = client
        self._queue_arn = queue_arn
        self._function = function

    def states(self) -> dict[str, str]:
        """AWS's word for the state of each mapping, by its id; there is one, or none while it is deployed."""
        with told_as_faults():
            pages = self._client.get_paginator("list_event_source_mappings").paginate(
                EventSourceArn=self._queue_arn, FunctionName=self._function
            )
            return {one["UUID"]: one["State"] for page in pages for one in page["EventSourceMappings"]}

    def turn(self, *, on: bool) -> bool:
        """Has messages taken, or left in their queue; whether that changed anything.

        One that is in a transition takes no change, and is left to the next time.
        """
        return sum(self._turn(one, on=on) for one, state in self.states().items() if state == (_OFF if on else _ON)) > 0

    def _turn(self, mapping: str, *, on: bool) -> bool:
        with told_as_faults():
            try:
                self._client.update_event_source_mapping(UUID=mapping, Enabled=on)
            # Somebody else changes it at this moment.
            except (self._client.exceptions.ResourceInUseException, self._client.exceptions.ResourceConflictException):
                return False
        return True
