"""Days, as options of the command name them."""

import datetime as dt
import re

from labelwatch.shared.errors import UserError


def parse_day(text: str, option: str) -> dt.date:
    """The day in an option's value; raises UserError where it is not a date."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        raise UserError(f"{option} {text!r} is not a date. Use YYYY-MM-DD, such as 2026-11-27.")
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UserError(f"{option} {text!r} does not exist in the calendar. Use a date such as 2026-11-27.") from None
