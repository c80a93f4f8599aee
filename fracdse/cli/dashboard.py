"""`fracdse dashboard`: watch a study in the browser while it runs."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from fracdse.cli.storage import storage_option


@click.command("dashboard")
@click.argument("study", required=False)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; the default is this machine only."
)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0 takes any free port.")
@storage_option
def command(study: str | None, host: str, port: int, storage: str | None) -> None:
    """Show STUDY (a name or folder; the newest if left out) in optuna-dashboard, for reading only, until Ctrl+C.

    The trials of a journal file are shown from a copy that follows it; the journal itself is not touched.
    """
    from optuna.storages import BaseStorage, JournalStorage
    from optuna.storages.journal import JournalFileBackend

    from fracdse.results.dashboard import JournalMirror, dashboard_app, dashboard_server
    from fracdse.search.journal import JOURNAL_NAME
    from fracdse.search.study import open_study

    opened = open_study(study, storage)
    with tempfile.TemporaryDirectory(prefix="fracdse-dashboard-") as folder:
        shown: BaseStorage = opened.storage
        refresh = None
        if not opened.in_database:
            copy = Path(folder) / JOURNAL_NAME
            refresh = JournalMirror(opened.folder / JOURNAL_NAME, copy).refresh
            shown = JournalStorage(JournalFileBackend(str(copy)))
        server = dashboard_server(dashboard_app(shown, refresh), host, port)
        study_id = shown.get_study_id_from_name(opened.name)
        click.echo(f"http://{host}:{server.server_port}/dashboard/studies/{study_id}")
        click.echo("Stop it with Ctrl+C.", err=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            server.server_close()
