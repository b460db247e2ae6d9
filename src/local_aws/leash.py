"""Ends a server when whoever started it is gone, however that came about: `python -m local_aws.leash PID CREATED`.

Standard input is a pipe from the starter; it closes at the latest when the starter dies.
"""

import sys

import psutil

from local_aws import processes


def main() -> None:
    """Wait for the starter's end, then end the server, unless it has ended or its id belongs to another by now."""
    pid, created = int(sys.argv[1]), float(sys.argv[2])
    sys.stdin.buffer.read()
    try:
        server = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return
    if server.create_time() == created:
        processes.end(server)


if __name__ == "__main__":
    main()
