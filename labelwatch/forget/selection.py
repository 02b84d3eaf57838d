"""The images to forget: those with a key, of a client, or of a source."""

import re
from typing import NamedTuple

from chalicelib.domain.images import source_of
from chalicelib.domain.tokens import CLIENT, CLIENT_IN_WORDS
from labelwatch.shared.errors import UserError


class Selection(NamedTuple):
    """One of the three is set: the key of an object, the client of upload tokens, or the source of images."""

    key: str | None = None
    client: str | None = None
    source: str | None = None

    @property
    def prefix(self) -> str:
        """What the keys of all selected images begin with; empty for a source, which may be a folder or a bucket."""
        return f"uploads/{self.client}/" if self.client else self.key or ""

    def includes(self, bucket: str, key: str) -> bool:
        """Whether the image with this key in this bucket is selected."""
        if self.source is not None:
            return source_of(bucket, key) == self.source
        return key.startswith(self.prefix) if self.client else key == self.key

    def __str__(self) -> str:
        if self.source is not None:
            return f"source {self.source}"
        return f"client {self.client}" if self.client else f"key {self.key}"


def selection_of(key: str | None, client: str | None, source: str | None) -> Selection:
    """The selection of these options; raises UserError unless exactly one of them has a value that can be right."""
    if [key, client, source].count(None) != 2:
        raise UserError("Select images: pass either a key, --client or --source.")
    if "" in {key, source}:
        raise UserError("The key and --source must not be empty.")
    if key and key.startswith("s3://"):
        raise UserError(f"{key!r} is not a key. Omit the bucket (example: 'field 7/leaf 1.jpg').")
    if client is not None and not re.fullmatch(CLIENT, client):
        raise UserError(f"--client {client!r} is not a client. Use {CLIENT_IN_WORDS}.")
    return Selection(key, client, source)
