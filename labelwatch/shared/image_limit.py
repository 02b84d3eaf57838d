"""Today's images (UTC) and MaxImagesPerDay of a stack, for the commands that show both."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.adapters.dynamodb import ImageCountTable
from chalicelib.queues.day_limit import DayLimit

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PARAMETER = "MaxImagesPerDay"


class ImagesToday(NamedTuple):
    """The images that were sent to the model today, the most that may be, and whether that limit is reached."""

    images: int
    most: int
    limit_reached: bool

    def __str__(self) -> str:
        """The figures, and what a reached limit means."""
        if not self.most:
            return "no limit"
        return f"{self.images:,} of {self.most:,}{', reached: paused until 00:00 (UTC)' if self.limit_reached else ''}"


def images_today(client: "DynamoDBClient", values: Mapping[str, str]) -> ImagesToday:
    """Reads the count, by the outputs and parameters of the stack; raises a Fault where it cannot be read."""
    counts = ImageCountTable(client, values["TableName"])
    # A stack of an earlier version has no such parameter.
    limit = DayLimit(counts=counts, most=int(values.get(PARAMETER, "0")), now=lambda: datetime.now(UTC))
    images = limit.images_today()
    return ImagesToday(images, limit.most, limit.is_reached_by(images))
