"""Protocols of the literature: what they fix, and the rows they published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import TruthError
from .packages import Method, evaluate_package
from .readers import read_dataset
from .result import Evaluation

PROTOCOLS: dict[str, Any] = json.loads(
    Path(__file__).with_name("protocols.json").read_text(encoding="utf-8")
)
KEYS = ("words", "combine", "template", "threshold", "fallback", "forced", "short_side", "square")


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
    published : tuple of (str, str, str)
        Who, figure, source.
    """

    name: str
    about: str
    layout: str
    headline: str
    reader: Mapping[str, Any]
    method: Method
    published: tuple[tuple[str, str, str], ...]

    def to_text(self) -> str:
        """What it fixes."""
        method = self.method
        words = "; ".join(f"{name}: {', '.join(w)}" for name, w in method.words.items())
        size = (
            f"{method.square} x {method.square}, squashed"
            if method.square
            else f"{method.short_side} pixels on the short side"
            if method.short_side
            else "as they are"
        )
        lines = [
            f"protocol {self.name}: {self.about}",
            f"  words      {words or 'the names of the classes, or each phrase'}",
            f"  of a class {method.combine} over its words; template {method.template!r}",
            f"  threshold  {method.threshold}, below it {method.fallback or 'background'}"
            + (" (never: the best class wins)" if method.forced else ""),
            f"  images     {size}",
            f"  arguments  {', '.join(f'{k}={v}' for k, v in method.arguments.items()) or '–'}",
            f"  headline   {self.headline}",
        ]
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
    method = Method(
        **{key: entry[key] for key in KEYS if key in entry}, arguments=entry.get("arguments", {})
    )
    return Protocol(
        name=name,
        about=entry["about"],
        layout=entry["layout"],
        headline=entry["headline"],
        reader=entry.get("reader", {}),
        method=method,
        published=tuple((who, value, source) for who, value, source in entry["published"]),
    )


def evaluate_protocol(
    package: str | Path,
    folder: str | Path,
    chosen: Protocol,
    *,
    reader: Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
    device: str = "auto",
    quiet: bool = True,
) -> Evaluation:
    """Run a protocol.

    Parameters
    ----------
    package, folder : path
        The dataset's root.
    chosen : Protocol
    reader, arguments : mapping, optional
        Options of the reader, and arguments of the function, that go before the protocol's.
    device, quiet
        See `dlpk.evaluation.packages.evaluate_package`.

    Returns
    -------
    Evaluation
        With the published rows, and what the protocol fixed in `about`.
    """
    dataset = read_dataset(chosen.layout, folder, **{**chosen.reader, **(reader or {})})
    method = replace(chosen.method, arguments={**chosen.method.arguments, **(arguments or {})})
    result = evaluate_package(package, dataset, method, device=device, quiet=quiet)
    about = {"protocol": f"{chosen.name}: {chosen.about}", **result.about}
    if arguments:
        about["changed"] = ", ".join(f"{key}={value}" for key, value in arguments.items())
    value = result.summary().get(chosen.headline)
    here = (("this package", f"{chosen.headline} {value}", "measured here"),)
    if value is not None:
        here = (("this package", f"{chosen.headline} {value:.4f}", "measured here"),)
    return replace(result, about=about, published=here + chosen.published)
