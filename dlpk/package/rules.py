"""The rules that a package's container is judged by."""

from __future__ import annotations

from ..findings import Collector, Rule, Severity

__all__ = ["RULES", "Rule", "collector"]

_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE

_ZIP = "ZIP file format specification (APPNOTE.TXT)"
_WINDOWS = "Windows: Naming Files, Paths, and Namespaces"
_READERS = "how arcgis.learn reads a package: one .emd file at the top level, no more"
_UNPACKED = "public tracebacks of ArcGIS Pro: ...\\Temp\\ArcGISProTemp<pid>\\<name>.dlpk\\"
_SAFETY = "zip attacks: zip slip, zip bombs, parser differentials"
_TOOL = "help of the deep learning tools: a .dlpk file must be stored locally"
_PYTHON = "Python's zipfile, which arcgis.learn reads packages with"
_CHOICE = "our choice, so that a hostile file cannot exhaust the machine"

RULES: dict[str, Rule] = {
    # The file itself.
    "container/missing": Rule(_E, "There is no such file.", _TOOL),
    "container/unreadable": Rule(_E, "The file or folder cannot be read.", _TOOL),
    "container/not-a-file": Rule(_E, "A package is an ordinary file, not a device or pipe.", _TOOL),
    "container/is-folder": Rule(_E, "ArcGIS takes the zipped .dlpk file, not a folder.", _TOOL),
    "container/not-a-folder": Rule(_E, "An unzipped package is a folder.", _READERS),
    "container/empty": Rule(_E, "An empty file holds no package.", _TOOL),
    "container/extension": Rule(_W, "ArcGIS's dialogs list only files that end in .dlpk.", _TOOL),
    # The archive.
    "container/not-a-zip": Rule(_E, "A .dlpk is a ZIP archive; no other format is read.", _READERS),
    "container/truncated": Rule(_E, "A zip is read from its end; a cut file has none.", _ZIP),
    "container/multi-part": Rule(_E, "An archive split over several files is not read.", _PYTHON),
    "container/damaged-directory": Rule(
        _E, "The list of entries at the archive's end contradicts itself.", _ZIP
    ),
    "container/too-many-entries": Rule(_E, "More entries than any package needs.", _CHOICE),
    "container/leading-data": Rule(
        _W, "Bytes before the archive are skipped by some readers, refused by others.", _ZIP
    ),
    "container/trailing-data": Rule(
        _W, "Bytes after the archive are skipped by some readers, refused by others.", _ZIP
    ),
    # The entries' data.
    "container/encrypted": Rule(_E, "ArcGIS asks for no password.", _PYTHON),
    "container/compression-method": Rule(
        _E, "Every reader of zips knows deflate and stored entries; others only some.", _PYTHON
    ),
    "container/local-header": Rule(
        _E, "An entry described in two ways is a damaged or a forged one.", _PYTHON
    ),
    "container/truncated-entry": Rule(_E, "An entry's data lie outside the file.", _ZIP),
    "container/overlap": Rule(_E, "Entries that share bytes are a zip bomb or damage.", _SAFETY),
    "container/impossible-size": Rule(
        _E, "The compression method cannot yield the size that the entry announces.", _ZIP
    ),
    "container/bomb": Rule(_E, "Far more data come out than went in.", _SAFETY),
    "container/too-large": Rule(_E, "The unpacked package is larger than any known one.", _CHOICE),
    "container/damaged-data": Rule(_E, "The data do not match their checksum or size.", _ZIP),
    # The entries' kind and place.
    "container/absolute-path": Rule(_E, "An entry must stay inside the package.", _SAFETY),
    "container/parent-path": Rule(_E, "An entry must stay inside the package.", _SAFETY),
    "container/special-entry": Rule(
        _E, "Links and devices do not survive on Windows and can lead out of it.", _SAFETY
    ),
    "container/link-outside": Rule(_E, "What a link leads to is not in the package.", _SAFETY),
    "container/broken-link": Rule(_E, "A link that leads nowhere holds no file.", _SAFETY),
    "container/duplicate-entry": Rule(_E, "Which of two equal names wins is chance.", _SAFETY),
    "container/case-collision": Rule(_E, "On Windows one file overwrites the other.", _WINDOWS),
    "container/file-and-folder": Rule(_E, "A name cannot be a file and a folder.", _WINDOWS),
    # The entries' names.
    "container/empty-name": Rule(_E, "A file without a name cannot be unpacked.", _ZIP),
    "container/backslash": Rule(
        _W, "A zip separates folders with '/'; Linux servers read '\\' as a letter.", _ZIP
    ),
    "container/dot-part": Rule(
        _W, "An entry './x' is not at the root for readers that compare names.", _READERS
    ),
    "container/reserved-name": Rule(_E, "Windows keeps this name for a device.", _WINDOWS),
    "container/trailing-dot-or-space": Rule(
        _E, "Windows drops a dot or space at the end, so the file gets another name.", _WINDOWS
    ),
    "container/windows-character": Rule(_E, "Windows refuses this character.", _WINDOWS),
    "container/name-encoding": Rule(_E, "The name is marked as UTF-8 and is not.", _ZIP),
    "container/name-too-long": Rule(_E, "No file system takes such a name.", _WINDOWS),
    "container/path-too-long": Rule(
        _W, "Windows programs stop at 260 characters, the unpacking folder included.", _UNPACKED
    ),
    "container/non-ascii": Rule(
        _W,
        "Letters beyond ASCII in paths are read differently from machine to machine.",
        "advice of Esri's staff on models that do not initialise: use a short ASCII path",
    ),
    "container/second-name": Rule(
        _W, "The entry carries a second, different name; readers disagree on which counts.", _ZIP
    ),
    # The EMD.
    "container/no-emd": Rule(_E, "The .emd file is what ArcGIS looks for.", _READERS),
    "container/several-emd": Rule(
        _E, 'arcgis.learn stops with "There are multiple emd files in the saved path".', _READERS
    ),
    "container/emd-in-subfolder": Rule(_E, "The .emd file is looked for at the root.", _READERS),
    "container/zipped-folder": Rule(_E, "The .emd file is looked for at the root.", _READERS),
    "container/nested-package": Rule(
        _E, "A package inside a package is not looked into.", _READERS
    ),
    "container/emd-case": Rule(
        _W, "Some readers ask for a name that ends in '.emd' in small letters.", _READERS
    ),
    "container/emd-size": Rule(_E, "An EMD is a small text file.", _CHOICE),
    "container/junk": Rule(_N, "Left by an operating system or tool; of no use here.", _CHOICE),
    # References from the EMD to files.
    "container/reference-case": Rule(
        _N, "Windows finds the file whatever the case; Linux servers do not.", _WINDOWS
    ),
}


def collector(file: str) -> Collector:
    """Return a collector of what breaks these rules in the package or file of this name."""
    return Collector(RULES, file)
