"""Times for people: in the time zone of the setting TimeZone."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo


def time_zone(name: str) -> tzinfo | None:
    """The zone of this name (example: Europe/Berlin); None where there is no such zone."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError
        return None


def local_time(moment: datetime, zone: tzinfo) -> str:
    """The minute in this zone, with the zone's name, such as `2026-11-22 11:00 (Europe/Berlin)`."""
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return f"{moment.astimezone(zone):%Y-%m-%d %H:%M} ({zone})"
    except OverflowError:  # the first or last day that there is, in a zone that would be beyond it
        return f"{moment:%Y-%m-%d %H:%M} ({moment.tzname()})"
