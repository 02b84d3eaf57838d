"""The colour numbers of labels: a label keeps its colour from page to page."""

import zlib
from collections.abc import Iterable, Sequence

from chalicelib.domain.rules import ANY_LABEL, normalized_label

# Nobody can distinguish many colours. All other labels share the number OTHER, which is grey.
COLOURS = 7
OTHER = COLOURS


def colour_numbers(labels: Sequence[str], first: Iterable[str]) -> dict[str, int]:
    """The number of each label, 0 to OTHER; `labels` are in order of importance, `first` is the labels of interest.

    A label of interest has its position in the setting, and no other label has this colour, even where the label of
    interest is absent. The most important other labels have a colour by a hash of their name. They keep this colour
    whatever else is shown, unless two of them have the same hash: then the second in the alphabet moves.
    """
    names = list(dict.fromkeys(map(normalized_label, labels)))
    of_interest = dict.fromkeys(normalized_label(name) for name in first if name != ANY_LABEL)
    numbers = dict(zip(of_interest, range(COLOURS), strict=False))
    free = range(len(numbers), COLOURS)
    others = sorted([name for name in names if name not in of_interest][: len(free)])
    by_number: dict[int, str] = {}
    for name in others:
        by_number.setdefault(free[_hash(name) % len(free)], name)
    moved = [name for name in others if name not in by_number.values()]
    by_number |= zip([number for number in free if number not in by_number], moved, strict=False)
    numbers |= {name: number for number, name in by_number.items()}
    return {label: numbers.get(normalized_label(label), OTHER) for label in labels}


def _hash(name: str) -> int:
    """The same in every process, unlike hash()."""
    return zlib.crc32(name.encode(errors="surrogatepass"))
