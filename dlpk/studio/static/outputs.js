// What one takes away beside the run itself: polygons of it, and a package.

import { getJson, postJson } from "./api.js";

const EVERY = 500; // milliseconds

const HTML = `
  <fieldset id="polygons" hidden>
    <legend id="polygons-of">Polygons</legend>
    <label class="field">Smallest area <input type="number" id="minimum-area" min="0" step="any" value="0"><span id="area-unit"></span></label>
    <label class="field">Smoothing <input type="range" id="smoothing" min="0" max="20" step="1" value="3"><output id="smoothing-text">3</output></label>
    <label class="field">Format <select id="format"><option value="gpkg">GeoPackage</option><option value="geojson">GeoJSON</option><option value="fgb">FlatGeobuf</option></select><span></span></label>
    <label class="field check" id="with-probability"><input type="checkbox" id="probability"> Mean probability (runs once more)</label>
    <div class="buttons"><button id="get-polygons">Download polygons</button></div>
  </fieldset>`;

const element = (id) => document.getElementById(id);

export class Outputs {
  constructor(app) {
    this.app = app;
    this.probabilities = new Map(); // name of a run -> of the one that has its probabilities
    element("out").innerHTML = HTML;
    const own = app.server.package.prompts;
    element("with-probability").hidden = element("new-package").hidden = !own;
    app.run.offered = (name, given) => this.offer(name, given);
    element("new-package").addEventListener("click", () => app.trying(() => this.writePackage()));
    element("get-polygons").addEventListener("click", () => app.trying(() => this.getPolygons()));
    element("smoothing").addEventListener("input", ({ target }) => (element("smoothing-text").textContent = target.value));
  }

  /** A run is done: polygons can be made of it. */
  offer(name, given) {
    this.run = name;
    this.given = given;
    const raster = this.app.server.rasters[given.number];
    element("polygons").hidden = false;
    element("polygons-of").textContent = `Polygons of ${raster.name}`;
    element("area-unit").textContent = raster.metres === null ? "pixels" : "m²";
    element("polygons").scrollIntoView({ block: "nearest" });
  }

  async getPolygons() {
    const button = element("get-polygons");
    if (button.disabled) return;
    button.disabled = true;
    try {
      const probability = element("probability").checked ? await this.probabilityRun(this.run) : undefined;
      this.app.say("Making polygons …");
      const { file } = await postJson(`/api/runs/${this.run}/polygons`, {
        format: element("format").value,
        minimum_area: Number(element("minimum-area").value),
        smoothing: Number(element("smoothing").value),
        probability,
      });
      download(`/api/runs/${this.run}/polygons/${file}`);
    } finally {
      this.app.say("");
      button.disabled = false;
    }
  }

  /** The name of a run that has written the probabilities of another. */
  async probabilityRun(run) {
    if (!this.probabilities.has(run)) {
      const { number, arguments: given, like } = this.given;
      const request = { arguments: { ...given, return_probability_raster: "True" }, like };
      const { run: name } = await postJson(`/api/rasters/${number}/runs`, request);
      await this.follow(name);
      this.probabilities.set(run, name);
    }
    return this.probabilities.get(run);
  }

  async follow(run) {
    for (;;) {
      const { state, done, total, error } = await getJson(`/api/runs/${run}`);
      if (state === "done") return;
      if (state !== "running") throw new Error(error || "The run for probabilities was stopped.");
      this.app.say(`Probabilities: ${total ? Math.round((100 * done) / total) : 0} %`);
      await new Promise((resolve) => setTimeout(resolve, EVERY));
    }
  }

  async writePackage() {
    const { prompts } = this.app.set;
    prompts.checkWords("Examples from the raster cannot become part of a package: switch them off first.");
    this.app.say("Writing the package …");
    try {
      const found = await postJson(`/api/rasters/${this.app.raster.number}/package`, prompts.request(true));
      download(`/api/packages/${found.package}`);
      this.app.say(`${found.name}, SHA-256 ${found.sha256}`);
    } catch (error) {
      this.app.say("");
      throw error;
    }
  }
}

function download(path) {
  const link = document.createElement("a");
  link.href = path;
  link.download = "";
  document.body.append(link);
  link.click();
  link.remove();
}
