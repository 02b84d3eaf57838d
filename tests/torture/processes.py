"""The process at the other end of a connection on loopback, by Linux's /proc."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

# https://docs.kernel.org/networking/proc_net_tcp.html: 127.0.0.1 as the kernel writes it, and the column of the inode.
_LOOPBACK = "0100007F"
_INODE = 9


def process_of(port: int) -> int | None:
    """The id of the process whose connection has this port of loopback at its own end; None where it has ended."""
    inode = next(_inodes(port), None)
    try:
        return _process_with_socket(inode) if inode else None
    except ProcessLookupError:
        return None


@cache  # no other socket gets this number, and a search through all open files takes a while
def _process_with_socket(inode: str) -> int:
    name = f"socket:[{inode}]"
    for process in Path("/proc").iterdir():
        # A process may end meanwhile, or belong to another user.
        with suppress(OSError):
            if process.name.isdigit() and any(str(file.readlink()) == name for file in (process / "fd").iterdir()):
                return int(process.name)
    raise ProcessLookupError(inode)


def is_running(process: int) -> bool:
    """Whether the process runs; a zombie, which has ended and which its parent has not waited for, does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


def kill(process: int) -> None:
    """Ends it at once, without a signal that it could handle, as Lambda does or a machine that fails."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _inodes(port: int) -> Iterator[str]:
    local_address = f"{_LOOPBACK}:{port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        if columns[1] == local_address and columns[_INODE] != "0":
            yield columns[_INODE]
