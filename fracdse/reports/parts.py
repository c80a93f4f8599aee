"""One name for a device, whatever way a report spells its part."""

from __future__ import annotations

import re

_SEVEN_SERIES = re.compile(r"7(?:vx|vh|[akvzs])\d+[ts]?")
_PACKAGE = re.compile(r"[a-z]{4}\d{3,4}")  # every package since UltraScale: sbva484, sfvc784, fsgd2104, ...
_NEWER = re.compile(r"[a-z]+\d+[a-z]*")
_WITH_URAM = re.compile(r"xc(?:zu(?:4|5|7|11|17|19)(?:cg|eg|ev)|k26|vu\d+p|u(?:50|55[cn]?|200|250|280))\Z")


def has_uram(part: str) -> bool:
    """Tell whether a part is known to have UltraRAM (AMD DS890 and DS891); False is also said of unknown parts."""
    return _WITH_URAM.match(device_of(part)) is not None


def device_of(part: str) -> str:
    """Return the device of a part without package, speed grade and temperature.

    `xczu3egsbva484-1`, `xczu3eg-sbva484-1-e` and `xczu3eg-sbva484` are all `xczu3eg`; `7z020clg400-1` is `xc7z020`.
    A part of an unknown form comes back in lower case up to its first hyphen.
    """
    name = part.strip().lower().partition("-")[0].removeprefix("xc")
    if match := _SEVEN_SERIES.match(name):
        return "xc" + match[0]
    package = next((match for match in _PACKAGE.finditer(name) if match.end() == len(name)), None)
    if match := _NEWER.match(name[: package.start()] if package else name):
        return "xc" + match[0]
    return "xc" + name
