"""The output of functions that print, in a terminal of some width."""

import io
from collections.abc import Callable
from typing import Concatenate

from rich.console import Console


def printed[**P](width: int, function: Callable[Concatenate[Console, P], None], *args: P.args, **more: P.kwargs) -> str:
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False)
    function(console, *args, **more)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
