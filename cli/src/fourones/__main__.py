"""`fourones`: the command for users of the API. Exit codes: 0 done, 1 refused, 2 misused, 3 not available."""

from __future__ import annotations

from typing import Annotated

import typer

from fourones import catalogue_commands, figure_commands, simulate_commands
from fourones.talk import Talk
from fourones_shared.catalogue.faults import Language

app = typer.Typer(
    name="fourones",
    help="四个一:报送、查询、检查和发布数据字典。退出码:0 完成,1 被拒绝,2 用法有误,3 服务不可用。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(catalogue_commands.app, name="catalogue")
app.add_typer(simulate_commands.app, name="simulate")
figure_commands.install(app)


@app.callback()
def options(
    context: typer.Context,
    lang: Annotated[Language, typer.Option(envvar="FOURONES_LANG", help="zh 或 en")] = "zh",
) -> None:
    """Options of every command."""
    context.obj = Talk(lang)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
