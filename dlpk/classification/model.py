"""A package that stays loaded: any number of rasters, arrays and prompts, weights only once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from builder.target import check_folder, check_targets

from ..errors import ArgumentsError, DlpkError, RefusedError
from ..harness.arguments import merged_arguments, shown_parameters
from ..harness.replay import CALL_FILES
from ..harness.settings import Settings
from ..output.geotiff import check_geotiff, check_png, result_files
from ..polygons.layer import check_layer, layer_files
from ..polygons.polygonize import check_choices, polygonize
from ..raster.dataset import Raster
from ..raster.extent import Extent
from ..raster.files import check_unchanged, file_states, files_of, named_files
from ..raster.gdal_config import threads
from ..raster.memory import array_raster
from ..raster.mosaic import mosaic, mosaic_label
from ..raster.stretch import Stretch
from .blocks_to_file import open_journal, write_result
from .examples import (
    ExamplePrompt,
    examples_folder,
    gather_examples,
    remove_if_failed,
    write_examples,
)
from .finished.journal import discard_journal
from .loaded_model import LoadedModel
from .progress import Bar, Progress
from .provenance import band_names, result_legend
from .result import Classified, Prediction

Area = tuple[float, float, float, float]


class Model(LoadedModel):
    """A package whose function is loaded; use it as ``with``, or `close` it.

    Parameters and errors are those of `dlpk.classification.loaded_model.LoadedModel`. Not for
    several threads at once.
    """

    def __enter__(self) -> Model:
        """Use as ``with``."""
        return self

    @property
    def parameters(self) -> list[Mapping[str, Any]]:
        """The function's arguments as it declares them: name, value, domain and so on."""
        return shown_parameters(self._loaded.parameters)

    def classify(
        self,
        raster: str | Path | Sequence[str | Path],
        out: str | Path,
        *,
        prompt: str | None = None,
        arguments: Mapping[str, Any] | None = None,
        extent: Extent | Area | None = None,
        cell_size: float | None = None,
        settings: Settings | None = None,
        stretch: Stretch | None = None,
        like: Sequence[str | ExamplePrompt] = (),
        like_layer: str | Path | None = None,
        like_field: str | None = None,
        debug_block: str | Path | None = None,
        resume: bool | Literal["checked", "unchecked"] | None = False,
        cog: bool = False,
        png: str | Path | None = None,
        polygons: str | Path | None = None,
        minimum_area: float = 0,
        smoothing: int = 0,
        progress: Progress | None = None,
        quiet: bool = True,
        client: Any = None,
        range_seconds: float | None = None,
    ) -> Classified:
        """Classify a raster into a GeoTIFF.

        Parameters
        ----------
        raster : path, str or several
            Anything GDAL opens; several are put together as one mosaic.
        out : path
            GeoTIFF to write.
        prompt : str, optional
            The argument ``text_prompt``.
        arguments : mapping, optional
            Other arguments of the function, by name.
        extent : Extent or tuple, optional
            Part of the raster, in its coordinate system.
        cell_size : float, optional
            To resample to, in map units.
        settings : Settings, optional
            Choices where ArcGIS's behaviour is not documented.
        stretch : Stretch, optional
            Instead of one that is found from the raster.
        like : sequence of str or ExamplePrompt
            Places in the raster that show what to look for, ``NAME=XMIN,YMIN,XMAX,YMAX``, for
            packages with the argument ``image_prompt``. They are kept in a folder beside `out`.
        like_layer : path, optional
            Polygons that show what to look for, one class per value of a field.
        like_field : str, optional
            That field; by default one that is called like it.
        debug_block : path, optional
            Folder that the inputs of a failing call are kept in.
        resume : bool or str
            Keep finished blocks in a journal beside `out`, and go on from the one that a run that
            was killed has left there. The result is the same, byte by byte. "unchecked": also
            where nothing tells whether the raster is still the same.
        cog : bool
            Write a Cloud Optimized GeoTIFF.
        png : path, optional
            Draw scene, classes and legend too.
        polygons : path, optional
            Write the classes as polygons too; `minimum_area` and `smoothing` are for them. See
            `dlpk.polygons.polygonize`.
        progress : callable, optional
            Told after each block how many pixels of how many are done; an answer of False, or an
            exception, stops the run and leaves nothing behind.
        quiet : bool
            No progress bar.
        client : distributed.Client, optional
            Have the workers of a Dask cluster process the blocks; see docs/scaling.md. A block
            that fails on all of them leaves a gap, see `Classified.failed`.
        range_seconds : float, optional
            What a worker is given at a time takes about this long, by default a minute.

        Raises
        ------
        DlpkError
            Names what is wrong; nothing is left half-written.
        """
        # Absolute now: functions may change the working directory.
        target = check_geotiff(out).absolute()
        saved = None if debug_block is None else Path(debug_block).absolute()
        settings = settings or Settings()
        given = merged_arguments(prompt, arguments)
        area = Extent(*extent) if isinstance(extent, tuple) else extent
        names = [str(raster)] if isinstance(raster, (str, Path)) else [str(name) for name in raster]
        picture = None if png is None else check_png(png).absolute()
        outlines = None if polygons is None else check_layer(polygons).absolute()
        check_choices(minimum_area, smoothing)
        read = [*names, *([str(like_layer)] if like_layer else [])]
        inputs = [*files_of(read), str(self.package.archive or self.package.root or os.devnull)]
        for value in given.values():
            inputs += named_files(str(value))
        more = [*([picture] if picture else []), *(layer_files(outlines) if outlines else [])]
        check_targets([*result_files(target), *more], inputs)
        if saved is not None:
            check_folder(saved, CALL_FILES, inputs)
        states = file_states(inputs)
        with ExitStack() as stack:
            stack.enter_context(threads())  # before rasters are opened, which ask for it then
            opening: dict[str, Any] = {
                "path": mosaic(names, stack, settings.resampling),
                "cell_size": cell_size,
                "resampling": settings.resampling,
                "label": mosaic_label(names),
            }
            source = Raster(extent=area, **opening)
            examples = gather_examples(like, like_layer, like_field, source)
            if examples:
                folder = examples_folder(target)
                if not folder.exists():
                    stack.push(partial(remove_if_failed, folder, bool(resume)))
                text = write_examples(
                    examples, source, opening, self.package.emd, settings.stretch, folder
                )
                given["image_prompt"] = ", ".join(filter(None, [given.get("image_prompt"), text]))
            if progress is None and not quiet:
                progress = stack.enter_context(closing(Bar("classify")))
            stack.enter_context(_frames_shown(saved is not None))
            session = stack.enter_context(self.session(source, given, settings, stretch))
            if outlines is not None and not result_legend(session):
                raise ArgumentsError(f"the result has no classes to make {outlines.name} of")
            journal = None
            if client is not None and not resume:
                discard_journal(target)
            if resume or client is not None:
                unchecked = not resume or resume == "unchecked"
                opened = open_journal(target, session, names, cog=cog, unchecked=unchecked)
                journal = stack.enter_context(closing(opened))
            try:
                left_out: Mapping[int, str] = {}
                if client is not None and journal is not None:
                    from .cluster.job import Job
                    from .cluster.spread import spread

                    job = Job.of(self, session, journal, names, area, cell_size, given)
                    left_out = spread(
                        client,
                        job,
                        session.grid,
                        journal,
                        seconds=range_seconds,
                        say=self.say,
                        progress=progress,
                    )
                    # What is left is writing, of which only a bar is told.
                    shown = isinstance(progress, Bar)
                    progress = stack.enter_context(closing(Bar("write"))) if shown else None
                result = write_result(
                    session,
                    target,
                    progress=progress,
                    debug_block=saved,
                    journal=journal,
                    cog=cog,
                    check=partial(check_unchanged, states),
                    left_out=left_out,
                )
            except BaseException as error:
                if journal is not None and not resume:
                    journal.remove()
                elif journal and isinstance(error, DlpkError):
                    error.add_lines(
                        f"{len(journal)} finished blocks are kept: the same command goes on from "
                        "there"
                    )
                raise
            if picture is not None:
                from ..output.quicklook import draw

                draw(source, result.path, result.legend, picture)
            if outlines is not None:
                polygonize(result.path, outlines, minimum_area=minimum_area, smoothing=smoothing)
            return result

    def classify_each(
        self,
        rasters: str | Path | Sequence[str | Path],
        folder: str | Path,
        **options: Any,
    ) -> Iterator[Classified]:
        """Classify scenes one by one, each into a GeoTIFF of the same name.

        One that fails stops no other. A line of JSON for each in ``manifest.jsonl``, in the
        folder, says how it ended; scenes that are done there, with the same package, raster and
        options, are passed over.

        Parameters
        ----------
        rasters : path or several
            See `dlpk.raster.scenes.scenes_of`: images, folders, patterns, lists, STAC items.
        folder : path
            Where the results go.
        **options
            Of `classify`, but no ``png`` and no ``polygons``.

        Raises
        ------
        DlpkError
            When all have come to an end: names those that failed.
        """
        from .each import classify_each

        yield from classify_each(self, self.classify, rasters, folder, **options)

    def predict(
        self,
        array: np.ndarray,
        *,
        prompt: str | None = None,
        arguments: Mapping[str, Any] | None = None,
        mask: np.ndarray | None = None,
        nodata: float | None = None,
        cell_size: float = 1.0,
        settings: Settings | None = None,
        stretch: Stretch | None = None,
    ) -> Prediction:
        """Classify an array.

        Parameters
        ----------
        array : ndarray
            Shape (bands, rows, columns), of a type that rasters have.
        prompt : str, optional
            The argument ``text_prompt``.
        arguments : mapping, optional
            Other arguments of the function; ``return_probability_raster`` is what makes ours
            deliver probabilities.
        mask : ndarray, optional
            Shape (rows, columns), 0 where there is no data.
        nodata : float, optional
            Value that stands for no data.
        cell_size : float
            Side of a pixel in metres.
        stretch : Stretch, optional
            Instead of one that is found from the array: for parts of one picture.

        Raises
        ------
        DlpkError
            Names what is wrong.
        """
        with array_raster(array, mask, nodata, cell_size) as raster:
            given = merged_arguments(prompt, arguments)
            with self.session(raster, given, settings, stretch) as session:
                values, valid = session.process_all()
                legend, names = tuple(result_legend(session)), tuple(band_names(session))
        if len(values) == 1:
            return Prediction(values[0], valid[0], legend, names)
        return Prediction(values, valid, legend, names)


@contextmanager
def _frames_shown(wanted: bool) -> Iterator[None]:
    """Add the frames that led to what a function says on purpose, for those who mend it."""
    try:
        yield
    except RefusedError as error:
        if wanted:
            error.add_lines(error.frames)
        raise
