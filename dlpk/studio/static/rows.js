// The rows of prompts. Elements stay what they are while somebody types in them.

import { valuesOf } from "./decide.js";

const STRONGEST = 3;

export class Rows {
  /**
   * @param {HTMLElement} home
   * @param {object} act - what rows do: change(kind, index, make), remove(index), settle(), addBox(index)
   */
  constructor(home, act) {
    this.home = home;
    this.act = act;
    this.elements = [];
  }

  /**
   * @param {object[]} rows - of the state
   * @param {object} shown - per row: {color, node, area, error}, and the package's `threshold`
   */
  show(rows, shown) {
    while (this.elements.length > rows.length) this.elements.pop().remove();
    while (this.elements.length < rows.length) {
      const element = this.make(this.elements.length);
      this.elements.push(element);
      this.home.append(element);
    }
    rows.forEach((row, index) => this.fill(this.elements[index], row, shown.rows[index] ?? {}, shown.threshold));
  }

  focus(index) {
    this.elements[index]?.querySelector(".text").focus();
  }

  make(index) {
    const element = document.createElement("div");
    element.className = "row";
    element.innerHTML = `
      <div class="line">
        <input type="color" title="Colour" aria-label="Colour">
        <input class="text" list="words" spellcheck="false" autocomplete="off"
          placeholder="water" aria-label="What to look for">
        <button class="icon switch" title="Leave it out, or take it in again"></button>
        <button class="icon remove" title="Remove (Ctrl+Delete)" aria-label="Remove">✕</button>
      </div>
      <pre class="caret" aria-hidden="true" hidden></pre>
      <p class="wrong" role="alert" hidden></p>
      <div class="sliders">
        <span>Threshold</span><input type="range" class="threshold" min="0" max="1" step="0.01" aria-label="Threshold"><output></output>
        <span>Strength</span><input type="range" class="strength" min="0.05" max="${STRONGEST}" step="0.05" aria-label="Strength"><output></output>
        <span>Opacity</span><input type="range" class="opacity" min="0" max="1" step="0.05" aria-label="Opacity"><output></output>
      </div>
      <p class="area"></p>`;
    const part = (name) => element.querySelector(name);
    const { act } = this;
    part(".text").addEventListener("input", ({ target }) => act.change(`text ${index}`, index, (row) => (row.text = target.value)));
    part(".text").addEventListener("change", () => act.settle());
    part(".text").addEventListener("keydown", (event) => {
      if (event.key === "Enter") act.next(index);
      if (event.key === "Delete" && event.ctrlKey) act.remove(index);
    });
    part("[type=color]").addEventListener("input", ({ target }) => act.change(`color ${index}`, index, (row) => (row.color = target.value)));
    for (const name of ["threshold", "strength", "opacity"]) {
      const slider = part(`.${name}`);
      slider.addEventListener("input", () => act.change(`${name} ${index}`, index, (row) => (row[name] = Number(slider.value))));
      slider.addEventListener("change", () => act.settle());
      if (name !== "opacity") {
        slider.title = "Double-click: back to what the prompt itself says";
        slider.addEventListener("dblclick", () => act.change(null, index, (row) => (row[name] = null)));
      }
    }
    part(".switch").addEventListener("click", () => act.change(null, index, (row) => (row.on = !row.on)));
    part(".remove").addEventListener("click", () => act.remove(index));
    return element;
  }

  fill(element, row, shown, threshold) {
    const part = (name) => element.querySelector(name);
    element.classList.toggle("off", !row.on);
    element.classList.toggle("mistaken", Boolean(shown.error));
    const text = part(".text");
    if (text.value !== row.text) text.value = row.text;
    text.title = row.boxes ? `${row.boxes.length} example(s) on the map` : "";
    part("[type=color]").value = row.color ?? shown.color ?? "#888888";
    part(".switch").textContent = row.on ? "●" : "○";
    part(".switch").setAttribute("aria-label", row.on ? "Leave it out" : "Take it in");
    part(".switch").setAttribute("aria-pressed", String(row.on));
    const own = shown.node ? valuesOf(shown.node, threshold) : { threshold: threshold ?? 0.5, strength: 1 };
    const values = { threshold: row.threshold ?? own.threshold, strength: row.strength ?? own.strength, opacity: row.opacity };
    for (const [name, value] of Object.entries(values)) {
      const slider = part(`.${name}`);
      if (Number(slider.value) !== value) slider.value = value;
      const output = slider.nextElementSibling;
      output.textContent = name === "strength" ? `×${round(value)}` : round(value);
      output.classList.toggle("moved", row[name] !== null && name !== "opacity");
    }
    const wrong = part(".wrong");
    wrong.hidden = !shown.error;
    wrong.textContent = shown.error?.message ?? "";
    const caret = part(".caret");
    caret.hidden = !shown.error?.column;
    // Under the text of the field, which begins after the colour.
    if (shown.error?.column) caret.textContent = " ".repeat(shown.error.column - 1) + "▲";
    part(".area").textContent = shown.area ?? "";
  }
}

function round(value) {
  return String(Math.round(value * 100) / 100);
}
