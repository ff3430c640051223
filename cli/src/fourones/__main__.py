"""`fourones`: the command for users of the API. `errors` has the exit codes."""

from __future__ import annotations

from typing import Annotated

import typer

from fourones import (
    catalogue_commands,
    duty_commands,
    simulate_commands,
    status_command,
    submit_command,
    target_command,
)
from fourones.errors import EXIT_CODES_ZH
from fourones.options import WithBareWait
from fourones.talk import talk_in
from fourones_shared.catalogue.faults import Language

app = typer.Typer(
    name="fourones",
    help=f"四个一:报送、查询、检查和发布数据字典。\n\n{EXIT_CODES_ZH}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command(cls=WithBareWait, help=submit_command.HELP, epilog=EXIT_CODES_ZH)(submit_command.submit)
app.command(cls=WithBareWait, help=status_command.HELP, epilog=EXIT_CODES_ZH)(status_command.status)
app.command(help=duty_commands.OBLIGATIONS_HELP, epilog=EXIT_CODES_ZH)(duty_commands.obligations)
app.command(help=duty_commands.TEMPLATE_HELP, epilog=EXIT_CODES_ZH)(duty_commands.template)
app.command(help=target_command.HELP, epilog=EXIT_CODES_ZH)(target_command.targets)
app.add_typer(catalogue_commands.app, name="catalogue")
app.add_typer(simulate_commands.app, name="simulate")


@app.callback()
def options(
    context: typer.Context,
    lang: Annotated[Language, typer.Option(envvar="FOURONES_LANG", help="zh 或 en")] = "zh",
) -> None:
    """Options of every command."""
    context.obj = talk_in(lang)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
