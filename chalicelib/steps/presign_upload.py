"""The presign_upload step: a client's request → a presigned upload for one image under the client's own prefix."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct

from chalicelib.domain import curl
from chalicelib.domain.uploads import PresignedPost, PresignedUpload, new_key, parse_request
from chalicelib.telemetry import Telemetry


class Signer(Protocol):
    """Signs uploads to the input bucket. Raises a Fault where it cannot sign."""

    def sign(self, key: str, content_type: str, seconds: int) -> PresignedPost:
        """A form for one image, 1 byte to 15 MB of this type, under this very key, within so many seconds."""


class PresignUpload(Struct, frozen=True, kw_only=True):
    """The step; call it with the client's name and the body of its request."""

    signer: Signer
    telemetry: Telemetry
    presigned_upload_seconds: int
    now: Callable[[], datetime]

    def __call__(self, client: str, body: str | bytes) -> PresignedUpload:
        """Raises BadRequest, which names the field and what would be right."""
        request = parse_request(body)
        now = self.now()
        key = new_key(client, now, request)
        post = self.signer.sign(key, request.content_type, self.presigned_upload_seconds)
        self.telemetry.count("UploadsPresigned")
        self.telemetry.info("upload presigned", client=client, key=key)
        return PresignedUpload(
            url=post.url,
            fields=post.fields,
            key=key,
            expires_at=f"{now + timedelta(seconds=self.presigned_upload_seconds):%Y-%m-%dT%H:%M:%SZ}",
            curl=curl.upload_line(post, request.filename),
        )
