// The layer of classes: asks for tiles in view, nearest to the middle first, and decides about their
// pixels here, so that a slider needs no request.

import { getBands } from "./api.js";
import { decide, NODATA } from "./decide.js";

export const TILE = 256;
const SIZE = TILE * TILE;
// Browsers open six connections to a server; two are left to the scene.
const AT_ONCE = 4;
const MOST_TILES = 400;

export class Masks {
  /**
   * @param {object} raster - as the server describes it, with its number
   * @param {number} mostReduced - the highest level that is computed
   * @param {(event: object) => void} tell - told when tiles come, fail or all are there
   */
  constructor(raster, mostReduced, tell) {
    this.raster = raster;
    this.mostReduced = mostReduced;
    this.tell = tell;
    this.plan = null;
    this.query = "";
    this.colors = [];
    this.tiles = new Map(); // key -> {bands, classes, canvas, query}
    this.loading = new Map(); // key -> AbortController
    this.failed = new Map(); // key -> when to try again
    this.wanted = [];
    this.clip = null; // shares of the width that are shown, from and to
  }

  /** What to decide with; `query` names the bands. */
  show(plan, query, colors) {
    if (query !== this.query) {
      for (const controller of this.loading.values()) controller.abort();
      this.loading.clear();
      this.failed.clear();
    }
    this.plan = plan;
    this.query = query;
    this.colors = colors;
    for (const tile of this.tiles.values()) {
      if (tile.query === query) tile.classes = tile.canvas = null;
    }
    if (!plan) this.tiles.clear();
  }

  level(resolution) {
    const most = Math.min(this.mostReduced, this.raster.levels - 1);
    return Math.max(0, Math.min(most, Math.floor(Math.log2(resolution) + 1e-6)));
  }

  /** Whether the view shows too much of the raster for its classes to be computed. */
  isTooFar(resolution) {
    return resolution > 4 * 2 ** this.mostReduced;
  }

  /** Tiles in an extent [left, top, right, bottom] of pixels, nearest to its middle first. */
  inView([left, top, right, bottom], level) {
    const side = TILE << level;
    const across = Math.ceil(this.raster.width / side);
    const down = Math.ceil(this.raster.height / side);
    const found = [];
    for (let row = Math.max(0, Math.floor(top / side)); row < Math.min(down, Math.ceil(bottom / side)); row++) {
      for (let column = Math.max(0, Math.floor(left / side)); column < Math.min(across, Math.ceil(right / side)); column++) {
        const away = Math.hypot((column + 0.5) * side - (left + right) / 2, (row + 0.5) * side - (top + bottom) / 2);
        found.push({ level, column, row, away, key: `${level}/${column}/${row}` });
      }
    }
    return found.sort((a, b) => a.away - b.away);
  }

  /** Draw what is there, and ask for what is missing. */
  draw(context, frame) {
    const { extent, resolution, width, height, ratio } = frame;
    if (!this.plan) return;
    const level = this.level(resolution);
    const near = !this.isTooFar(resolution);
    const seen = this.inView(extent, level);
    context.imageSmoothingEnabled = false;
    for (const place of seen) {
      const tile = this.tiles.get(place.key);
      if (!tile) continue;
      if (!tile.canvas && tile.query === this.query) this.paint(tile);
      if (!tile.canvas) continue;
      const side = TILE << level;
      const x0 = Math.round(((place.column * side - extent[0]) / resolution) * ratio);
      const y0 = Math.round(((place.row * side - extent[1]) / resolution) * ratio);
      const x1 = Math.round((((place.column + 1) * side - extent[0]) / resolution) * ratio);
      const y1 = Math.round((((place.row + 1) * side - extent[1]) / resolution) * ratio);
      context.drawImage(tile.canvas, x0, y0, x1 - x0, y1 - y0);
    }
    this.wanted = near ? seen.filter(({ key }) => this.tiles.get(key)?.query !== this.query) : [];
    this.seen = { tiles: seen, extent, level, near };
    const keys = new Set(this.wanted.map(({ key }) => key));
    for (const [key, controller] of this.loading) {
      if (!keys.has(key)) {
        controller.abort();
        this.loading.delete(key);
      }
    }
    this.load();
  }

  load() {
    const now = performance.now();
    for (const place of this.wanted) {
      if (this.loading.size >= AT_ONCE) return;
      if (this.loading.has(place.key) || (this.failed.get(place.key) ?? 0) > now) continue;
      this.fetch(place);
    }
  }

  async fetch(place) {
    const controller = new AbortController();
    const query = this.query;
    this.loading.set(place.key, controller);
    try {
      const bands = await getBands(this.raster.number, place, query, controller.signal);
      if (query !== this.query) return;
      this.tiles.delete(place.key);
      this.tiles.set(place.key, { bands, classes: null, canvas: null, query });
      this.forget();
      this.tell({ tile: place });
    } catch (error) {
      if (error.name !== "AbortError" && query === this.query) {
        this.failed.set(place.key, performance.now() + (error.status === 503 ? 500 : 10000));
        this.tell({ error });
      }
    } finally {
      if (this.loading.get(place.key) === controller) this.loading.delete(place.key);
    }
  }

  /** Forget tiles that came longest ago and are not in view. */
  forget() {
    const seen = new Set(this.seen?.tiles.map(({ key }) => key));
    for (const key of this.tiles.keys()) {
      if (this.tiles.size <= MOST_TILES) return;
      if (!seen.has(key)) this.tiles.delete(key);
    }
  }

  paint(tile) {
    tile.classes = decide(tile.bands, SIZE, this.plan);
    const canvas = tile.canvas ?? document.createElement("canvas");
    canvas.width = canvas.height = TILE;
    const context = canvas.getContext("2d");
    const image = context.createImageData(TILE, TILE);
    const pixels = new Uint32Array(image.data.buffer);
    const palette = new Uint32Array(256);
    for (const { value, color, opacity } of this.colors) {
      palette[value] = ((Math.round(opacity * 255) << 24) | (color[2] << 16) | (color[1] << 8) | color[0]) >>> 0;
    }
    palette[NODATA] = 0;
    for (let i = 0; i < SIZE; i++) pixels[i] = palette[tile.classes[i]];
    context.putImageData(image, 0, 0);
    tile.canvas = canvas;
  }

  /** Pixels of the raster per class in view, and whether all of the view is computed. */
  counts() {
    const counts = new Float64Array(256);
    if (!this.plan || !this.seen) return { counts, complete: false };
    const { tiles, extent, level, near } = this.seen;
    let complete = near;
    const side = TILE << level;
    for (const place of tiles) {
      const tile = this.tiles.get(place.key);
      if (!tile || tile.query !== this.query || !tile.classes) {
        complete = false;
        continue;
      }
      const step = 1 << level;
      const range = (low, high, first) => [
        Math.max(0, Math.floor((low - first * side) / step)),
        Math.min(TILE, Math.ceil((high - first * side) / step)),
      ];
      const [left, right] = range(extent[0], extent[2], place.column);
      const [top, bottom] = range(extent[1], extent[3], place.row);
      for (let y = top; y < bottom; y++) {
        for (let x = left; x < right; x++) counts[tile.classes[y * TILE + x]] += step * step;
      }
    }
    return { counts, complete };
  }
}
