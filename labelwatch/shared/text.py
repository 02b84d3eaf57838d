"""Text for people: printable keys and labels, and numbers with their noun."""


def printable(text: str) -> str:
    """The text with escapes for characters that a terminal or a chart cannot show: keys may hold any."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def counted(number: int, thing: str) -> str:
    """The number with its noun, in the plural where it is not 1: `1 image`, `2,340 images`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
