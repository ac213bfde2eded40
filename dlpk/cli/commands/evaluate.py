"""The command `dlpk evaluate`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from .. import options


@click.command()
@click.argument("prediction")
@click.argument("truth")
@click.option("--field", help="Field of polygons that names the class.")
@click.option(
    "--classes",
    metavar="WHICH",
    help="Values of classes, as in water=1,road=2; water=1/41 if the truth says 41 for 1. Or a "
    "JSON file: {name: value} or {name: [value, true value]}.",
)
@click.option(
    "--outside",
    default="auto",
    show_default=True,
    help="What lies outside of all polygons: background, unknown, or auto: unknown where several "
    "classes are drawn.",
)
@click.option(
    "--grid",
    default="truth",
    show_default=True,
    help="Whose pixels are counted where both are rasters: truth or prediction.",
)
@click.option(
    "--threshold",
    type=float,
    help="Where the prediction is probabilities (default 0.5); of a package its own by default.",
)
@click.option("--by", metavar="FIELD", help="Report by this field of the regions.")
@click.option("--regions", metavar="FILE", help="Polygons of the regions (default: the truth).")
@click.option("--boundary", default="", metavar="1,2,3", help="Boundary F at so many pixels.")
@click.option("--image", metavar="RASTER", help="Shown beside examples in the HTML report.")
@click.option(
    "--block",
    type=click.IntRange(min=1),
    help="Side in pixels of the blocks that intervals rest on.",
)
@click.option(
    "--report",
    "reports",
    multiple=True,
    metavar="OUT",
    help="Write a report: OUT.html, OUT.json or OUT.csv; may be repeated.",
)
@click.option("--layout", help="A package over a dataset: how it lies on disk, as in folders.")
@click.option("--protocol", help="A package over a dataset: a protocol of the literature.")
@click.option(
    "--read",
    "reader",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of the layout, such as fold=1 or split=val; may be repeated.",
)
@click.option(
    "--words",
    multiple=True,
    metavar="CLASS=WORD|WORD",
    help="Words of a class of the dataset; may be repeated.",
)
@click.option(
    "--method",
    "choices_of_method",
    multiple=True,
    metavar="NAME=VALUE",
    help="A choice of how a package is run: combine=maximum, scores=softmax, square=352, "
    "templates=imagenet, forced=true …; may be repeated, and goes before a protocol's.",
)
@click.option("--into", metavar="NEW.dlpk", help="New package that carries these figures.")
@options.arguments
@options.device
@options.no_progress
def evaluate(
    prediction: str, truth: str, reports: tuple[str, ...], into: str | None, **choices: Any
) -> None:
    """Compare a classified raster with truth, or a package with a dataset.

    PREDICTION is a raster of classes, or of probabilities with one band per class; TRUTH a raster
    or polygons, in any coordinate system and cell size. Pixels without data in either do not
    count. With --layout or --protocol PREDICTION is a package, and TRUTH the folder of a dataset.
    """
    from builder.target import check_targets

    from ...evaluation.reports.files import check_report, write_report
    from ...evaluation.reports.report_text import to_text
    from ...raster.files import files_of

    over_dataset = bool(choices["layout"] or choices["protocol"])
    _check_options(over_dataset)
    if not over_dataset and prediction.lower().endswith(".dlpk"):
        raise click.UsageError(
            f"{prediction} is a package: say how the dataset {truth} is laid out with --layout, or "
            "name a --protocol"
        )
    for report in reports:
        check_report(report)
    read = [prediction] if over_dataset else files_of([prediction, truth])
    check_targets([*reports, *filter(None, [into])], read)
    result = (_dataset if over_dataset else _raster)(prediction, truth, **choices)
    print(to_text(result))
    for report in reports:
        print(write_report(result, report))
    if into:
        from ...evaluation.into import write_accuracy

        print(f"{into}: SHA-256 {write_accuracy(prediction, into, result)}")


OF_RASTERS = ("field", "outside", "grid", "by", "regions", "image", "block")
OF_DATASETS = ("reader", "words", "choices_of_method", "arguments", "device", "into")


def _check_options(over_dataset: bool) -> None:
    """Refuse options that would have no effect."""
    if over_dataset:
        options.refuse((*OF_RASTERS, "classes"), "no effect on a package over a dataset")
    else:
        hint = " (a dataset needs --layout or --protocol)"
        options.refuse(OF_DATASETS, "no effect on a result and its truth" + hint)
    given = click.get_current_context().params
    if given["layout"] and given["protocol"]:
        raise click.UsageError("--protocol has a layout: leave --layout out")
    if not given["by"]:
        options.refuse(["regions"], "no effect without --by, the field that names a region")
    if not any(report.lower().endswith(".html") for report in given["reports"]):
        options.refuse(["image"], "no effect without --report OUT.html")


def _raster(prediction: str, truth: str, **choices: Any) -> Any:
    from ...evaluation.rasters import Options, evaluate_raster

    given = {name: choices[name] for name in (*OF_RASTERS, "threshold")}
    classes, boundary = parse_classes(choices["classes"]), parse_distances(choices["boundary"])
    chosen = Options(classes=classes, boundary=boundary, **given)
    return evaluate_raster(prediction, truth, chosen, quiet=choices["quiet"])


def _dataset(package: str, folder: str, **choices: Any) -> Any:
    from ...evaluation.method import Method
    from ...evaluation.packages import evaluate_package
    from ...evaluation.protocols import evaluate_protocol, protocol
    from ...evaluation.readers import read_dataset
    from ...harness.arguments import parse_assignments

    reader = {name: _number(value) for name, value in parse_assignments(choices["reader"]).items()}
    chosen = protocol(choices["protocol"]) if choices["protocol"] else None
    method = chosen.method if chosen else Method()
    more = {
        name: [word.strip() for word in text.split("|")]
        for name, text in parse_assignments(choices["words"]).items()
    }
    method = replace(
        method,
        words={**method.words, **more},
        arguments={**method.arguments, **choices["arguments"]},
        boundary=parse_distances(choices["boundary"]),
    )
    changes = parse_assignments(choices["choices_of_method"])
    if choices["threshold"] is not None:
        changes["threshold"] = str(choices["threshold"])
    method = method.changed(changes)
    common = {"device": choices["device"], "quiet": choices["quiet"]}
    if chosen:
        print(chosen.to_text() + "\n")
        return evaluate_protocol(package, folder, chosen, reader=reader, method=method, **common)
    dataset = read_dataset(choices["layout"], folder, **reader)
    return evaluate_package(package, dataset, method, **common)


def _number(text: str) -> Any:
    return int(text) if text.lstrip("-").isdigit() else text


def parse_classes(text: str | None) -> dict[str, tuple[int, int]] | None:
    """Read ``water=1,road=2/41`` or a JSON file."""
    if not text:
        return None
    try:
        if text.endswith(".json"):
            given = json.loads(Path(text).read_text(encoding="utf-8"))
            pairs = {
                str(name): tuple(value) if isinstance(value, list) else (value, value)
                for name, value in given.items()
            }
        else:
            pairs = {}
            for part in text.split(","):
                name, _, value = part.partition("=")
                ours, _, theirs = value.partition("/")
                pairs[name.strip()] = (ours, theirs or ours)
        return {name: (int(ours), int(theirs)) for name, (ours, theirs) in pairs.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise click.UsageError(
            f"--classes {text!r} is neither like water=1,road=2/41 nor a JSON file of that: {error}"
        ) from error


def parse_distances(text: str) -> tuple[int, ...]:
    """Read ``1,2,3``."""
    try:
        return tuple(int(part) for part in text.replace(",", " ").split())
    except ValueError as error:
        raise click.UsageError(f"--boundary {text!r} is not like 1,2,3") from error
