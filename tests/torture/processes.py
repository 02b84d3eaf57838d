"""The process at the other end of a connection on loopback, by what Linux tells of it."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

# https://docs.kernel.org/networking/proc_net_tcp.html: 127.0.0.1 as the kernel writes it, and the column of the inode.
_LOOPBACK = "0100007F"
_INODE = 9


def owner_of(port: int) -> int | None:
    """The id of the process whose connection has this port of loopback at its own end; None where it is gone."""
    inode = next(_inodes(port), None)
    try:
        return _holder(inode) if inode else None
    except ProcessLookupError:
        return None


@cache  # no other socket gets this number again, and to look through all that is open takes a while
def _holder(inode: str) -> int:
    name = f"socket:[{inode}]"
    for process in Path("/proc").iterdir():
        # A process that ends meanwhile, or somebody else's.
        with suppress(OSError):
            if process.name.isdigit() and any(str(one.readlink()) == name for one in (process / "fd").iterdir()):
                return int(process.name)
    raise ProcessLookupError(inode)


def lives(process: int) -> bool:
    """Whether it does; one that has ended and that nobody has asked after yet (a zombie) does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


def kill(process: int) -> None:
    """Ends it at once, as Lambda does or a machine that fails: nothing in it is told."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _inodes(port: int) -> Iterator[str]:
    here = f"{_LOOPBACK}:{port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        if columns[1] == here and columns[_INODE] != "0":
            yield columns[_INODE]
