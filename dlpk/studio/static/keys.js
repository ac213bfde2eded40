// The keyboard does all that the mouse does.

const KEYS = [
  ["N", "another prompt", (app) => app.focusOrAdd(app.state.rows.length)],
  ["B", "draw a box around an example (Enter: in the middle of the map)", (app) => app.addBox()],
  ["P", "mark spots on the map, to fit thresholds to (Enter: in its middle)", (app) => app.spots.mark(!app.spots.marking)],
  ["1 … 9", "leave a prompt out, or take it in", null],
  ["S", "scene on one side, classes on the other", (app) => toggle(app, "swipe")],
  ["C", "two sets of prompts side by side", (app) => app.server.package.prompts && toggle(app, "ab")],
  ["A", "the other set of prompts", (app) => app.state.change(null, (now) => (now.set = 1 - now.set))],
  ["[ ]", "move the line between the halves", null],
  ["arrows, + −", "move and zoom the map (when it has the focus: M)", null],
  ["M", "to the map", () => document.getElementById("map").focus()],
  ["0", "all of the raster", (app) => app.map.goTo(null)],
  ["R", "classify all of the raster", () => document.getElementById("run").click()],
  ["T", "light, dark, or as the system", (app) => app.nextTheme()],
  ["Ctrl+Z, Ctrl+Shift+Z", "undo, redo", null],
  ["?", "these keys", () => showKeys()],
];

function toggle(app, mode) {
  app.state.change(null, (now) => (now.mode = now.mode === mode ? "classes" : mode));
}

export function showKeys() {
  const list = document.getElementById("key-list");
  if (!list.childElementCount) {
    for (const [key, meaning] of KEYS) {
      const [term, text] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = key;
      text.textContent = meaning;
      list.append(term, text);
    }
  }
  const dialog = document.getElementById("keys");
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

export function listen(app) {
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches?.("input:not([type=range], [type=checkbox], [type=color]), select, textarea");
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      event.preventDefault();
      if (event.shiftKey) app.state.redo();
      else app.state.undo();
      return;
    }
    if (event.key === "Escape") {
      if (app.map.drawing) app.map.finish(null);
      else if (app.spots.marking) app.spots.mark(false);
      else if (typing) event.target.blur();
      return;
    }
    if (event.key === "Enter" && app.spots.marking && event.target.id === "map") {
      app.spots.markMiddle();
      return;
    }
    if (event.key === "Enter" && app.map.drawing && !typing) {
      event.preventDefault();
      app.map.boxAtMiddle();
      return;
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (/^[1-9]$/.test(event.key)) {
      const index = Number(event.key) - 1;
      if (app.state.rows[index]) app.state.change(null, () => (app.state.rows[index].on = !app.state.rows[index].on));
    } else if (event.key === "[" || event.key === "]") {
      const step = event.key === "[" ? -0.02 : 0.02;
      app.state.change("swipe", (now) => (now.swipe = Math.min(1, Math.max(0, now.swipe + step))));
    } else {
      const found = KEYS.find(([key, , act]) => act && key === event.key.toUpperCase());
      if (!found) return;
      event.preventDefault();
      found[2](app);
    }
  });
}
