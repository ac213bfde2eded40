// One set of prompts: what the server makes of its rows, and how classes are decided with the
// sliders as they are.

import { bandsQuery, postJson } from "./api.js";
import { withValues } from "./decide.js";

const WAIT = 150; // milliseconds without a key before the server is asked

export class Prompts {
  /**
   * @param {number} raster - its number
   * @param {boolean} words - whether the package looks for words; if not, its classes are fixed
   * @param {() => void} tell - told when the plan has changed
   */
  constructor(raster, words, tell) {
    this.raster = raster;
    this.words = words;
    this.tell = tell;
    this.asked = "";
    this.plan = null;
    this.query = "";
    this.errors = new Map(); // row -> error
    this.problem = "";
  }

  /** Take the rows as they are now; asks the server when more than a slider has moved. */
  take(rows, given) {
    this.rows = rows;
    this.given = given;
    const request = this.request(false);
    const key = JSON.stringify(request);
    if (key === this.asked) return;
    this.asked = key;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(request, key), this.plan || this.problem ? WAIT : 0);
  }

  /** Rows that count: switched on, and not empty. */
  get used() {
    return this.rows.map((row, index) => ({ row, index })).filter(({ row }) => row.on && (row.boxes || row.text.trim()));
  }

  request(withSliders) {
    const texts = this.used.filter(({ row }) => !row.boxes);
    const like = this.used.filter(({ row }) => row.boxes);
    return {
      rows: texts.map(({ row }) => {
        const all = withSliders || grows(row.text);
        return { text: row.text, threshold: all ? row.threshold : null, strength: all ? row.strength : null };
      }),
      like: like.flatMap(({ row }) => row.boxes.map((box) => `${likeName(row)}=${box.join(",")}`)),
      arguments: this.given,
    };
  }

  async ask(request, key) {
    const used = this.used;
    const texts = used.filter(({ row }) => !row.boxes);
    if (this.words && !used.length) {
      this.settled(key, null, new Map(), "");
      return;
    }
    try {
      const plan = await postJson(`/api/rasters/${this.raster}/plan`, request);
      for (const entry of plan.classes) {
        const byName = () => used.find(({ row }) => row.boxes && likeName(row).toLowerCase() === entry.name.toLowerCase());
        entry.index = entry.row === null ? byName()?.index : texts[entry.row]?.index;
      }
      this.settled(key, plan, new Map(), "");
    } catch (error) {
      const row = error.row === null || error.row === undefined ? undefined : texts[error.row]?.index;
      const errors = new Map(row === undefined ? [] : [[row, error]]);
      this.settled(key, this.plan, errors, row === undefined ? error.message : "");
    }
  }

  settled(key, plan, errors, problem) {
    if (key !== this.asked) return; // somebody went on typing
    this.plan = plan;
    this.query = plan ? bandsQuery(plan) : "";
    this.errors = errors;
    this.problem = problem;
    this.tell();
  }

  /** The plan with the sliders as they are. */
  get decided() {
    if (!this.plan) return null;
    if (this.plan.kind === "values") return this.plan;
    const classes = this.plan.classes.map((entry) => {
      const row = this.rows[entry.index];
      if (!row || entry.node.kind === "score" || (row.threshold === null && row.strength === null)) return entry;
      return { ...entry, node: withValues(entry.node, row.threshold, row.strength), calibrated: null };
    });
    return { ...this.plan, classes };
  }

  get colors() {
    return (this.plan?.classes ?? []).map(({ value, color, index }) => {
      const row = this.rows[index];
      return { value, color: row?.color ? rgb(row.color) : color, opacity: row ? row.opacity : 0.6 };
    });
  }

  /** Refuse, without asking the server, what needs words and rows without mistakes. */
  checkWords(message) {
    if (this.used.some(({ row }) => row.boxes)) throw new Error(message);
    if (!this.used.length) throw new Error("There is no prompt yet: type one first.");
    const [mistake] = this.errors.values();
    if (mistake) throw mistake;
  }

  /** All arguments of a run that makes what is seen. */
  async arguments() {
    return postJson(`/api/rasters/${this.raster}/plan`, this.request(true));
  }
}

export function likeName(row) {
  return row.text.trim() || "like this";
}

/** Whether something grows or shrinks: that is computed on the server, with its threshold. */
function grows(text) {
  return /\{[^}]*[+-]/.test(text);
}

function rgb(text) {
  return [1, 3, 5].map((place) => parseInt(text.slice(place, place + 2), 16));
}

export function hex(color) {
  return "#" + color.map((part) => part.toString(16).padStart(2, "0")).join("");
}
