"""Links to picture pages: `<API>/p/<id>`, which an alert has in place of a credential.

An id has 160 random bits. Only its SHA-256 is kept, as of upload tokens: who reads the table can open no page.
"""

import base64
import hashlib
import re
import secrets
from datetime import datetime, timedelta

from msgspec import Struct

LINK_LIFETIME = timedelta(days=30)
# Without padding, and in letters and digits alone: mail programs cut other characters off the end of a link.
_ID_BYTES = 20
LINK_ID = "[a-z2-7]{32}"


class PictureLink(Struct, frozen=True, kw_only=True):
    """What a link stands for: the rows of one prediction, by their key, until it expires (UTC).

    The key is empty in a link of a test alert, which has no rows.
    """

    digest: str
    row_key: str
    source: str
    expires_at: datetime


def new_link(row_key: str, source: str, now: datetime) -> tuple[str, PictureLink]:
    """An id, to be sent once, and the link to store."""
    link_id = base64.b32encode(secrets.token_bytes(_ID_BYTES)).decode().lower()
    return link_id, PictureLink(digest=_digest(link_id), row_key=row_key, source=source, expires_at=now + LINK_LIFETIME)


def digest_of(link_id: str) -> str | None:
    """The SHA-256 of the id in hex; None where it is no id of a link."""
    return _digest(link_id) if re.fullmatch(LINK_ID, link_id) else None


def _digest(link_id: str) -> str:
    return hashlib.sha256(link_id.encode()).hexdigest()
