"""What must be there before anything is started."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from infra.local.layout import ROOT
from infra.local.problems import LocalProblem

PYTHON_MINIMUM = (3, 11)
NODE_MINIMUM = 22
CDK = ROOT / "infra" / "node_modules" / ".bin" / "cdk"


def tool_path() -> str:
    """PATH with this environment's programs first: `make setup` puts a current Node there."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def check_machine() -> None:
    """Raises LocalProblem when Python or Node is too old, or the CDK is not installed."""
    if sys.version_info < PYTHON_MINIMUM:
        raise LocalProblem(
            f"Python {sys.version.split()[0]} is too old: 3.11 or later is needed.",
            "Run `make setup PYTHON=python3.12` with a newer one, then try again.",
        )
    check_node()
    if not CDK.exists():
        raise LocalProblem("The AWS CDK is not installed in this checkout.", "Run `make setup`, then try again.")


def check_node() -> None:
    """Raises LocalProblem without a Node of at least NODE_MINIMUM."""
    node = shutil.which("node", path=tool_path())
    if node is None:
        raise LocalProblem("There is no Node.js, which the AWS CDK needs.", "Run `make setup`: it brings one.")
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    if node_major(answer) < NODE_MINIMUM:
        raise LocalProblem(
            f"Node.js {answer or 'of unknown version'} at {node} is too old: {NODE_MINIMUM} or later is needed.",
            "Run `make setup`: it brings a current one.",
        )


def node_major(version: str) -> int:
    """The 24 of `v24.19.0`; 0 for anything else."""
    digits = version.removeprefix("v").partition(".")[0]
    return int(digits) if digits.isdigit() else 0
