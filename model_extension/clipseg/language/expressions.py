"""The little language of prompts: phrases, logic between them, and names for results.

::

    water, pools = swimming pool NOT lake, (roof | rooftop){:0.4} AND solar panel{+2m}

A comma separates classes. Words in capitals combine: NOT binds tighter than AND, AND tighter than
OR; ``a NOT b`` is ``a AND NOT b``. A bar joins phrasings of one thing. Braces after a phrase or a
closing parenthesis hold its threshold (``:0.4``), strength (``*1.5``) and growth (``+2m``,
``-3px``); a threshold alone may stand without braces (``water:0.4``). Double quotes keep
commas, brackets and capitals from being read.

The text is taken apart by a scanner and a recursive parser over a fixed list of node types;
nothing is ever evaluated as code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, NoReturn

from ...common.errors import PromptError
from .nodes import FARTHEST, PLAIN, And, ClassExpression, Group, Modifiers, Node, Not, Or, Phrase
from .prompts import fold

OPERATORS = ("AND", "OR", "NOT")
DEEPEST = 50
_NUMBER = r"\d+(?:\.\d+)?|\.\d+"
BRACES = "braces hold a threshold, strength or growth, such as {:0.3 *1.5 +2m}"
BAR = "a bar joins phrases, not parentheses; write OR"
_TOKEN = re.compile(
    rf"""
      (?P<space>\s+)
    | (?P<quoted>"(?:[^"\\]|\\.)*")
    | (?P<braces>\{{[^{{}}]*\}})
    | (?P<threshold>:\s*(?:{_NUMBER})(?![\w.]))
    | (?P<symbol>[(),=|])
    | (?P<bad>["{{}}:])
    | (?P<word>[^\s"{{}}:(),=|]+)
    """,
    re.VERBOSE,
)
_MODIFIER = re.compile(
    rf"(?P<kind>[:*+-])\s*(?P<number>{_NUMBER})\s*(?P<unit>m|px)?\s*(?=[:*+\-]|\Z)"
)
_DECIMAL_COMMA = re.compile(r":\s*\d+(?=,\d)")


class Token(NamedTuple):
    """A piece of the text."""

    kind: str
    text: str
    start: int
    end: int


def parse_expressions(text: str, argument: str = "text_prompt") -> list[ClassExpression]:
    """Read a list of class expressions.

    Parameters
    ----------
    text : str
        As the user typed it.
    argument : str
        Name of the argument, for messages.

    Returns
    -------
    list of ClassExpression
        Empty parts between commas are skipped; there may be none at all.

    Raises
    ------
    PromptError
        Points at the column.
    """
    return _Parser(text, argument).classes()


class _Parser:
    def __init__(self, text: str, argument: str) -> None:
        self.text = text
        self.argument = argument
        self.tokens = list(self._scan())
        self.place = 0
        self.depth = 0

    def _scan(self) -> Iterator[Token]:
        for match in _TOKEN.finditer(self.text):
            kind = str(match.lastgroup)
            if kind == "bad":
                self._fail(match.start(), self._advice(match.group()))
            if kind != "space":
                yield Token(kind, match.group(), match.start(), match.end())
        yield Token("end", "", len(self.text), len(self.text))

    @staticmethod
    def _advice(character: str) -> str:
        if character == '"':
            return "a double quote is opened and not closed"
        if character == ":":
            return (
                "after a colon stands a threshold from 0 to 1, such as water:0.3; put a phrase "
                "with a colon into double quotes"
            )
        return BRACES

    def classes(self) -> list[ClassExpression]:
        found = []
        while self.now.kind != "end":
            if self._take(","):
                continue
            found.append(self._class())
            if self.now.kind != "end" and not self._take(","):
                self._unexpected()
        return found

    def _class(self) -> ClassExpression:
        start = self.now.start
        name = self._name()
        if name is not None and (self.now.kind == "end" or self.now.text == ","):
            self._fail(self.now.start, f"nothing stands after '{name} ='")
        node = self._or()
        end = self.tokens[self.place - 1].end
        if name is None:
            name = _plain_name(node) or " ".join(self.text[start:end].split())
        return ClassExpression(name, node)

    def _name(self) -> str | None:
        """The words before an equals sign, if there is one in this class."""
        ahead = self.place
        while self.tokens[ahead].kind in ("word", "quoted"):
            ahead += 1
        if self.tokens[ahead].text != "=" or self.tokens[ahead].kind != "symbol":
            return None
        words = " ".join(_unquoted(token) for token in self.tokens[self.place : ahead])
        name = " ".join(words.split())
        if not name:
            self._fail(self.now.start, "a name has to stand before '='")
        self.place = ahead + 1
        return name

    def _or(self) -> Node:
        parts = [self._and()]
        while self._take("OR"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _and(self) -> Node:
        parts = [self._not()]
        while True:
            if self._take("AND") or self.now.text == "NOT":
                parts.append(self._not())
            else:
                return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _not(self) -> Node:
        if not self._take("NOT"):
            return self._primary()
        self._deeper()
        node = Not(self._not())
        self.depth -= 1
        return node

    def _primary(self) -> Node:
        if self._take("("):
            opened = self.tokens[self.place - 1].start
            self._deeper()
            node = self._or()
            if not self._take(")"):
                if self.now.kind == "end":
                    self._fail(opened, "this parenthesis is not closed")
                self._unexpected()
            self.depth -= 1
            if self.now.text == "|":
                self._fail(self.now.start, BAR)
            modifiers = self._modifiers()
            if modifiers == PLAIN:
                return node
            if isinstance(node, Phrase) and node.modifiers == PLAIN:
                return Phrase(node.texts, modifiers)  # parentheses around a phrase mean nothing
            return Group(node, modifiers)
        texts: dict[str, str] = {}
        while True:
            text = self._phrase()
            texts.setdefault(fold(text), text)
            if not self._take("|"):
                return Phrase(tuple(texts.values()), self._modifiers())
            if self.now.text == "(":
                self._fail(self.now.start, BAR)

    def _phrase(self) -> str:
        words: list[str] = []
        start = self.now.start
        while self.now.kind == "quoted" or (
            self.now.kind == "word" and self.now.text not in OPERATORS
        ):
            words.append(_unquoted(self.now))
            self.place += 1
        text = " ".join(" ".join(words).split())
        if words and not text:
            self._fail(start, "the double quotes hold nothing")
        if not text:
            self._unexpected()
        return text

    def _modifiers(self) -> Modifiers:
        values: dict[str, float | str] = {}
        while self.now.kind in ("threshold", "braces"):
            token = self.now
            self.place += 1
            inner = token.text if token.kind == "threshold" else token.text[1:-1]
            offset = token.start + (0 if token.kind == "threshold" else 1)
            if not inner.strip():
                self._fail(token.start, f"these braces are empty; {BRACES}")
            self._read_modifiers(inner, offset, values)
        return Modifiers(**values) if values else PLAIN  # type: ignore[arg-type]

    def _read_modifiers(self, text: str, offset: int, values: dict[str, float | str]) -> None:
        place = len(text) - len(text.lstrip())
        while place < len(text):
            start = offset + place
            comma = _DECIMAL_COMMA.match(self.text, start)
            if comma is not None:
                self._fail(comma.end(), "write a threshold with a point: a comma ends it")
            match = _MODIFIER.match(text, place)
            if match is None:
                self._fail(
                    start, "this is no threshold (:0.3), strength (*1.5) or growth (+2m, -3px)"
                )
            kind, number = match["kind"], float(match["number"])
            key = {":": "threshold", "*": "strength"}.get(kind, "grow")
            what = "growth" if key == "grow" else key
            if key in values:
                self._fail(start, f"the {what} is given twice")
            if match["unit"] and key != "grow":
                self._fail(start, f"a {key} has no unit")
            if key == "threshold" and not number <= 1.0:
                self._fail(
                    start,
                    f"the threshold {number:g} is not from 0 to 1; put a phrase with a colon into "
                    "double quotes",
                )
            if key == "strength" and not 0.0 < number <= 100.0:
                self._fail(start, f"the strength {number:g} is not above 0 and at most 100")
            if key == "grow" and not number <= FARTHEST:
                self._fail(start, f"the growth is further than {FARTHEST:,.0f}")
            values[key] = -number if kind == "-" else number
            if key == "grow":
                values["unit"] = match["unit"] or "m"
            place = match.end()

    @property
    def now(self) -> Token:
        return self.tokens[self.place]

    def _take(self, text: str) -> bool:
        # Quoted texts keep their quotes, so that none looks like a symbol or an operator.
        if self.now.text != text:
            return False
        self.place += 1
        return True

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            self._fail(self.now.start, f"this nests deeper than {DEEPEST} levels")

    def _unexpected(self) -> NoReturn:
        token = self.now
        if token.kind == "end":
            self._fail(token.start, "the text ends where a phrase was expected")
        if token.kind in ("threshold", "braces"):
            self._fail(token.start, "a phrase has to stand before this")
        before = self.tokens[self.place - 1] if self.place else None
        opened = before is None or before.kind == "symbol" or before.text in OPERATORS
        if token.kind == "symbol" and token.text in (",", "|", ")") and opened:
            self._fail(token.start, f"a phrase is missing before {token.text!r}")
        self._fail(
            token.start,
            f"{token.text!r} was not expected here; put a phrase that holds it into double quotes",
        )

    def _fail(self, place: int, reason: str) -> NoReturn:
        around = " ".join(self.text[max(0, place - 30) : place + 30].split())
        near = f" (near {around!r})" if around else ""
        raise PromptError(f"{self.argument}, column {place + 1}: {reason}{near}")


def quoted(text: str) -> str:
    """A phrase as it has to be written among others, so that nothing in it has a meaning."""
    if re.fullmatch(r"[\w -]+", text) and not set(text.split()) & set(OPERATORS):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _unquoted(token: Token) -> str:
    if token.kind != "quoted":
        return token.text
    return re.sub(r"\\(.)", r"\1", token.text[1:-1])


def _plain_name(node: Node) -> str | None:
    """The phrase itself, for a class that is nothing else: thresholds do not show in legends."""
    return node.texts[0] if isinstance(node, Phrase) and len(node.texts) == 1 else None
