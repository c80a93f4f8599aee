"""Search spaces: the one file of a run, what its fields may be, and what is said when it is wrong."""

from fracdse.space.files import DEFAULT_SPACE, load_space, with_constraint, with_objectives
from fracdse.space.model import SearchSpace, parse_space

__all__ = ["DEFAULT_SPACE", "SearchSpace", "load_space", "parse_space", "with_constraint", "with_objectives"]
