"""`python -m export …`: draw pictures, train the networks, write them into the model repository, score them."""

import typer

from export.cli import conversion, drawing, evaluation, training

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
for group in (drawing, training, conversion, evaluation):
    app.add_typer(group.app)
