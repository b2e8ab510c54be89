"""The command line: `museway run MODEL key=value ...` and the rest. Needs the `cli` extra (typer and rich).

`app` puts the commands together; `generation`, `batches`, `models`, `billing`, `reports`, `verify`, `keys`, `settings`,
`local`, `admin`, `ledger_admin` and `catalog` hold them; `_context` finds the gateway, `_inputs` reads what is typed,
`_output` prints.
"""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the `museway` command; exits 0 only on success."""
    try:
        from museway.cli.app import app
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich", "click"}:
            raise
        sys.exit("error: the command line needs two more packages.\nhint:  pip install 'museway[cli]'")
    app(prog_name="museway")
