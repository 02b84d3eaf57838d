"""Days, as options of the command name them."""

import datetime as dt
import re

from labelwatch.shared.errors import UserError


def parse_day(text: str, option: str) -> dt.date:
    """The day that an option names; raises UserError where it is none."""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return dt.date.fromisoformat(text)
    except ValueError:
        pass
    raise UserError(f"{option} {text!r} must be a day, such as 2026-11-27.")
