"""How long a stack keeps images and predictions, by its parameters."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Literal


def expired_before(values: Mapping[str, str], parameter: Literal["ImageDays", "PredictionDays"], today: date) -> date:
    """The day (UTC): S3 may have deleted what was uploaded before; the first day of all where the data is kept.

    S3 deletes an object at the first midnight after its days:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
    """
    # A stack of an earlier version has no such parameter.
    days = int(values.get(parameter, "0"))
    return today - timedelta(days=days) if days else date.min
