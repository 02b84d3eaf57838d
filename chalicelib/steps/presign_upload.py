"""The uploads step: a client's request → a presigned upload that puts one image under the client's own prefix."""

import base64
import re
import secrets
import unicodedata
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from chalicelib.domain import curl
from chalicelib.domain.errors import BadRequest
from chalicelib.domain.uploads import PresignedPost, PresignedUpload
from chalicelib.telemetry import Telemetry

CONTENT_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}
LONGEST_FILENAME = 255
# In characters: with up to 4 bytes each, and what stands before it, a key stays under S3's 1,024 bytes.
LONGEST_CLEANED_NAME = 200
EXAMPLE = '{"filename": "leaf 1.jpg"}'
_FIELDS = ("filename", "content_type")


class Signer(Protocol):
    """The input bucket, for others to write to. Raises a Fault where it cannot sign."""

    def sign(self, key: str, content_type: str, seconds: int) -> PresignedPost:
        """A form that puts one image, 1 byte to 15 MB of this type, under this very key, within so many seconds."""


class Wanted(Struct, frozen=True):
    """What a client asks for: the name of its file, and one of the two types that the model looks at."""

    filename: str
    content_type: str


class PresignUpload(Struct, frozen=True, kw_only=True):
    """The step with all that it needs; call it with the client's name and the body of its request."""

    signer: Signer
    telemetry: Telemetry
    presigned_upload_seconds: int
    now: Callable[[], datetime]

    def __call__(self, client: str, body: str | bytes) -> PresignedUpload:
        """Raises BadRequest, which names the field and what would be right."""
        wanted = read(body)
        now = self.now()
        key = key_of(client, now, wanted.filename)
        post = self.signer.sign(key, wanted.content_type, self.presigned_upload_seconds)
        self.telemetry.count("UploadsPresigned")
        self.telemetry.info("upload presigned", client=client, key=key)
        return PresignedUpload(
            url=post.url,
            fields=post.fields,
            key=key,
            expires_at=f"{now + timedelta(seconds=self.presigned_upload_seconds):%Y-%m-%dT%H:%M:%SZ}",
            curl=curl.upload_line(post, wanted.filename),
        )


def read(body: str | bytes) -> Wanted:
    """What the body of a request asks for; raises BadRequest."""
    content = _object(body)
    for name in content:
        if name not in _FIELDS:
            fields = " and ".join(_FIELDS)
            raise BadRequest("UnknownField", f"There is no field {name[:50]}; the fields are {fields}.", name[:50])
    filename = _filename(content)
    return Wanted(filename, _content_type(content, filename))


def key_of(client: str, now: datetime, filename: str) -> str:
    """`uploads/<client>/<date>/<unguessable>-<cleaned name>`: at most 1,024 bytes, without control characters."""
    # 80 bits in 16 letters and digits: the name after them is still read in a mail's subject.
    unguessable = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return f"uploads/{client}/{now:%Y-%m-%d}/{unguessable}-{cleaned(filename)}"


def cleaned(filename: str) -> str:
    """The last part of the name with its letters, marks, digits and `. _ ( ) +`; a hyphen for any run of others."""
    last = unicodedata.normalize("NFC", re.split(r"[/\\]", filename)[-1])
    kept = "".join(character if _stays(character) else "-" for character in last)
    return re.sub("-+", "-", kept)[-LONGEST_CLEANED_NAME:].strip("-") or "image"


def _stays(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN" or character in "._()+"


def _object(body: str | bytes) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(body)
    except (ValueError, RecursionError) as problem:  # msgspec's own DecodeError is a ValueError, and so is bad UTF-8
        raise BadRequest(
            "InvalidJson", f"The body must be JSON in UTF-8, such as {EXAMPLE}; it is not: {problem}."
        ) from None
    if not isinstance(content, dict):
        raise BadRequest("InvalidBody", f"The body must be a JSON object, such as {EXAMPLE}.")
    return content


def _filename(content: dict[str, Any]) -> str:
    if "filename" not in content:
        raise BadRequest("MissingField", f"filename is missing; the body must be such as {EXAMPLE}.", "filename")
    filename = content["filename"]
    if isinstance(filename, str) and "\ufffd" in filename:  # API Gateway puts it where bytes are no UTF-8
        raise BadRequest("InvalidJson", f"The body must be JSON in UTF-8, such as {EXAMPLE}.", "filename")
    if not isinstance(filename, str) or not filename.strip() or "\0" in filename:
        what = f"the name of a file, of 1 to {LONGEST_FILENAME} characters, such as leaf 1.jpg"
        raise BadRequest("InvalidField", f"filename must be {what}.", "filename")
    if len(filename) > LONGEST_FILENAME:
        raise BadRequest(
            "InvalidField", f"filename has {len(filename)} characters; {LONGEST_FILENAME} are the most.", "filename"
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
        f"The model looks at JPEG and PNG only: filename must end in {', '.join(CONTENT_TYPES)}; "
        f"of such an image under another name, content_type must say {' or '.join(types)}.",
        "filename",
    )
