"""The client of a connection on loopback, by Linux's /proc: only processes that this one has started."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

# https://docs.kernel.org/networking/proc_net_tcp.html: 127.0.0.1 as the kernel writes it, and the column of the inode.
_LOOPBACK = "0100007F"
_INODE = 9


def client_of(ports: tuple[int, int]) -> int | None:
    """The id of the client's process, by the client's port and the server's; None where it has ended.

    Both ports count: the kernel gives one port to several connections of different servers. None for a process that
    does not descend from this one, too: it is the user's, and nothing here may kill it.
    """
    inode = next(_inodes(*ports), None)
    try:
        process = _process_with_socket(inode) if inode else None
    except ProcessLookupError:
        return None
    return process if process and _is_descendant(process) else None


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
        state = _state(process)[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


def kill(process: int) -> None:
    """Ends it at once, without a signal that it could handle, as Lambda does or a machine that fails."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _is_descendant(process: int) -> bool:
    while process > 1:
        try:
            process = int(_state(process)[1])
        except OSError:
            return False
        if process == os.getpid():
            return True
    return False


def _state(process: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold anything: state, parent, and more."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


def _inodes(client_port: int, server_port: int) -> Iterator[str]:
    addresses = [f"{_LOOPBACK}:{port:04X}" for port in (client_port, server_port)]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        if columns[1:3] == addresses and columns[_INODE] != "0":
            yield columns[_INODE]
