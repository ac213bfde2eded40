"""One thread that computes what the map asks for, and forgets what nobody waits for any more.

The function is not for several threads, so there is one. What is asked for first is computed
first: pages ask for what is nearest to their middle. Neighbours that wait as well are computed in
the same call, which saves decoding their common tiles twice.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

import numpy as np

from ..classification.model import Model
from ..classification.session import Session
from ..errors import DlpkError
from ..raster.dataset import Raster
from ..raster.grid import Block
from ..raster.stretch import Stretch
from .map.pyramid import TILE, Pyramid, Tile

# Bytes of computed tiles that are kept at most.
MOST_BYTES = 512 << 20
# Requests that may wait; more come from no page.
MOST_WAITING = 256

Key = tuple[int, tuple[tuple[str, str], ...]]


class BusyError(DlpkError):
    """Too much is waiting already."""


class Request:
    """A tile that somebody waits for."""

    def __init__(self, raster: int, arguments: Mapping[str, Any], tile: Tile) -> None:
        self.raster = raster
        self.arguments = dict(arguments)
        self.tile = tile
        self.key: Key = (raster, tuple(sorted((k, str(v)) for k, v in arguments.items())))
        self.result: Future[np.ndarray] = Future()


class Worker:
    """Computes tiles with a model that it opens itself.

    Parameters
    ----------
    open_model : callable
        Opens the package; called in the worker's thread.
    pyramids : list of Pyramid
        The rasters that tiles are of; each is opened again for this thread.
    """

    def __init__(self, open_model: Callable[[], Model], pyramids: list[Pyramid]) -> None:
        self._open_model = open_model
        self._pyramids = pyramids
        self._waiting: list[Request] = []
        self._changed = threading.Condition()
        self._stopped = False
        self._kept: OrderedDict[tuple[Key, Tile], np.ndarray] = OrderedDict()
        self._bytes = 0
        self._opened: dict[int, tuple[Raster, Stretch | None]] = {}
        self._thread = threading.Thread(target=self._run, name="dlpk-studio", daemon=True)
        self._thread.start()

    def ask(self, raster: int, arguments: Mapping[str, Any], tile: Tile) -> Future[np.ndarray]:
        """Ask for a tile; cancel the future when it is not wanted any more.

        Returns
        -------
        Future of ndarray
            float32, shape (bands, 256, 256), NaN where there is no data.

        Raises
        ------
        BusyError
            Too many tiles are waiting.
        """
        request = Request(raster, arguments, tile)
        with self._changed:
            known = self._known(request.key, tile)
            if known is not None:
                request.result.set_result(known)
                return request.result
            self._waiting = [other for other in self._waiting if not other.result.cancelled()]
            if len(self._waiting) >= MOST_WAITING:
                raise BusyError("too many tiles are waiting: try again in a moment")
            self._waiting.append(request)
            self._changed.notify()
        return request.result

    def close(self) -> None:
        """Stop after what is being computed."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        with ExitStack() as stack:
            model: Model | None = None
            while True:
                with self._changed:
                    while not self._waiting and not self._stopped:
                        self._changed.wait()
                    if self._stopped:
                        for request in self._waiting:
                            request.result.cancel()
                        return
                    request = self._waiting.pop(0)
                    if not request.result.set_running_or_notify_cancel():
                        continue
                try:
                    if model is None:
                        model = stack.enter_context(self._open_model())
                    self._serve(model, request)
                except BaseException as error:
                    request.result.set_exception(error)

    def _serve(self, model: Model, first: Request) -> None:
        """Answer a request, and all that wait behind it with the same prompts, in one session."""
        if first.raster not in self._opened:
            self._opened[first.raster] = self._pyramids[first.raster].opened_again(), None
        raster, stretch = self._opened[first.raster]
        own = model.package.is_clipseg
        with model.session(raster, first.arguments, stretch=stretch) as session:
            # Of ours the bands do not depend on arguments, and the stretch is found only once.
            self._opened[first.raster] = (raster, session.stretch if own else None)
            requests = self._together(first) if own else [first]
            while requests:
                try:
                    tiles = [request.tile for request in requests]
                    answers = computed(session, tiles) if own else [from_blocks(session, tiles[0])]
                except BaseException as error:
                    for request in requests:
                        request.result.set_exception(error)
                else:
                    for request, values in zip(requests, answers):
                        with self._changed:
                            self._keep(request, values)
                        request.result.set_result(values)
                following = self._next(first.key)
                requests = [] if following is None else [following]
                if following is not None and own:
                    requests = self._together(following)

    def _next(self, key: Key) -> Request | None:
        """The request that has waited longest, if it is of the same prompts."""
        with self._changed:
            while self._waiting and not self._stopped and self._waiting[0].key == key:
                request = self._waiting.pop(0)
                if not request.result.set_running_or_notify_cancel():
                    continue
                known = self._known(key, request.tile)
                if known is None:
                    return request
                request.result.set_result(known)
        return None

    def _together(self, first: Request) -> list[Request]:
        """A request with those of its neighbours that wait, too, and fill a rectangle with it."""
        with self._changed:
            beside = {
                other.tile: other
                for other in self._waiting
                if other.key == first.key and not other.result.cancelled()
            }
            best = [first.tile]
            for across, down in ((-1, -1), (0, -1), (-1, 0), (0, 0)):
                column, row = first.tile.column + across, first.tile.row + down
                square = [
                    Tile(first.tile.level, column + x, row + y) for y in (0, 1) for x in (0, 1)
                ]
                x, y = first.tile.column - column, first.tile.row - row
                lines = (square[2 * y : 2 * y + 2], square[x::2])
                for tiles in (square, *lines):
                    waiting = all(tile == first.tile or tile in beside for tile in tiles)
                    if waiting and len(tiles) > len(best):
                        best = tiles
            found = []
            for tile in best:
                request = first if tile == first.tile else beside[tile]
                if request is not first:
                    self._waiting.remove(request)
                    if not request.result.set_running_or_notify_cancel():
                        continue
                found.append(request)
            return found

    def _known(self, key: Key, tile: Tile) -> np.ndarray | None:
        if (key, tile) not in self._kept:
            return None
        self._kept.move_to_end((key, tile))
        return self._kept[key, tile]

    def _keep(self, request: Request, values: np.ndarray) -> None:
        place = (request.key, request.tile)
        if place in self._kept:
            return
        self._kept[place] = values
        self._bytes += values.nbytes
        while self._bytes > MOST_BYTES:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes


def computed(session: Session, tiles: Sequence[Tile]) -> list[np.ndarray]:
    """Tiles of one level that fill a rectangle, of a function that answers alike for any block.

    Returns
    -------
    list of ndarray
        float32, shape (bands, 256, 256): above level 0 every second, fourth, ... pixel. NaN where
        the result has no data, and beyond the raster.
    """
    left, top = min(tile.left for tile in tiles), min(tile.top for tile in tiles)
    right = min(max(tile.left + tile.side for tile in tiles), session.raster.width)
    bottom = min(max(tile.top + tile.side for tile in tiles), session.raster.height)
    size = right - left, bottom - top
    pixels, mask = session.process(Block(left, top, *size, *size))
    found = np.where(mask, pixels, np.nan).astype(np.float32)
    return [_reduced(found, tile.left - left, tile.top - top, tile) for tile in tiles]


def from_blocks(session: Session, tile: Tile) -> np.ndarray:
    """A tile as `computed` gives it, put together from the very blocks of a run.

    For functions whose answer may depend on the block.
    """
    grid, raster = session.grid, session.raster
    right = min(tile.left + tile.side, raster.width)
    bottom = min(tile.top + tile.side, raster.height)
    across = range(tile.left // grid.tx, -(-right // grid.tx))
    down = range(tile.top // grid.ty, -(-bottom // grid.ty))
    left, top = across[0] * grid.tx, down[0] * grid.ty
    size = session.info.bands, len(down) * grid.ty, len(across) * grid.tx
    whole = np.full(size, np.nan, np.float32)
    for block in (grid.block(x, y) for y in down for x in across):
        pixels, mask = session.process(block)
        height, width = block.used_height, block.used_width
        row, column = block.row - top, block.column - left
        known = np.where(mask, pixels, np.nan)[:, :height, :width]
        whole[:, row : row + height, column : column + width] = known
    return _reduced(whole, tile.left - left, tile.top - top, tile)


def _reduced(found: np.ndarray, left: int, top: int, tile: Tile) -> np.ndarray:
    step = 1 << tile.level
    part = found[:, top : top + tile.side : step, left : left + tile.side : step]
    values = np.full((len(found), TILE, TILE), np.nan, np.float32)
    values[:, : part.shape[1], : part.shape[2]] = part
    return values
