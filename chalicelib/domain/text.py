"""Text that others choose, as people may see it."""

import re
import unicodedata

# Where mail programs find links: host names, addresses, schemes, and paths of a network. With the other forms of each
# character that browsers read as the plain one. The ending of an image stays, since it is no top-level domain.
_LINK_PARTS = re.compile(
    r"[.。．｡․﹒︒](?!(?:jpe?g|png)\Z)(?=\S)|[:：﹕︓@＠﹫](?=\S)|[/／](?=[/／])|[\\＼﹨](?=[\\＼﹨])", re.IGNORECASE
)


def printable(text: str) -> str:
    """The text on one line: a character that could break the line or reverse its direction becomes an escape."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def shortened(text: str, longest: int) -> str:
    """The text, or its beginning with dots at the end where it has more characters than `longest`."""
    return text if len(text) <= longest else text[: longest - 3] + "..."


def linkless(text: str) -> str:
    """The text on one line, with a space wherever a mail program could find a link in it."""
    return _LINK_PARTS.sub(lambda part: part[0] + " ", printable(text))


def in_ascii(text: str) -> str:
    """The text without accents, and with a question mark in place of any other character outside ASCII."""
    plain = "".join(
        character for character in unicodedata.normalize("NFKD", text) if not unicodedata.combining(character)
    )
    return plain.encode("ascii", "replace").decode()
