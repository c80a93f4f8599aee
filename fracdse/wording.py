"""Words that messages and displays share."""

from __future__ import annotations


def number_of(count: int, what: str) -> str:
    """Return a count and what is counted: '1 trial', '2 trials', '12,000 trials'."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
