"""The process at the other end of a connection, and its death."""

import os

import psutil


class NoVictimError(RuntimeError):
    """The process is not there, or is none of this campaign's."""


def kill_client(port: int) -> None:
    """Kill (SIGKILL) the process that owns the client's end of a loopback connection.

    Args:
        port: the client's port.

    Raises:
        NoVictimError: it is not found, or not a descendant of this process.
    """
    for connection in psutil.net_connections("tcp4"):
        if connection.laddr and connection.laddr.port == port and connection.pid and connection.pid != os.getpid():
            try:
                victim = psutil.Process(connection.pid)
                if os.getpid() not in {parent.pid for parent in victim.parents()}:
                    raise NoVictimError(f"process {connection.pid} is none of ours")
                victim.kill()
            except psutil.NoSuchProcess:
                raise NoVictimError(f"process {connection.pid} has just died") from None
            return
    raise NoVictimError(f"nobody is at port {port}")
