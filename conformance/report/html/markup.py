"""HTML made of elements: text is escaped by default, and only what was made here counts as markup."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from html import escape
from typing import Any

from conformance.report.junit import printable

CLIPPED = 600
"""Text that a candidate supplies is shown up to so many characters."""
DRAWN = frozenset(("rect", "line", "circle", "path"))
"""SVG's elements that hold nothing."""


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def element(name: str, *content: str, **attributes: str | int | float | bool | None) -> Html:
    """An element.

    Parameters
    ----------
    name : str
    *content : str or Html
        Text, which is escaped, or markup, which is not.
    **attributes
        ``class_`` stands for class and ``data_r`` for data-r; True is written as the bare name, None and False not at all.
    """
    written = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        written.append(f" {key}" if value is True else f' {key}="{text(str(value))}"')
    opened = f"<{name}{''.join(written)}"
    return Html(f"{opened}/>" if name in DRAWN else f"{opened}>{joined(*content)}</{name}>")


def joined(*content: str) -> Html:
    """One piece of markup from several of text or markup."""
    return Html("".join(piece if isinstance(piece, Html) else text(piece) for piece in content))


def text(value: str) -> Html:
    """Text as markup: escaped, and without what no document may hold."""
    return Html(escape(printable(value)))


def clipped(value: str, most: int = CLIPPED) -> str:
    """The text, cut if it is long."""
    return value if len(value) <= most else f"{value[: most - 1]}…"


def given(value: str) -> Html:
    """Text that a candidate supplies, kept to itself whatever direction it is written in."""
    return element("span", clipped(value), class_="given")


def broken(name: str) -> Html:
    """A quantity's name that may be broken behind its underscores."""
    return Html("_<wbr>".join(text(part) for part in name.split("_")))


def number(value: float) -> float | str:
    """A number that JSON can hold; what is not finite as JavaScript writes it."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def embedded(value: Any) -> Html:
    """JSON that can stand inside a script element, whatever the text in it."""
    written = printable(json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False))
    return Html(written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def hashed(content: str) -> str:
    """How a content security policy names a script or style that is let through."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
