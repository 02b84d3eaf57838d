"""Revoking the links of a stack: one link, those of a source, or all."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from urllib.parse import unquote

from chalicelib.adapters.dynamodb import LinkTable
from chalicelib.domain.errors import Fault
from chalicelib.domain.links import LINK_ID, PictureLink, digest_of
from labelwatch.shared import stacks
from labelwatch.shared.account import Account
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import CtrlCError, UserError
from labelwatch.shared.text import counted

CALLS_AT_ONCE = 10
_MOST_NAMES = 20
# The page is with its reader already, and S3 does not know of links.
AFTERWARDS = "A page that is open stays visible, and its picture's address works for up to 5 minutes."


def link_table(account: Account, stack_name: str) -> LinkTable:
    """The links of the stack; raises UserError without such a stack or table."""
    outputs = stacks.outputs(account.client("cloudformation"), stack_name, "TableName")
    return LinkTable(account.client("dynamodb"), outputs["TableName"])


def find(table: LinkTable, text: str, now: datetime) -> PictureLink:
    """The link with this id, or at this address of an alert; raises UserError where there is none that works."""
    digest = digest_of(_id_in(text))
    if not digest:
        raise UserError(f"{text!r} is not a link. Use the link as in the alert, or its last 32 characters.")
    link = table.find(digest)
    if not link or link.expires_at <= now:
        raise UserError("No link with this id: it was revoked, has expired, or belongs to another stack. Pass --stack.")
    return link


def select(links: Sequence[PictureLink], source: str | None) -> list[PictureLink]:
    """The links of the source, or all without a source; raises UserError where the source has none."""
    selected = [link for link in links if source in {None, link.source}]
    if source is not None and not selected:
        raise UserError(f"No links of {source!r}. {_sources_found(links)}")
    return selected


def describe(links: Sequence[PictureLink]) -> str:
    """How many links of which source: `3 links of field-3`, `12 links of 4 sources`."""
    sources = {link.source for link in links}
    of = sources.pop() if len(sources) == 1 else counted(len(sources), "source")
    return f"{counted(len(links), 'link')} of {of}"


def revoke(table: LinkTable, links: Sequence[PictureLink], terminal: Terminal) -> None:
    """Revokes the links; raises UserError where a part is left, with the number of those that are revoked."""
    revoked = 0
    try:
        with terminal.progress() as bars, ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
            bar = bars.add_task("Revoking links…", total=len(links))
            for _ in pool.map(lambda link: table.revoke(link.digest), links):
                revoked += 1
                bars.advance(bar)
    except Fault as problem:
        raise UserError(f"AWS request failed: {problem}. {_stopped(revoked, links)}") from None
    except KeyboardInterrupt:
        raise CtrlCError(_stopped(revoked, links)) from None


def _stopped(revoked: int, links: Sequence[PictureLink]) -> str:
    return f"Stopped after {revoked:,} of {counted(len(links), 'link')}. Run the same command to continue."


def _id_in(text: str) -> str:
    """The id in the text of an alert; empty where there is none."""
    # Decoded repeatedly: a mail program may wrap the link in another link.
    found = re.search(rf"(?:\A|/p/)({LINK_ID})(?!\w)", unquote(unquote(text)).strip("<> \t\r\n"))
    return found[1] if found else ""


def _sources_found(links: Sequence[PictureLink]) -> str:
    names = sorted({link.source for link in links})
    if not names:
        return "The stack has no links."
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return f"Sources found: {', '.join(names[:_MOST_NAMES])}{more}."
