"""optuna-dashboard on a study, for reading only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from fracdse.errors import ConfigError, ToolNotFound

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_READING = ("GET", "HEAD")


class JournalMirror:
    """A copy of a journal that grows with it, so that whoever reads the copy cannot touch the journal.

    It may be refreshed from several threads, as a server does for each of a page's requests.
    """

    def __init__(self, journal: Path, copy: Path) -> None:
        self._lock = threading.Lock()
        self._journal = journal
        self._copy = copy
        self._copied = 0
        copy.write_bytes(b"")
        self.refresh()

    def refresh(self) -> None:
        """Add the whole lines that the journal has gained; a line that is still being written waits."""
        with self._lock:
            with self._journal.open("rb") as source:
                source.seek(self._copied)
                gained = source.read()
            whole = gained[: gained.rfind(b"\n") + 1]
            if whole:
                with self._copy.open("ab") as copy:
                    copy.write(whole)
                self._copied += len(whole)


def dashboard_app(storage: BaseStorage, refresh: Callable[[], None] | None = None) -> App:
    """Return optuna-dashboard on `storage` as a WSGI application that refuses every request that would write.

    Args:
        storage: Where the trials are.
        refresh: Called before every request for data.

    Raises:
        ToolNotFound: optuna-dashboard is not installed.
    """
    try:
        import optuna_dashboard
    except ImportError:
        raise ToolNotFound(
            "optuna-dashboard is not installed", hint="Install it with: pip install 'fracdse[dashboard]'."
        ) from None
    inner = optuna_dashboard.wsgi(storage)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in _READING:
            start_response("405 Method Not Allowed", [("Content-Type", "application/json"), ("Allow", "GET, HEAD")])
            return [b'{"reason": "This dashboard is for reading only."}']
        if refresh is not None and environ.get("PATH_INFO", "").startswith(("/api", "/csv")):
            refresh()
        return inner(environ, start_response)  # type: ignore[no-any-return]

    return app


def dashboard_server(app: App, host: str, port: int) -> WSGIServer:
    """Return a server that listens on `host` and `port` (0: any free one); its `server_port` says which.

    Raises:
        ConfigError: The address cannot be listened on.
    """
    try:
        return make_server(host, port, app, server_class=_Server, handler_class=_QuietHandler)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}",
            hint="Give another port with --port; 0 takes any free one.",
        ) from None


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: requests are of no interest on the terminal."""
