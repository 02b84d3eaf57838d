"""The show_picture step: the id of an alert's link → the picture page."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from chalicelib.domain import rows
from chalicelib.domain.links import PictureLink, digest_of
from chalicelib.domain.pages import AlertTestPage, Page, PicturePage, SignedPicture, labels_of
from chalicelib.telemetry import Telemetry


class Links(Protocol):
    """The links by the hash of their id. Raises a Fault where they cannot be read."""

    def find(self, digest: str) -> PictureLink | None:
        """The link, expired or not; None where there is none."""


class StoredRows(Protocol):
    """The rows in the output bucket. Raises a Fault where they cannot be read."""

    def get(self, key: str) -> bytes | None:
        """The content of one object; None where there is none."""


class Pictures(Protocol):
    """The images, for people. Raises a Fault where an image cannot be read now."""

    def sign(self, bucket: str, key: str, version_id: str | None, now: datetime) -> SignedPicture | None:
        """An address of the picture that works for some minutes; None where the object is gone."""

    def console(self, bucket: str, key: str, version_id: str | None) -> str:
        """The object's address in the S3 console."""


class ShowPicture(Struct, frozen=True, kw_only=True):
    """The step; call it with the id in the address."""

    links: Links
    stored_rows: StoredRows
    pictures: Pictures
    telemetry: Telemetry
    now: Callable[[], datetime]

    def __call__(self, link_id: str) -> Page | None:
        """The page; None for an id that is unknown, expired or revoked, or whose prediction was deleted.

        Nothing of the request is logged: an id opens the page.
        """
        digest, now = digest_of(link_id), self.now()
        link = self.links.find(digest) if digest else None
        valid = link if link and link.expires_at > now else None
        if valid and not valid.row_key:
            return AlertTestPage(source=valid.source, expires_at=valid.expires_at)
        content = self.stored_rows.get(valid.row_key) if valid else None
        if not (valid and content):
            self.telemetry.count("LinksRejected")
            return None
        return self._page(rows.decoded(content), valid, link_id, now)

    def _page(self, of_picture: list[rows.Row], link: PictureLink, link_id: str, now: datetime) -> PicturePage:
        first = of_picture[0]
        picture = self.pictures.sign(first.bucket, first.image, first.version_id, now)
        if picture is None:
            self.telemetry.warn("picture not found", image=f"s3://{first.bucket}/{first.image}")
        return PicturePage(
            image=first.image,
            bucket=first.bucket,
            source=first.source,
            labels=labels_of(of_picture),
            model=first.model,
            uploaded_at=rows.moment_of(first.uploaded_at),
            detected_at=rows.moment_of(first.detected_at),
            picture=picture,
            picture_path=f"{link_id}/image",
            console=self.pictures.console(first.bucket, first.image, first.version_id),
            expires_at=link.expires_at,
        )
