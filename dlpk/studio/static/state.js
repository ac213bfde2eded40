// What the page shows: in the address, so that it can be kept and sent, and with undo.

export function newRow(text = "") {
  return { text, threshold: null, strength: null, on: true, opacity: 0.6, color: null, boxes: null };
}

function initial() {
  return {
    raster: 0,
    sets: [{ rows: [] }, { rows: [] }],
    set: 0,
    mode: "classes", // or swipe (scene | classes), or ab (A | B)
    swipe: 0.5,
    arguments: {},
    view: null, // [column, row, resolution]
  };
}

const MOST_UNDO = 100;

export class State {
  constructor(tell) {
    this.tell = tell;
    this.now = initial();
    this.past = [];
    this.future = [];
    this.read();
    window.addEventListener("hashchange", () => {
      if (location.hash !== this.hash) {
        this.read();
        this.tell();
      }
    });
  }

  get rows() {
    return this.now.sets[this.now.set].rows;
  }

  /** Change something; changes of the same kind that follow each other are undone at once. */
  change(kind, make) {
    const before = JSON.stringify(this.now);
    make(this.now);
    if (JSON.stringify(this.now) === before) return;
    if (kind !== "view" && (kind !== this.kind || kind === null)) {
      this.past.push(before);
      if (this.past.length > MOST_UNDO) this.past.shift();
      this.future = [];
    }
    if (kind !== "view") this.kind = kind;
    this.write();
    this.tell(kind);
  }

  /** What follows is a change of its own, even if it is of the same kind. */
  settle() {
    this.kind = null;
  }

  undo() {
    this.step(this.past, this.future);
  }

  redo() {
    this.step(this.future, this.past);
  }

  step(from, to) {
    if (!from.length) return;
    const { view } = this.now;
    to.push(JSON.stringify(this.now));
    this.now = { ...JSON.parse(from.pop()), view };
    this.kind = null;
    this.write();
    this.tell();
  }

  write() {
    this.hash = "#" + encodeURIComponent(JSON.stringify(this.now));
    history.replaceState(null, "", this.hash);
  }

  read() {
    this.hash = location.hash;
    try {
      const given = JSON.parse(decodeURIComponent(location.hash.slice(1)) || "{}");
      const made = { ...initial(), ...given };
      const rows = (set) => (set?.rows ?? []).map((row) => ({ ...newRow(), ...row, text: String(row.text ?? "") }));
      made.sets = [0, 1].map((index) => ({ rows: rows(made.sets?.[index]) }));
      made.set = made.set === 1 ? 1 : 0;
      if (!["classes", "swipe", "ab"].includes(made.mode)) made.mode = "classes";
      if (!(made.swipe >= 0 && made.swipe <= 1)) made.swipe = 0.5;
      if (!Array.isArray(made.view) || !made.view.every(Number.isFinite)) made.view = null;
      this.now = made;
    } catch {
      this.now = initial(); // an address that somebody cut short
    }
  }
}
