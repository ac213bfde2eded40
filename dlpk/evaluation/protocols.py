"""Protocols of the literature: what they fix, and the rows they published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..errors import TruthError
from .method import Method, sentences
from .packages import evaluate_package
from .readers import read_dataset
from .result import Evaluation

_FILE: dict[str, Any] = json.loads(
    Path(__file__).with_name("protocols.json").read_text(encoding="utf-8")
)
PROTOCOLS: dict[str, Any] = {}
for _name, _entry in _FILE["protocols"].items():
    _family = _FILE["families"].get(_entry.get("family"), {})
    _arguments = {**_family.get("arguments", {}), **_entry.get("arguments", {})}
    PROTOCOLS[_name] = {**_family, **_entry, "arguments": _arguments}


@dataclass(frozen=True)
class Protocol:
    """One protocol.

    Parameters
    ----------
    name, about, layout, headline : str
        `headline` is the figure that is compared with published ones.
    reader : mapping
        Options of the reader.
    method : Method
    differs : tuple of str
        What is otherwise than it was published.
    published : tuple of (str, str, str)
        Who, figure, source.
    """

    name: str
    about: str
    layout: str
    headline: str
    reader: Mapping[str, Any]
    method: Method
    differs: tuple[str, ...]
    published: tuple[tuple[str, str, str], ...]

    def to_text(self) -> str:
        """What it fixes."""
        method = self.method
        words = "; ".join(f"{name}: {', '.join(w)}" for name, w in method.words.items())
        threshold = f"{method.threshold}, below it {method.fallback or 'background'}"
        reader = ", ".join(
            f"{key}={value if not isinstance(value, list) else f'{len(value)} images'}"
            for key, value in self.reader.items()
        )
        rivals = ", ".join(method.background_words) or "none"
        rows = {
            "layout": self.layout + (f" ({reader})" if reader else ""),
            "words": words or "the names of the classes, or each phrase",
            "of a class": f"{method.combine} over its words",
            "sentences": method.sentences_text(),
            "shown by": method.prompts,
            "background": f"words for it: {rivals}, times {method.background_strength:g}",
            "scores": method.scores,
            "threshold": "none: the best class wins" if method.forced else threshold,
            "images": method.size_text(),
            "arguments": ", ".join(f"{k}={v}" for k, v in method.arguments.items()) or "–",
            "headline": self.headline,
        }
        lines = [f"protocol {self.name}: {self.about}"]
        lines += [f"  {name:11}{text}" for name, text in rows.items()]
        lines += [f"  differs    {text}" for text in self.differs]
        return "\n".join(lines)


def protocol(name: str) -> Protocol:
    """A protocol by its name.

    Raises
    ------
    TruthError
        There is none of that name.
    """
    if name not in PROTOCOLS:
        raise TruthError(f"the protocol {name!r} is not known; known are {', '.join(PROTOCOLS)}")
    entry = PROTOCOLS[name]
    given = {field.name: entry[field.name] for field in fields(Method) if field.name in entry}
    if "templates" in given:
        given["templates"] = sentences(given["templates"])
    return Protocol(
        name=name,
        about=entry["about"],
        layout=entry["layout"],
        headline=entry["headline"],
        reader=entry.get("reader", {}),
        method=Method(**given),
        differs=tuple(entry.get("differs", ())),
        published=tuple((*row, entry.get("source"))[:3] for row in entry["published"]),
    )


def evaluate_protocol(
    package: str | Path,
    folder: str | Path,
    chosen: Protocol,
    *,
    reader: Mapping[str, Any] | None = None,
    method: Method | None = None,
    device: str = "auto",
    quiet: bool = True,
) -> Evaluation:
    """Run a protocol.

    Parameters
    ----------
    package, folder : path
        The dataset's root.
    chosen : Protocol
    reader : mapping, optional
        Options of the reader that go before the protocol's.
    method : Method, optional
        That of the protocol with changes.
    device, quiet
        See `dlpk.evaluation.packages.evaluate_package`.

    Returns
    -------
    Evaluation
        With the published rows, and what the protocol fixed, and what was changed, in `about`.
    """
    dataset = read_dataset(chosen.layout, folder, **{**chosen.reader, **(reader or {})})
    result = evaluate_package(package, dataset, method or chosen.method, device=device, quiet=quiet)
    about = {"protocol": f"{chosen.name}: {chosen.about}", **result.about}
    if changed := _changes(chosen, reader or {}, method or chosen.method):
        about["changed"] = changed
    if chosen.differs:
        about["differs"] = "; ".join(chosen.differs)
    headline = chosen.headline
    value = result.summary().get(headline)
    if value is None:  # a threshold that was changed is in the names of figures
        headline = headline.partition(", t=")[0]
        value = next((v for k, v in result.measures.items() if k.startswith(headline)), None)
    text = "not measured" if value is None else f"{value:.4f}"
    here = (("this package", f"{headline} {text}", "measured here"),)
    return replace(result, about=about, published=here + chosen.published)


def _changes(chosen: Protocol, reader: Mapping[str, Any], method: Method) -> str:
    """What is otherwise than the protocol says; figures are no longer its own then."""
    given = dict(reader)
    for entry in fields(Method):
        now, before = getattr(method, entry.name), getattr(chosen.method, entry.name)
        if entry.name == "arguments":
            given.update({key: value for key, value in now.items() if before.get(key) != value})
        elif now != before and entry.name != "boundary":
            given[entry.name] = now
    return ", ".join(f"{key}={value}" for key, value in given.items())
