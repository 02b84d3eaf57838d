"""A stack as `labelwatch up` wants it, beside the stack as AWS has it now."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from labelwatch.deploy.stage_stack import BUCKETS
from labelwatch.shared.stacks import Stack


class DesiredStack(NamedTuple):
    """A stack's name and parameters, and its present state: `current` is None where the stack does not exist.

    `physical_ids` are the names in the account of the stack's resources, by logical id.
    """

    name: str
    parameters: dict[str, str]
    current: Stack | None = None
    physical_ids: Mapping[str, str] = MappingProxyType({})

    @property
    def bucket_names(self) -> dict[str, str]:
        """The names that the three buckets are to have, by logical id."""
        output = self.parameters["OutputBucketName"]
        return dict(zip(BUCKETS, (self.parameters["InputBucketName"], output, f"{output}-workspace"), strict=True))
