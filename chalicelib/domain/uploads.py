"""An upload of one image: the request of a client, the key that the image gets, and the presigned PUT."""

import base64
import re
import secrets
import unicodedata
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from chalicelib.domain.errors import BadRequest
from chalicelib.domain.images import MAX_IMAGE_BYTES

CONTENT_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}
LONGEST_FILENAME = 255
# In characters: with up to 4 bytes each, and what stands before it, a key stays under S3's 1,024 bytes.
LONGEST_CLEANED_NAME = 200
EXAMPLE = '{"filename": "leaf 1.jpg", "size": 204800}'
_FIELDS = ("filename", "size", "content_type")


class UploadRequest(Struct, frozen=True):
    """What a client sends: the name of its file, its bytes, and one of the two types that the model analyses."""

    filename: str
    content_type: str
    size: int


class PresignedPut(Struct, frozen=True):
    """A PUT request that creates one object in a bucket: its URL, and the headers that it must have."""

    url: str
    headers: dict[str, str]


class PresignedUpload(Struct, frozen=True, kw_only=True):
    """What a client gets to upload one image: the signed request, the object's key, the end (UTC), a line for a shell.

    The request also has the header Content-Length, which HTTP clients set by themselves.
    """

    url: str
    method: str = "PUT"
    headers: dict[str, str]
    key: str
    expires_at: str
    curl: str


class UploadRecord(Struct, frozen=True, kw_only=True):
    """A presigned upload: whose it is, and what it allows until it expires (UTC)."""

    key: str
    client: str
    content_type: str
    size: int
    created_at: datetime
    expires_at: datetime


def parse_request(body: str | bytes) -> UploadRequest:
    """The request in this body; raises BadRequest, which names the field and what would be right."""
    content = _object(body)
    for name in content:
        if name not in _FIELDS:
            raise BadRequest("UnknownField", f"Unknown field {name[:50]}. Use {', '.join(_FIELDS)} only.", name[:50])
    filename = _filename(content)
    return UploadRequest(filename, _content_type(content, filename), _size(content))


def end_of_day(now: datetime) -> datetime:
    """The midnight (UTC) at which the day of this time ends."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def new_key(client: str, now: datetime, request: UploadRequest) -> str:
    """`uploads/<client>/<date>/<unguessable>-<cleaned name>`: at most 1,024 bytes, without control characters."""
    # 80 bits, which nobody guesses who wants to overwrite an image of the same client.
    unguessable = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return f"uploads/{client}/{now:%Y-%m-%d}/{unguessable}-{cleaned(request)}"


def cleaned(request: UploadRequest) -> str:
    """The name with its letters, marks, digits and `_ ( ) +`, a hyphen for any run of others, and an ending.

    The ending fits the content type, and its dot is the only one: no mail program finds a host name in such a name.
    """
    stem, ending = _stem_and_ending(re.split(r"[/\\]", request.filename)[-1], request.content_type)
    plain = "".join(character if _stays(character) else "-" for character in unicodedata.normalize("NFC", stem))
    return (re.sub("-+", "-", plain)[-LONGEST_CLEANED_NAME:].strip("-") or "image") + ending


def _stem_and_ending(name: str, content_type: str) -> tuple[str, str]:
    endings = [ending for ending, of_type in CONTENT_TYPES.items() if of_type == content_type]
    for ending in endings:
        if name.lower().endswith(ending):
            return name[: -len(ending)], ending
    return name, endings[0]


def _stays(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN" or character in "_()+"


def _object(body: str | bytes) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(body)
    except (ValueError, RecursionError) as problem:  # msgspec's own DecodeError is a ValueError, and so is bad UTF-8
        raise BadRequest(
            "InvalidJson", f"The body is not JSON in UTF-8: {problem}. Send a body such as {EXAMPLE}."
        ) from None
    if not isinstance(content, dict):
        raise BadRequest("InvalidBody", f"The body must be a JSON object, such as {EXAMPLE}.")
    return content


def _filename(content: dict[str, Any]) -> str:
    if "filename" not in content:
        raise BadRequest("MissingField", f"The field filename is missing. Send a body such as {EXAMPLE}.", "filename")
    filename = content["filename"]
    if isinstance(filename, str) and "\ufffd" in filename:  # API Gateway puts it where bytes are no UTF-8
        raise BadRequest("InvalidJson", f"The body is not JSON in UTF-8. Send a body such as {EXAMPLE}.", "filename")
    if not isinstance(filename, str) or not filename.strip() or "\0" in filename:
        raise BadRequest(
            "InvalidField",
            f"filename must be a file name of 1 to {LONGEST_FILENAME} characters, such as leaf 1.jpg.",
            "filename",
        )
    if len(filename) > LONGEST_FILENAME:
        raise BadRequest(
            "InvalidField", f"filename has {len(filename)} characters. Use at most {LONGEST_FILENAME}.", "filename"
        )
    return filename


def _content_type(content: dict[str, Any], filename: str) -> str:
    types = sorted(set(CONTENT_TYPES.values()))
    if "content_type" in content:
        if content["content_type"] in types:
            return str(content["content_type"])
        raise BadRequest("UnsupportedType", f"content_type must be {' or '.join(types)}.", "content_type")
    for ending, content_type in CONTENT_TYPES.items():
        if filename.lower().endswith(ending):
            return content_type
    raise BadRequest(
        "UnsupportedType",
        f"filename must end in {', '.join(CONTENT_TYPES)}. For a JPEG or PNG image with another name, set content_type "
        f"to {' or '.join(types)}.",
        "filename",
    )


def _size(content: dict[str, Any]) -> int:
    if "size" not in content:
        raise BadRequest("MissingField", f"The field size is missing. Send a body such as {EXAMPLE}.", "size")
    size = content["size"]
    is_number = isinstance(size, int | float) and not isinstance(size, bool)
    # 7.0 is an integer of JSON Schema.
    if not is_number or not 1 <= size <= MAX_IMAGE_BYTES or size % 1:
        message = f"size must be the bytes of the file, a whole number of 1 to {MAX_IMAGE_BYTES:,}."
        raise BadRequest("InvalidField", message, "size")
    return int(size)
