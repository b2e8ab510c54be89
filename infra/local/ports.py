"""Ports of the loopback interface."""

import socket

from infra.local.problems import LocalProblem

HOST = "127.0.0.1"
DEFAULT_PORT = 8787
_NEIGHBOURS = 20
_QUEUE = 1024


def reserve(port: int) -> socket.socket:
    """A listening socket for the front door, so that nobody takes its port while the rest starts.

    Early callers wait in its queue until the front door serves them. Port 0 means "not named": the default,
    or the first free one after it. Raises LocalProblem when a named port is taken.
    """
    candidates = [port] if port else [*range(DEFAULT_PORT, DEFAULT_PORT + _NEIGHBOURS), 0]
    for candidate in candidates:
        bound = _bind(candidate)
        if bound is not None:
            bound.listen(_QUEUE)
            return bound
    raise LocalProblem(
        f"Port {port} of {HOST} is taken by another program.",
        "Name another one with --port, or leave --port out and a free one is found.",
    )


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at this moment, all different."""
    sockets = [bound for bound in (_bind(0) for _ in range(count)) if bound is not None]
    ports = [bound.getsockname()[1] for bound in sockets]
    for bound in sockets:
        bound.close()
    return ports


def _bind(port: int) -> socket.socket | None:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Lets a port be used again whose last connections are still fading out; a listening one stays refused.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
    except OSError:
        bound.close()
        return None
    return bound
