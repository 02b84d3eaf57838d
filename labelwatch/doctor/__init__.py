"""Doctor: checks of a deployment that change nothing, and its status on one screen."""

from labelwatch.doctor.examine import examine
from labelwatch.doctor.output import as_text
from labelwatch.doctor.status import Status, read_status

__all__ = ["Status", "as_text", "examine", "read_status"]
