"""Verilog that describes hardware and nothing else, so that simulating a bundle from elsewhere runs no one's commands.

Verilator compiles `$c("…")` and imported functions to the C++ that they stand for, and files are within reach of other
system tasks and of directives. What the generator writes has none of these.
"""

from __future__ import annotations

import re

from fracdse.errors import DataError

_HARMLESS = ("$signed", "$unsigned")
_STRANGE_CHARACTER = re.compile(r"[^\t\n -~]")
# Comments and escaped names are passed over as a whole; the group is what may be refused.
_ODD_NAME = r"\\[!-~]*?(?:[\"`]|/[*/])[!-~]*"
_TOKEN = re.compile(rf"/\*.*?\*/|//[^\n]*|({_ODD_NAME}|[\"`]|/\*|\$\w+|\b(?:import|export|bind)\b)|\\[!-~]+", re.DOTALL)


def check_plain_verilog(verilog: str, name: str) -> None:
    """Refuse Verilog with strings, directives, imports or system functions; `name` is what the message calls it.

    Raises:
        DataError: There is one of these, with its line.
    """
    strange = _STRANGE_CHARACTER.search(verilog)
    found = (token for token in _TOKEN.finditer(verilog) if token[1] and token[1] not in _HARMLESS)
    refused = strange or next(found, None)
    if refused is not None:
        line = verilog.count("\n", 0, refused.start()) + 1
        raise DataError(
            f"{name}: line {line} has {refused[0]!r}, which describes no hardware; allowed: plain Verilog without "
            f"strings, directives, imports and system functions but {' and '.join(_HARMLESS)}",
            hint="Do not use it: it was not written by fracdse, and may run commands when it is simulated.",
        )
