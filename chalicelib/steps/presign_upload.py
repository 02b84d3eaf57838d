"""The presign_upload step: a client's request → a presigned upload for one image under the client's own prefix."""

from collections.abc import Callable
from datetime import datetime, timedelta
from math import ceil
from typing import Protocol

from msgspec import Struct

from chalicelib.domain import curl
from chalicelib.domain.errors import LimitReached
from chalicelib.domain.tokens import AuthorizedClient
from chalicelib.domain.uploads import (
    PresignedPut,
    PresignedUpload,
    UploadRecord,
    end_of_day,
    new_key,
    parse_request,
)
from chalicelib.telemetry import Telemetry


class Signer(Protocol):
    """Signs uploads to the input bucket. Raises a Fault where it cannot sign."""

    def sign(self, key: str, content_type: str, size: int, seconds: int) -> PresignedPut:
        """A request that creates the object of this key, once: so many bytes of this type, within so many seconds."""


class Uploads(Protocol):
    """The presigned uploads. Raises a Fault where they cannot be written now."""

    def count(self, client: AuthorizedClient, now: datetime) -> bool:
        """Counts one more upload of the client on this day (UTC); False, and no count, at the client's limit."""

    def add(self, record: UploadRecord) -> None:
        """Keeps the record until the presigned upload expires."""


class PresignUpload(Struct, frozen=True, kw_only=True):
    """The step; call it with the client and the body of its request."""

    uploads: Uploads
    signer: Signer
    telemetry: Telemetry
    presigned_upload_seconds: int
    now: Callable[[], datetime]

    def __call__(self, client: AuthorizedClient, body: str | bytes) -> PresignedUpload:
        """Raises BadRequest, which names the field and what would be right, or LimitReached."""
        request = parse_request(body)
        now = self.now()
        self._count(client, now)
        record = UploadRecord(
            key=new_key(client.name, now, request),
            client=client.name,
            content_type=request.content_type,
            size=request.size,
            created_at=now,
            expires_at=now + timedelta(seconds=self.presigned_upload_seconds),
        )
        self.uploads.add(record)
        put = self.signer.sign(record.key, record.content_type, record.size, self.presigned_upload_seconds)
        self.telemetry.count("UploadsPresigned")
        self.telemetry.info("upload presigned", client=client.name, key=record.key)
        return PresignedUpload(
            url=put.url,
            headers=put.headers,
            key=record.key,
            expires_at=_time(record.expires_at),
            curl=curl.upload_line(put, request.filename),
        )

    def _count(self, client: AuthorizedClient, now: datetime) -> None:
        if self.uploads.count(client, now):
            return
        self.telemetry.warn("daily limit reached", client=client.name, uploads_per_day=client.uploads_per_day)
        end = end_of_day(now)
        raise LimitReached(
            f"{client.name} has used its {client.uploads_per_day:,} presigned uploads of this day, which ends at "
            f"{_time(end)} (UTC). Send the request again then.",
            retry_after=ceil((end - now).total_seconds()),
        )


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
