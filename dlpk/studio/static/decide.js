// From probabilities to classes, exactly as the raster function decides (decision.py, logic.py):
// in single precision, step by step. Float32Array rounds each step as torch does, because a sum or
// product of two such numbers in double precision, rounded once more, is the same number.

const PRESENT = 0.5;
const f32 = Math.fround;
export const NODATA = 255;

/** An expression with the threshold and strength of a row's sliders; null leaves what it has. */
export function withValues(node, threshold, strength) {
  if (threshold === null && strength === null) return node;
  const own = node.kind === "phrase" || node.kind === "group" ? node : { kind: "group", inner: node, threshold: null, strength: 1 };
  return { ...own, threshold: threshold ?? own.threshold, strength: strength ?? own.strength };
}

/** Threshold and strength that decide about a phrase, or a group's own. */
export function valuesOf(node, threshold) {
  if (node.kind === "group") return { threshold: node.threshold ?? PRESENT, strength: node.strength };
  if (node.kind !== "phrase") return { threshold: PRESENT, strength: 1 };
  const known = node.threshold === null ? node.calibrated : null;
  return {
    threshold: node.threshold ?? (known ? known[0] : threshold),
    strength: node.strength * (known ? known[1] : 1),
  };
}

/**
 * Classes of the pixels of a tile: 0 background, 255 no data.
 *
 * @param {Float32Array} bands - bands one after the other
 * @param {number} size - pixels of a band
 * @param {{classes: object[], background: object[], threshold: number, predict_background: boolean}} plan
 * @returns {Uint8Array}
 */
export function decide(bands, size, plan) {
  const values = new Uint8Array(size);
  if (plan.kind === "values") {
    for (let i = 0; i < size; i++) values[i] = bands[i] === bands[i] ? bands[i] : NODATA;
    return values;
  }
  const all = [...plan.classes, ...plan.background];
  const run = { bands, size, threshold: plan.threshold, known: true };
  const level = commonThreshold(all, run);
  const rank = (entry) =>
    level !== null && entry.node.kind === "phrase"
      ? probability(entry.node, run, valuesOf(entry.node, run.threshold).strength)
      : classScore(entry, run);
  if (plan.classes.length) {
    const best = rank(plan.classes[0]).slice();
    values.fill(plan.classes[0].value);
    for (const entry of plan.classes.slice(1)) {
      const other = rank(entry);
      for (let i = 0; i < size; i++) {
        if (other[i] > best[i]) {
          best[i] = other[i];
          values[i] = entry.value;
        }
      }
    }
    if (plan.predict_background) {
      const least = f32(level ?? PRESENT);
      for (let i = 0; i < size; i++) if (!(best[i] > least)) values[i] = 0;
      for (const entry of plan.background) {
        const other = rank(entry);
        for (let i = 0; i < size; i++) if (!(best[i] >= other[i])) values[i] = 0;
      }
    }
  }
  for (let i = 0; i < size; i++) if (bands[i] !== bands[i]) values[i] = NODATA;
  return values;
}

/** The threshold of single phrases, if all classes are that and have the same one; else null. */
function commonThreshold(entries, run) {
  const found = new Set(
    entries.map(({ node }) => (node.kind === "phrase" ? valuesOf(node, run.threshold).threshold : null)),
  );
  return found.size === 1 ? [...found][0] : null;
}

function probability(node, run, strength) {
  const plain = run.bands.subarray(node.band * run.size, (node.band + 1) * run.size);
  return strength === 1 ? plain : strengthened(plain, strength);
}

function strengthened(values, strength) {
  const result = new Float32Array(values.length);
  const factor = f32(strength);
  for (let i = 0; i < values.length; i++) {
    const strong = f32(values[i] * factor);
    result[i] = strong > 1 ? 1 : strong;
  }
  return result;
}

function classScore(entry, run) {
  const found = score(entry.node, run);
  if (!entry.calibrated) return found;
  const [threshold, strength] = entry.calibrated;
  return calibrate(strengthened(found, strength), threshold);
}

function score(node, run) {
  switch (node.kind) {
    case "score":
      return run.bands.subarray(node.band * run.size, (node.band + 1) * run.size);
    case "phrase": {
      const own = run.known ? node : { ...node, calibrated: null };
      const { threshold, strength } = valuesOf(own, run.threshold);
      return calibrate(probability(node, run, strength), threshold);
    }
    case "group": {
      const within = node.threshold === null ? run : { ...run, threshold: node.threshold, known: false };
      return strengthened(score(node.inner, within), node.strength);
    }
    case "not": {
      const inner = score(node.inner, run);
      return inner.map((value) => 1 - value);
    }
    default: {
      const [first, ...rest] = node.parts.map((part) => score(part, run));
      const result = first.slice();
      const least = node.kind === "and";
      for (const part of rest) {
        for (let i = 0; i < result.length; i++) {
          if (least ? part[i] < result[i] : part[i] > result[i]) result[i] = part[i];
        }
      }
      return result;
    }
  }
}

/** Score of probabilities: 0 to 0, the threshold to one half, 1 to 1, straight in between. */
function calibrate(values, threshold) {
  const result = new Float32Array(values.length);
  if (threshold >= 1) return values.map((value) => value * PRESENT);
  const steep = threshold > 2 ** -100 ? f32(PRESENT / threshold) : 0;
  const steepAbove = f32(PRESENT / (1 - threshold));
  const limit = f32(threshold);
  const least = f32(PRESENT + 2 ** -20);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value > limit) {
      const above = f32(PRESENT + f32(f32(value - limit) * steepAbove));
      result[i] = above > 1 ? 1 : above < least ? least : above;
    } else {
      const below = f32(value * steep);
      result[i] = below > PRESENT ? PRESENT : below;
    }
  }
  return result;
}
