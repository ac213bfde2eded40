// The line below the map: scale, coordinates, cell size, zoom.

const WIDEST = 130;

export function showScale(raster, resolution) {
  const metres = (raster.metres ?? 1) * resolution;
  const longest = metres * WIDEST;
  const power = 10 ** Math.floor(Math.log10(longest));
  const length = [5, 2, 1].map((step) => step * power).find((step) => step <= longest);
  document.getElementById("scale-bar").style.width = `${length / metres}px`;
  const unit = raster.metres === null ? "px" : length >= 1000 ? "km" : "m";
  document.getElementById("scale-text").textContent = `${unit === "km" ? length / 1000 : tidy(length)} ${unit}`;
  const zoom = resolution >= 1 ? `1:${tidy(resolution)}` : `${tidy(1 / resolution)}:1`;
  document.getElementById("zoom").textContent = `zoom ${zoom}`;
}

export function showCell(raster) {
  const [across, down] = raster.cell_size;
  const size = Math.abs(across - down) < 1e-9 * across ? tidy(across) : `${tidy(across)} × ${tidy(down)}`;
  const system = raster.system || "no coordinate system";
  document.getElementById("cell").textContent =
    `cell ${size} ${raster.unit}  ·  ${system}${raster.epsg ? ` (EPSG:${raster.epsg})` : ""}`;
}

export function showPointer(raster, [column, row]) {
  const [x, y] = toMap(raster, column, row);
  const digits = raster.unit === "°" ? 6 : 1;
  document.getElementById("coordinates").textContent =
    `${x.toFixed(digits)}, ${y.toFixed(digits)} ${raster.unit}  ·  column ${Math.floor(column)}, row ${Math.floor(row)}`;
}

/** Map coordinates of a place given in pixels. */
export function toMap(raster, column, row) {
  const t = raster.transform;
  return [t[0] + column * t[1] + row * t[2], t[3] + column * t[4] + row * t[5]];
}

/** Pixels of a place given in map coordinates. */
export function toPixels(raster, x, y) {
  const t = raster.transform;
  const whole = t[1] * t[5] - t[2] * t[4];
  const [dx, dy] = [x - t[0], y - t[3]];
  return [(dx * t[5] - dy * t[2]) / whole, (dy * t[1] - dx * t[4]) / whole];
}

/** Hectares of some pixels, or their number where metres are not known. */
export function areaText(raster, pixels, complete) {
  const about = complete ? "" : " so far";
  if (raster.metres === null) return `${pixels.toLocaleString("en")} pixels in view${about}`;
  const hectares = (pixels * raster.metres ** 2) / 10000;
  const digits = hectares < 10 ? 2 : hectares < 1000 ? 1 : 0;
  return `${hectares.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })} ha in view${about}`;
}

function tidy(value) {
  return String(Number(value.toPrecision(6)));
}
