"""What MiniStack does otherwise than AWS, put right at start-up.

The code that runs here is the code that runs on AWS, so what it relies on must hold here too. Each module
replaces a few functions of the pinned MiniStack and says which behaviour of AWS it restores; `apply` refuses
any other version, because the replaced functions are not a public interface.
"""

from importlib.metadata import version

from infra.local.corrections import lambdas, layers, permissions, pool, resources, states, streams, turns

WRITTEN_FOR = "1.5.33"


def apply() -> None:
    """Install every correction. Raises RuntimeError when another version of MiniStack is installed."""
    installed = version("ministack")
    if installed != WRITTEN_FOR:
        raise RuntimeError(
            f"MiniStack {installed} is installed, but infra/local/corrections is written for {WRITTEN_FOR}. "
            "Run `make setup`, or review the corrections for the new version."
        )
    lambdas.install()
    layers.install()
    permissions.install()
    pool.install()
    resources.install()
    states.install()
    streams.install()
    turns.install()
