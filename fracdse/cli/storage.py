"""The option that all commands on a study share: the address of the database that keeps its trials."""

from __future__ import annotations

import click

storage_option = click.option("--storage", envvar="FRACDSE_STORAGE", help="The database's address, where one is used.")
