"""The command `limner`: every sub-command in a file of its own."""

from __future__ import annotations

import typer

from limner.cli.demo import demo
from limner.cli.exits import MEANINGS
from limner.cli.export import export
from limner.cli.import_ import importing
from limner.cli.new import new
from limner.cli.openapi import openapi
from limner.cli.plugins import plugins
from limner.cli.serve import serve
from limner.cli.simulate import simulate
from limner.cli.status import status
from limner.cli.version import version

app = typer.Typer(
    name="limner",
    help="An active-learning labelling server for medical images.",
    epilog=MEANINGS,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("serve", epilog=MEANINGS)(serve)
app.command("demo", epilog=MEANINGS)(demo)
app.command("status", epilog=MEANINGS)(status)
app.command("export", epilog=MEANINGS)(export)
app.add_typer(importing)
app.command("simulate", epilog=MEANINGS)(simulate)
app.command("plugins", epilog=MEANINGS)(plugins)
app.command("new", epilog=MEANINGS)(new)
app.command("openapi", epilog=MEANINGS)(openapi)
app.command("version")(version)
