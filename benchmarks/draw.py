"""Draw the committed results into docs/images/performance.png."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.common import RESULTS

OUT = Path(__file__).parent.parent / "docs" / "images" / "performance.png"


def main() -> None:
    """Draw."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("result", nargs="?", help="a JSON file of benchmarks.speed.network")
    options.add_argument("--out", type=Path, default=OUT)
    given = options.parse_args()
    path = Path(given.result) if given.result else sorted(RESULTS.glob("network-*.json"))[0]
    found = json.loads(path.read_text(encoding="utf-8"))
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), dpi=120, layout="constrained")
    rates, ratios = figure.subplots(1, 2)
    ways = list(dict.fromkeys(row["precision"] for row in found["rows"]))
    stock: dict[int, list[float]] = {}
    for way in ways:
        rows = [row for row in found["rows"] if row["precision"] == way]
        prompts = [int(row["prompts"]) for row in rows]
        rates.plot(prompts, [_number(row["tiles/s"]) for row in rows], "o-", label=way)
        faster = [_number(row["times faster than stock"]) for row in rows]
        ratios.plot(prompts, faster, "o-", label=way)
        for number, row in zip(prompts, rows):
            stock.setdefault(number, []).append(_number(row["stock tiles/s"]))
    means = [sum(values) / len(values) for values in stock.values()]
    rates.plot(list(stock), means, "s--", color="grey", label="transformers")
    rates.set_ylabel("tiles per second")
    ratios.set_ylabel("times faster than transformers' call")
    for axes in (rates, ratios):
        axes.set_xlabel("prompts")
        axes.set_ylim(0)
        axes.grid(alpha=0.3)
        axes.legend()
    machine = found["machine"]
    device = machine["device"] if machine["device"] != "processor" else machine["processor"]
    figure.suptitle(f"{device}, {machine['threads']} threads, torch {machine['torch']}")
    given.out.parent.mkdir(exist_ok=True)
    figure.savefig(given.out, metadata={"Software": None})


def _number(text: str) -> float:
    return float(text.replace(",", ""))


if __name__ == "__main__":
    main()
