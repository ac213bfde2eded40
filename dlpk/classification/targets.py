"""What a run writes, compared with what it reads."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from builder.target import check_folder, check_targets

from ..harness.replay import CALL_FILES
from ..output.geotiff import result_files
from ..package.open import Package
from ..raster.files import files_of, named_files


def check_result_targets(
    package: Package,
    target: Path,
    picture: Path | None,
    debug_block: Path | None,
    rasters: Sequence[str],
    arguments: Mapping[str, Any],
) -> list[str]:
    """See that nothing that is read would be replaced.

    Parameters
    ----------
    package : Package
    target : Path
        GeoTIFF to write.
    picture, debug_block : Path, optional
        PNG and folder to write.
    rasters : sequence of str
        Rasters and vector layers that are read.
    arguments : mapping
        Of the function; files may be named in them.

    Returns
    -------
    list of str
        All files that are read.

    Raises
    ------
    OutputError
        Names the file.
    """
    inputs = [*files_of(rasters)]
    for value in arguments.values():
        inputs += named_files(str(value))
    inputs.append(str(package.archive or package.root or os.devnull))
    check_targets([*result_files(target), *([picture] if picture else [])], inputs)
    if debug_block is not None:
        check_folder(debug_block, CALL_FILES, inputs)
    # Absolute: functions may change the working directory.
    return [os.path.abspath(file) for file in inputs]
