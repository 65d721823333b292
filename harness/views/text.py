"""Hostile text made safe: what a submission controls passes through one of these on its way to a reader.

A submission chooses its own name, and its exceptions become messages and details. Such a string may hold
terminal escapes, newlines, right-to-left overrides, markup, spreadsheet formulas or what XML forbids.
"""

from __future__ import annotations

import re
import unicodedata

NAME_LIMIT = 60  # characters of a submission's name in any view but JSON, which keeps the whole
MESSAGE_LIMIT = 1_000
DETAIL_LINES = 60
DETAIL_COLUMNS = 400

_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?%?\Z")
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")  # the full-width forms count in some locales
_AFTER_SEMICOLON = re.compile(r";(?=\s*[=+\-@])")  # where the semicolon separates cells
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#|~!$^])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    "[": "{[}",  # after the end of a row, a bracket or an asterisk would be its option
    "]": "{]}",
    "*": "{*}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    "-": "-{}",  # the braces keep -- from becoming a dash
    "\u00d7": r"$\times$",
    "\u2013": "--",
    "\u2026": r"\ldots{}",
}


def visible(text: str) -> str:
    r"""Return ``text`` with what does not print (controls, format characters, surrogates) as ``\xhh``."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    code = ord(char)
    if char in "\n\r\t":
        return {"\n": r"\n", "\r": r"\r", "\t": r"\t"}[char]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shorten(text: str, limit: int) -> str:
    """Return at most ``limit`` characters of ``text``, with an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "\u2026"


def name(text: str, limit: int = NAME_LIMIT) -> str:
    """Return a name, path or check id on one line: what does not print is spelled out, not removed."""
    return shorten(visible(text[: 4 * limit]), limit)


def line(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """Return a message on one line: white space collapses, what else does not print is spelled out."""
    return shorten(visible(" ".join(text[: 4 * limit].split())), limit)


def block(text: str) -> str:
    """Return a detail of several lines, each made visible, cut to ``DETAIL_LINES`` by ``DETAIL_COLUMNS``."""
    lines = text.expandtabs(4).replace("\r\n", "\n").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    kept = [shorten(visible(each[: 4 * DETAIL_COLUMNS]), DETAIL_COLUMNS) for each in lines[:DETAIL_LINES]]
    if len(lines) > DETAIL_LINES:
        kept.append(f"\u2026 {len(lines) - DETAIL_LINES} more lines")
    return "\n".join(kept)


def markdown(text: str) -> str:
    """Return one line of plain text for Markdown: no cell, link, image, markup or mention begins in it."""
    escaped = _MARKDOWN.sub(r"\\\1", line(text).replace("&", "&amp;"))
    escaped = escaped.replace("<", "&lt;").replace(">", "&gt;")
    escaped = escaped.replace("://", "&#58;//").replace("www.", "www&#46;")
    return escaped.replace("@", "@\u200b")  # a zero-width space: no mention, no address


def markdown_block(text: str) -> str:
    """Return several lines as a fenced code block whose fence is longer than any run of backticks inside."""
    body = block(text)
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{body}\n{fence}"


def latex(text: str) -> str:
    """Return one line for LaTeX; letters outside the Latin blocks become ``U+hhhh``, so that it compiles."""
    safe = composed(line(text))
    return "".join(_latex_char(char) for char in safe)


def _latex_char(char: str) -> str:
    if char in _LATEX:
        return _LATEX[char]
    code = ord(char)
    if code < 0x7F or (0xC0 <= code < 0x180 and char.isalpha()):
        return char
    return f"U+{code:04X}"


def cell(text: str) -> str:
    """Return one line for CSV that no spreadsheet runs as a formula: an apostrophe precedes ``= + - @``."""
    safe = line(text)
    if _NUMBER.match(safe):
        return safe
    safe = _AFTER_SEMICOLON.sub(";'", safe)
    return "'" + safe if _FORMULA.match(safe) else safe


def composed(name: str) -> str:
    """Return a name with its accents composed: macOS hands in an umlaut as a letter and a mark."""
    return unicodedata.normalize("NFC", name)


def folded(name: str) -> str:
    """Return what two names have in common that differ by case, or by how an accent is written."""
    return composed(composed(name).casefold())
