"""`python -m fracdse`."""

from fracdse.cli.main import main

main()
