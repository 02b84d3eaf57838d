"""Text that others wrote, such as keys and labels, as it is shown."""


def printable(text: str) -> str:
    """The text with escapes for what a terminal, or a picture, would not take as letters: keys may hold anything."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
