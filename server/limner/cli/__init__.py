"""The command line: every sub-command of `limner`, such as `limner serve` and `limner new`."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; what goes wrong is said in words, and the exit code says what kind."""
    from limner.cli.app import app
    from limner.cli.exits import Exit, code_for
    from limner.cli.terminal import complain
    from limner.client.errors import HTTPProblem
    from limner.plugin.errors import LimnerError

    try:
        app(prog_name="limner")
    except LimnerError as error:
        if os.environ.get("LIMNER_TRACEBACK") == "1":
            raise
        complain(error.words if isinstance(error, HTTPProblem) else str(error))
        sys.exit(code_for(error))
    except OSError as error:
        complain(f"{error.strerror or error}: {error.filename or 'the system refused it'}")
        sys.exit(Exit.FAILED)
