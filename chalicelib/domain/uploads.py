"""What a client gets to upload one image."""

from msgspec import Struct


class PresignedPost(Struct, frozen=True):
    """A form that puts one object into a bucket: where to send it, and the fields that must go before the file."""

    url: str
    fields: dict[str, str]


class PresignedUpload(Struct, frozen=True):
    """What a client gets to upload one image: the signed form, the object's key, the end (UTC), a line for a shell."""

    url: str
    fields: dict[str, str]
    key: str
    expires_at: str
    curl: str
