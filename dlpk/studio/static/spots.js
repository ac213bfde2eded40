// Spots that somebody names on the map, and thresholds that get most of them right.

/* global ol */

import { postJson } from "./api.js";
import { hex } from "./prompts.js";

const HTML = `
  <details id="spots-panel">
    <summary>Fit thresholds to spots</summary>
    <p class="fine">Mark a few places that are right and a few that are wrong: the thresholds follow.</p>
    <label class="field">Here is <select id="spot-class"></select></label>
    <div class="buttons">
      <button id="mark" aria-pressed="false" title="Click spots on the map (P); Enter marks its middle">Mark spots</button>
      <button id="fit">Fit</button>
      <button id="clear-spots">Clear</button>
    </div>
    <p id="spots-text" role="status"></p>
  </details>`;

const NONE = ""; // the name of what is no class
const element = (id) => document.getElementById(id);

export class Spots {
  constructor(app) {
    this.app = app;
    this.marking = false;
    this.wrong = new Set();
    this.chosen = false; // a class that somebody has chosen stays
    element("spots").innerHTML = HTML;
    element("spots").hidden = !app.server.package.prompts;
    element("mark").addEventListener("click", () => this.mark(!this.marking));
    element("fit").addEventListener("click", () => app.trying(() => this.fit()));
    element("clear-spots").addEventListener("click", () => app.state.change(null, (now) => (now.spots = now.spots.filter((spot) => spot[3] !== now.raster))));
    element("spot-class").addEventListener("change", () => {
      this.chosen = true;
      this.hint();
    });
    this.source = new ol.source.Vector();
  }

  /** Of this raster: column, row and name of the class. */
  get spots() {
    const { spots, raster } = this.app.state.now;
    return Array.isArray(spots) ? spots.filter((spot) => Array.isArray(spot) && spot[3] === raster) : [];
  }

  /** The map may be another one. */
  attach(map) {
    this.wrong.clear();
    map.map.addLayer(new ol.layer.Vector({ source: this.source, style: spotStyle }));
    this.zoomers = map.map.getInteractions().getArray().filter((each) => each instanceof ol.interaction.DoubleClickZoom);
    this.mark(false);
    map.map.on("click", ({ coordinate }) => {
      if (this.marking) this.add(coordinate[0], -coordinate[1]);
    });
  }

  mark(on) {
    if (!this.app.server.package.prompts) return;
    this.marking = on;
    if (on) element("spots-panel").open = true;
    element("mark").setAttribute("aria-pressed", String(on));
    element("map").classList.toggle("drawing", on);
    for (const zoomer of this.zoomers) zoomer.setActive(!on); // two clicks are two spots
    this.hint();
    if (on) element("map").focus();
  }

  hint() {
    const name = element("spot-class").value;
    const what = name === NONE ? "where none of these is" : `where “${name}” is`;
    this.app.hintFor(this.marking ? `Click ${what}. Enter marks the middle of the map; P or Esc ends.` : "");
  }

  markMiddle() {
    const [column, row] = this.app.map.place;
    this.add(column, row);
  }

  add(x, y) {
    const { width, height } = this.app.raster;
    const [column, row] = [Math.floor(x), Math.floor(y)];
    if (column < 0 || row < 0 || column >= width || row >= height) return;
    const name = element("spot-class").value;
    this.wrong.clear();
    this.app.state.change(null, (now) => (now.spots = [...(Array.isArray(now.spots) ? now.spots : []), [column, row, name, now.raster]]));
  }

  show() {
    const classes = this.app.set.prompts.plan?.classes ?? [];
    const shown = [...classes.map(({ name }) => [name, name]), [NONE, "none of these"]];
    const select = element("spot-class");
    const key = JSON.stringify(shown);
    if (select.dataset.key !== key) {
      const before = select.value;
      select.replaceChildren(...shown.map(([value, text]) => new Option(text, value)));
      select.dataset.key = key;
      if (this.chosen && shown.some(([value]) => value === before)) select.value = before;
    }
    const colors = new Map(classes.map(({ name, color }) => [name, hex(color)]));
    this.source.clear();
    this.spots.forEach(([column, row, name], index) => {
      const feature = new ol.Feature(new ol.geom.Point([column + 0.5, -row - 0.5]));
      feature.setProperties({ color: colors.get(name) ?? "#ffffff", none: name === NONE, wrong: this.wrong.has(index) });
      this.source.addFeature(feature);
    });
    const { length } = this.spots;
    element("fit").disabled = element("clear-spots").disabled = !length;
    if (!this.fitted || this.fitted.spots !== JSON.stringify(this.spots)) {
      element("spots-text").textContent = length ? `${length} spot${length > 1 ? "s" : ""}` : "";
    }
  }

  async fit() {
    const { app } = this;
    app.set.prompts.checkWords("Thresholds are those of words: switch examples from the raster off first.");
    const plan = await app.set.prompts.arguments();
    const used = app.set.prompts.plan.classes;
    const shared = used.find(({ index }, place) => used.findIndex((other) => other.index === index) !== place);
    if (shared) {
      const { text } = app.state.rows[shared.index];
      throw new Error(`A row has one threshold: give each class of “${text}” a row of its own first.`);
    }
    const values = new Map(plan.classes.map(({ name, value }) => [name, value]));
    const spots = this.spots.map(([column, row, name]) => [column, row, values.get(name) ?? 0]);
    const request = { ...app.set.prompts.request(true), spots };
    const found = await postJson(`/api/rasters/${app.raster.number}/spots`, request);
    this.wrong = new Set(found.wrong);
    this.fitted = { spots: JSON.stringify(this.spots) };
    app.state.change(null, (now) => {
      for (const { value, threshold, changed } of found.classes) {
        const entry = used.find((other) => other.value === value);
        const row = now.sets[now.set].rows[entry?.index];
        if (row && changed) row.threshold = threshold;
      }
    });
    const why = found.classes.filter((entry) => entry.why).map((entry) => `${used[entry.value - 1].name} ${entry.why}`);
    element("spots-text").textContent = [
      `${found.right} of ${found.spots} spot${found.spots > 1 ? "s are" : " is"} right (before: ${found.before}).`,
      ...why,
    ].join(" ");
    this.show();
  }
}

function spotStyle(feature) {
  const dashed = feature.get("none") ? [3, 3] : undefined;
  const circle = (radius, color, width, fill) =>
    new ol.style.Style({
      image: new ol.style.Circle({
        radius,
        stroke: new ol.style.Stroke({ color, width, lineDash: dashed }),
        fill: fill && new ol.style.Fill({ color: fill }),
      }),
    });
  const styles = [circle(7, "#000", 4), circle(7, "#fff", 2, feature.get("none") ? "rgba(0,0,0,0.35)" : feature.get("color"))];
  if (feature.get("wrong")) styles.push(circle(12, "#ff3b30", 3));
  return styles;
}
