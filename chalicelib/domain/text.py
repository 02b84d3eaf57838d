"""Text that others choose, as people may see it."""


def printable(text: str) -> str:
    """The text on one line: a character that could break the line or reverse its direction becomes an escape."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
