"""``replayport pull``."""
import typer
app = typer.Typer()
