"""Text for people: what others wrote, such as keys and labels, and how many there are of a thing."""


def printable(text: str) -> str:
    """The text with escapes for what a terminal, or a picture, would not take as letters: keys may hold anything."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def counted(number: int, thing: str) -> str:
    """So many of the thing, which takes an s where it is not one: `1 image`, `2,340 images`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
