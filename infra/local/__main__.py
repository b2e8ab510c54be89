"""`python -m infra.local up|down [--folder DIR]`: what `museway up` and `down` do, for a system with files elsewhere.

Two systems with different folders run side by side: the tests and the demo use one of their own.
"""

import argparse
from pathlib import Path

from infra.local.commands import down, up
from infra.local.layout import Layout


def main() -> int:
    """Run one command and answer its exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.local", description="The local system.")
    parser.add_argument("command", choices=("up", "down"))
    parser.add_argument("--folder", type=Path, help="where it keeps its files; default: .museway of the checkout")
    parser.add_argument("--port", type=int, default=0, help="where to listen; default: 8787, or a free one")
    parser.add_argument("--state", type=Path, help="keep the state in this folder and find it again")
    parser.add_argument("--detach", action="store_true", help="return when it is ready")
    options = parser.parse_args()
    layout = Layout(options.folder.resolve()) if options.folder else Layout.of_checkout()
    if options.command == "down":
        return down(layout)
    return up(options.port, options.state, options.detach, layout)


if __name__ == "__main__":
    raise SystemExit(main())
