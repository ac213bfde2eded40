// The page: puts state, rows and map together.

import { getJson, postJson } from "./api.js";
import { asCommand, asPython, asTable } from "./copied.js";
import { showKeys, listen } from "./keys.js";
import { RasterMap } from "./map.js";
import { Masks } from "./masks.js";
import { Outputs } from "./outputs.js";
import { hex, likeName, Prompts } from "./prompts.js";
import { WholeRun } from "./run.js";
import { Rows } from "./rows.js";
import { Spots } from "./spots.js";
import { State, newRow } from "./state.js";
import { areaText, showCell, showPointer, showScale, toMap, toPixels } from "./status.js";

const element = (id) => document.getElementById(id);
const THEMES = ["", "light", "dark"];

class App {
  constructor(server) {
    this.server = server;
    this.state = new State((kind) => this.changed(kind));
    if (!server.rasters[this.state.now.raster]) this.state.now.raster = 0;
    this.rows = new Rows(element("rows"), {
      change: (kind, index, make) => this.state.change(kind, () => make(this.state.rows[index])),
      remove: (index) => this.remove(index),
      settle: () => this.state.settle(),
      next: (index) => this.focusOrAdd(index + 1),
    });
    this.controls();
    this.outputs = new Outputs(this);
    this.spots = new Spots(this);
    this.openRaster();
  }

  get raster() {
    return this.server.rasters[this.state.now.raster];
  }

  get set() {
    return this.sets[this.state.now.set];
  }

  // Raster and map ---------------------------------------------------------------------------

  openRaster() {
    this.map?.close();
    const { raster } = this;
    raster.number = this.state.now.raster;
    this.shownRaster = raster.number;
    this.map = new RasterMap(element("map"), raster, (event) => this.mapTold(event));
    this.sets = [0, 1].map(() => ({
      prompts: new Prompts(raster.number, this.server.package.prompts, () => this.promptsTold()),
      masks: new Masks(raster, this.server.most_reduced, (event) => this.masksTold(event)),
    }));
    this.spots.attach(this.map);
    this.map.painters = [(context, frame) => this.paint(context, frame)];
    this.map.goTo(this.state.now.view);
    showCell(raster);
    getJson(`/api/rasters/${raster.number}/context`).then((found) => this.map.showContext(found), () => {});
    this.changed();
  }

  paint(context, frame) {
    const { mode, swipe, set } = this.state.now;
    const at = Math.round(frame.width * frame.ratio * swipe);
    const parts =
      mode === "ab" ? [[0, 0, at], [1, at, context.canvas.width]]
      : mode === "swipe" ? [[set, at, context.canvas.width]]
      : [[set, 0, context.canvas.width]];
    for (const [index, left, right] of parts) {
      context.save();
      context.beginPath();
      context.rect(left, 0, right - left, context.canvas.height);
      context.clip();
      this.sets[index].masks.draw(context, frame);
      context.restore();
    }
    showScale(this.raster, frame.resolution);
    this.showProgress();
  }

  mapTold({ moved, pointer }) {
    if (pointer) showPointer(this.raster, pointer);
    if (moved) {
      this.state.change("view", (now) => (now.view = this.map.place));
      this.showRows();
    }
  }

  masksTold({ error }) {
    if (error) this.complain(error.message);
    this.map.redraw();
    clearTimeout(this.counting);
    this.counting = setTimeout(() => this.showRows(), 60);
  }

  showProgress() {
    const used = this.state.now.mode === "ab" ? this.sets : [this.set];
    const missing = used.reduce((sum, { masks }) => sum + (masks.plan ? masks.wanted.length : 0), 0);
    element("busy").textContent = missing ? `computing ${missing} tile${missing > 1 ? "s" : ""} …` : "";
    document.body.dataset.busy = String(missing);
    const far = this.set.masks.plan && this.set.masks.seen && !this.set.masks.seen.near;
    this.showHint(this.hint || (far ? "Zoom in to see classes: they are computed from the raster's own pixels." : ""));
  }

  // Prompts ----------------------------------------------------------------------------------

  /** Something in the state has changed: everything that shows it follows. */
  changed(kind) {
    if (kind === "view" || !this.map) return;
    const { now } = this.state;
    if (now.raster !== this.shownRaster) {
      now.view = null;
      this.openRaster();
      return;
    }
    this.sets.forEach(({ prompts }, index) => prompts.take(now.sets[index].rows, this.given()));
    if (kind === undefined && now.view) this.map.goTo(now.view);
    this.promptsTold();
  }

  given() {
    return Object.fromEntries(Object.entries(this.state.now.arguments).filter(([, value]) => value !== ""));
  }

  promptsTold() {
    this.sets.forEach(({ prompts, masks }) => masks.show(prompts.decided, prompts.query, prompts.colors));
    const { prompts } = this.set;
    this.complain(prompts.problem);
    this.masksTold({}); // areas are counted once pixels are decided anew
    this.map.showBoxes(this.boxes());
    this.showRows();
    this.showControls();
    this.spots.show();
  }

  boxes() {
    const { rows } = this.state;
    return rows.flatMap((row, index) =>
      (row.on ? row.boxes ?? [] : []).map((box) => {
        const [a, b] = [toPixels(this.raster, box[0], box[1]), toPixels(this.raster, box[2], box[3])];
        const color = row.color ?? this.classOf(index)?.color;
        return {
          box: [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]), Math.max(a[1], b[1])],
          color: Array.isArray(color) ? hex(color) : (color ?? "#ffffff"),
        };
      }),
    );
  }

  classOf(index) {
    return this.set.prompts.plan?.classes.find((entry) => entry.index === index);
  }

  showRows() {
    const { prompts, masks } = this.set;
    const { counts, complete } = masks.counts();
    const classes = prompts.plan?.classes ?? [];
    const shown = this.state.rows.map((row, index) => {
      const mine = classes.filter((entry) => entry.index === index);
      const pixels = mine.reduce((sum, { value }) => sum + counts[value], 0);
      return {
        color: mine.length ? hex(mine[0].color) : undefined,
        node: mine[0]?.node,
        error: prompts.errors.get(index),
        area: row.on && mine.length ? areaText(this.raster, pixels, complete) : "",
      };
    });
    this.rows.show(this.state.rows, { rows: shown, threshold: this.server.package.threshold });
    element("empty").hidden = !prompts.words || this.state.rows.length > 0;
    if (!prompts.words) this.showLegend(classes, counts, complete);
  }

  /** The classes of a package that looks for no words. */
  showLegend(classes, counts, complete) {
    const entries = classes.map(({ value, name, color }) => {
      const [entry, swatch] = [document.createElement("li"), document.createElement("span")];
      swatch.className = "swatch";
      swatch.style.background = hex(color);
      entry.append(swatch, name, Object.assign(document.createElement("small"), { textContent: areaText(this.raster, counts[value], complete) }));
      return entry;
    });
    element("legend").replaceChildren(...entries);
  }

  focusOrAdd(index) {
    if (!this.server.package.prompts) return;
    if (index >= this.state.rows.length) this.state.change(null, () => this.state.rows.push(newRow()));
    this.rows.focus(index);
  }

  remove(index) {
    this.state.change(null, () => this.state.rows.splice(index, 1));
    this.rows.focus(Math.min(index, this.state.rows.length - 1));
  }

  /** Let a box be drawn around an example. */
  addBox() {
    if (!this.server.package.prompts) return;
    this.hintFor("Draw a box around an example: click two corners. Enter takes the middle of the map, Esc gives up.");
    this.map.map.getTargetElement().focus();
    this.map.drawBox((box) => {
      this.hintFor("");
      if (!box || box[2] - box[0] < 1 || box[3] - box[1] < 1) return;
      const corners = [toMap(this.raster, box[0], box[1]), toMap(this.raster, box[2], box[3])];
      const [xs, ys] = [0, 1].map((axis) => corners.map((corner) => Number(corner[axis].toPrecision(12))));
      const area = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
      this.state.change(null, () => {
        const last = this.state.rows.findLast((row) => row.boxes);
        const at = document.activeElement?.closest?.(".row");
        if (last && at) last.boxes.push(area);
        else this.state.rows.push({ ...newRow(this.freeName()), boxes: [area] });
      });
    });
  }

  freeName() {
    const names = new Set(this.state.rows.map(likeName));
    let number = 1;
    while (names.has(number === 1 ? "like this" : `like this ${number}`)) number++;
    return number === 1 ? "like this" : `like this ${number}`;
  }

  /** What to do on the map now; stays until it is done. */
  hintFor(text) {
    this.hint = text;
    this.showHint(text);
  }

  showHint(text) {
    element("hint").hidden = !text;
    element("hint").textContent = text;
  }

  say(text) {
    element("copied").textContent = text;
  }

  /** What does not work is said where everything else is. */
  async trying(act) {
    try {
      this.complain("");
      await act();
    } catch (error) {
      this.complain(error.message);
    }
  }

  complain(text) {
    element("problem").hidden = !text;
    element("problem").textContent = text ?? "";
  }

  // Controls ---------------------------------------------------------------------------------

  controls() {
    const { state } = this;
    const set = (change) => state.change(null, change);
    element("package").textContent = this.server.package.name;
    element("package").title = this.server.package.description;
    element("raster").replaceChildren(...this.server.rasters.map(({ name }, index) => new Option(name, index)));
    element("raster-field").hidden = this.server.rasters.length < 2;
    element("raster").addEventListener("change", ({ target }) => set((now) => {
      now.raster = Number(target.value);
      now.view = null;
    }));
    element("words").replaceChildren(...this.server.package.words.map((word) => new Option(word)));
    element("undo").addEventListener("click", () => state.undo());
    element("redo").addEventListener("click", () => state.redo());
    element("theme").addEventListener("click", () => this.nextTheme());
    element("help").addEventListener("click", () => showKeys());
    element("add").addEventListener("click", () => this.focusOrAdd(state.rows.length));
    element("add-box").addEventListener("click", () => this.addBox());
    element("example").addEventListener("click", () => {
      set(() => state.rows.push(newRow("water")));
      this.rows.focus(0);
    });
    for (const tab of document.querySelectorAll("[data-set]")) {
      tab.addEventListener("click", () => set((now) => (now.set = Number(tab.dataset.set))));
    }
    for (const button of document.querySelectorAll("[data-mode]")) {
      button.addEventListener("click", () => set((now) => (now.mode = button.dataset.mode)));
    }
    element("swipe").addEventListener("input", ({ target }) => state.change("swipe", (now) => (now.swipe = Number(target.value))));
    element("background_prompt").addEventListener("input", ({ target }) =>
      state.change("background", (now) => (now.arguments.background_prompt = target.value)));
    element("predict_background").addEventListener("change", ({ target }) =>
      set((now) => (now.arguments.predict_background = target.checked ? "" : "False")));
    for (const button of document.querySelectorAll("[data-copy]")) {
      button.addEventListener("click", () => this.copy(button.dataset.copy));
    }
    const prompts = this.server.package.prompts;
    for (const id of ["add", "add-box", "more", "tabs", "mode-ab"]) element(id).hidden = !prompts;
    document.documentElement.dataset.theme = localStorage.getItem("theme") ?? "";
    this.run = new WholeRun(() => this.arguments());
    listen(this);
  }

  showControls() {
    const { now, past, future } = this.state;
    element("undo").disabled = !past.length;
    element("redo").disabled = !future.length;
    element("raster").value = now.raster;
    for (const tab of document.querySelectorAll("[data-set]")) {
      tab.setAttribute("aria-selected", String(Number(tab.dataset.set) === now.set));
    }
    for (const button of document.querySelectorAll("[data-mode]")) {
      button.setAttribute("aria-checked", String(button.dataset.mode === now.mode));
    }
    const divided = now.mode !== "classes";
    element("swipe").hidden = element("divider").hidden = !divided;
    element("swipe").value = now.swipe;
    element("divider").style.left = `${100 * now.swipe}%`;
    const background = now.arguments.background_prompt ?? "";
    if (element("background_prompt").value !== background) element("background_prompt").value = background;
    element("predict_background").checked = now.arguments.predict_background !== "False";
  }

  nextTheme() {
    const { dataset } = document.documentElement;
    dataset.theme = THEMES[(THEMES.indexOf(dataset.theme) + 1) % THEMES.length];
    localStorage.setItem("theme", dataset.theme);
  }

  /** All that a run needs that makes what is seen. */
  async arguments() {
    const plan = await this.set.prompts.arguments();
    return { package: this.server.package.source, raster: this.raster.path, number: this.raster.number, ...plan };
  }

  async copy(kind) {
    try {
      const what = await this.arguments();
      const text = { command: asCommand, python: asPython, arcgis: asTable }[kind](what);
      element("copied").textContent = (await toClipboard(text)) ? `Copied: ${text}` : text;
    } catch (error) {
      this.complain(error.message);
    }
  }
}

async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // not every browser allows it; the text is shown
  }
}

async function welcome(server) {
  if (server.agreed) return;
  element("welcome-package").textContent = server.package.name;
  element("welcome-rasters").textContent = server.rasters.map(({ name }) => name).join(", ");
  for (const step of document.querySelectorAll(".words")) step.hidden = !server.package.prompts;
  element("sha").textContent = server.package.sha256 ?? "";
  const dialog = element("welcome");
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  await postJson("/api/agree", {});
}

try {
  const server = await getJson("/api/state");
  await welcome(server);
  window.studio = new App(server); // for whoever wants to look inside
  document.body.dataset.ready = "true";
} catch (error) {
  element("problem").hidden = false;
  element("problem").textContent = `The page cannot start: ${error.message}`;
}
