"""Judging what a package imports against what each ArcGIS Pro can import."""

from __future__ import annotations

from typing import Final

from schemas.emd.rules import Rule
from schemas.findings import Report, Severity

from .collector import Collector
from .environments import PRO, VERSIONS, lacking, listed_versions, standard_library
from .modules import Import, Modules, imports
from .source import Source

__all__ = ["RULES", "check_imports"]

_W, _N = Severity.WARNING, Severity.NOTE
_SHIPS = "Esri/deep-learning-frameworks: what each ArcGIS Pro ships"
_NEWS = "What's New in Python; Python 3.9 in ArcGIS Pro 3.0 to 3.13 in 3.7"

RULES: dict[str, Rule] = {
    "imports/not-shipped": Rule(
        _W, "No ArcGIS Pro is known to bring the module, and the package does not either.", _SHIPS
    ),
    "imports/some-versions": Rule(_W, "Some ArcGIS Pro of 3.0 to 3.7 lack the module.", _SHIPS),
    "imports/optional": Rule(
        _N, "The module may be missing; the function seems to see to that.", _SHIPS
    ),
    "imports/standard-library": Rule(
        _W, "Some ArcGIS Pro of 3.0 to 3.7 have a Python without the module.", _NEWS
    ),
    "imports/newer-library": Rule(
        _W, "The library of some ArcGIS Pro does not have this part yet.", _SHIPS
    ),
    "imports/own-module": Rule(
        _N,
        "That the package's folder is on Python's search path is not promised.",
        "Esri's samples, nearly all of which add it themselves",
    ),
}

# Parts of transformers and the first version with them; only what lies between shipped versions
# matters, so that months do not.
_PARTS: Final[dict[str, tuple[int, ...]]] = {
    "transformers.models.clip": (4, 6),
    "transformers.models.segformer": (4, 12),
    "transformers.models.mask2former": (4, 24),
    "transformers.models.clipseg": (4, 25),
    "transformers.models.sam": (4, 29),
    "transformers.models.dinov2": (4, 31),
    "transformers.models.owlv2": (4, 35),
    "transformers.models.depth_anything": (4, 38),
    "transformers.models.grounding_dino": (4, 40),
    "transformers.models.sam2": (4, 56),
    "transformers.models.dinov3_vit": (4, 56),
    "torchvision.transforms.v2": (0, 15),
    "torch.nn.attention": (2, 3),
    "torch.export": (2, 1),
    "torch.func": (2, 0),
}
# Class names by what they begin with, for `from transformers import …`.
_CLASSES: Final = {
    "CLIPSeg": "transformers.models.clipseg",
    "CLIP": "transformers.models.clip",
    "Segformer": "transformers.models.segformer",
    "Mask2Former": "transformers.models.mask2former",
    "Sam2": "transformers.models.sam2",
    "Sam": "transformers.models.sam",
    "Dinov2": "transformers.models.dinov2",
    "DINOv3": "transformers.models.dinov3_vit",
    "Owlv2": "transformers.models.owlv2",
    "DepthAnything": "transformers.models.depth_anything",
    "GroundingDino": "transformers.models.grounding_dino",
}


def check_imports(sources: list[Source], modules: Modules) -> Report:
    """Find imports that fail in some ArcGIS Pro.

    Parameters
    ----------
    sources : list of Source
        The function's file first, then what it imports of the package.
    modules : Modules
        What the package brings along.

    Returns
    -------
    Report
        One finding per module, at the first import of it.
    """
    findings = Collector(RULES)
    judged: set[str] = set()
    for index, source in enumerate(sources):
        for item in imports(source):
            # What other files try, or import when called, is theirs to use or not.
            if index and (item.guarded or item.lazy):
                continue
            if item.level == 0:
                _judge(item, modules, judged, findings)
    own = [item for item in imports(sources[0]) if _is_own(item, modules)]
    if own and not _finds_own(sources[0]):
        findings.at(
            sources[0],
            own[0].node,
            "imports/own-module",
            f"{own[0].module or own[0].names[0]!r} lies in the package, and the file does not put"
            " the package's folder on the search path",
            "Begin with sys.path.insert(0, os.path.dirname(os.path.abspath(__file__))).",
        )
    return findings.report()


def _judge(item: Import, modules: Modules, judged: set[str], findings: Collector) -> None:
    top = item.module.partition(".")[0]
    if not top or modules.brings(top):
        return
    releases = lacking(top)
    if releases and top not in judged:
        judged.add(top)
        _report(item, top, releases, modules, findings)
    if top in VERSIONS and not item.guarded:
        for part in _parts(item):
            if part not in judged:
                judged.add(part)
                _report_part(item, part, top, findings)


def _report(
    item: Import, top: str, releases: tuple[str, ...], modules: Modules, findings: Collector
) -> None:
    unknown = releases == PRO
    if item.guarded or (unknown and modules.archives):
        rule = "imports/optional"
        message = f"{top!r} is not known to come with " + (
            "any ArcGIS Pro" if unknown else listed_versions(releases)
        )
        remedy = (
            "Make sure that the function does its work without it."
            if item.guarded
            else "Make sure that it is in one of the archives that the package brings along."
        )
    elif standard_library(top):
        rule = "imports/standard-library"
        message = f"the Python of {listed_versions(releases)} has no module {top!r}"
        remedy = "Do without it, or catch ImportError and use what takes its place."
    elif unknown:
        rule = "imports/not-shipped"
        message = f"{top!r} is not known to come with any ArcGIS Pro and is not in the package"
        remedy = (
            "Put it into the package beside the function, or say in the description that it has to"
            " be installed."
        )
    else:
        rule = "imports/some-versions"
        message = f"{top!r} does not come with the deep learning libraries of " + (
            listed_versions(releases)
        )
        remedy = "Put it into the package, do without it, or say which ArcGIS Pro is needed."
    findings.at(item.source, item.node, rule, message, remedy)


def _parts(item: Import) -> list[str]:
    found = [part for part in _PARTS if _within(item.module, part)]
    for name in item.names:
        full = f"{item.module}.{name}"
        found += [part for part in _PARTS if _within(full, part)]
        if item.module == "transformers":
            found += [part for start, part in _CLASSES.items() if name.startswith(start)][:1]
    return list(dict.fromkeys(found))


def _within(module: str, part: str) -> bool:
    return module == part or module.startswith(part + ".")


def _report_part(item: Import, part: str, library: str, findings: Collector) -> None:
    versions = VERSIONS[library]
    releases = [pro for pro in PRO if versions[pro] < _PARTS[part]]
    if releases:
        needed = ".".join(map(str, _PARTS[part]))
        have = ", ".join(dict.fromkeys(".".join(map(str, versions[pro])) for pro in releases))
        findings.at(
            item.source,
            item.node,
            "imports/newer-library",
            f"{part} came with {library} {needed}; {listed_versions(releases)} have {have}",
            "Put the code that is needed into the package, or say which ArcGIS Pro is needed.",
        )


def _is_own(item: Import, modules: Modules) -> bool:
    top = item.module.partition(".")[0]
    return (
        not item.level
        and modules.brings(top)
        and not standard_library(top)
        and bool(lacking(top))
        and not item.guarded
    )


def _finds_own(source: Source) -> bool:
    """Whether the file changes the search path or loads modules by their files."""
    return any(
        word in source.text
        for word in ("sys.path", "site.addsitedir", "spec_from_file_location", "sys.meta_path")
    )
