// What one sees, as a command, as Python, and as ArcGIS Pro's table of arguments has it.

export function asCommand(what) {
  const words = ["dlpk", "classify", what.package, what.raster, "classes.tif"];
  for (const [name, value] of Object.entries(what.arguments)) {
    if (name === "text_prompt") words.push("--prompt", value);
    else words.push("--arg", `${name}=${value}`);
  }
  for (const example of what.like) words.push("--like", example);
  return words.map(quoted).join(" ");
}

function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}

export function asPython(what) {
  const { text_prompt: prompt, ...rest } = what.arguments;
  const lines = ["import dlpk", "", "dlpk.classify("];
  lines.push(`    ${text(what.package)},`, `    ${text(what.raster)},`, `    "classes.tif",`);
  if (prompt !== undefined) lines.push(`    prompt=${text(prompt)},`);
  if (Object.keys(rest).length) {
    const pairs = Object.entries(rest).map(([name, value]) => `${text(name)}: ${text(value)}`);
    lines.push(`    arguments={${pairs.join(", ")}},`);
  }
  if (what.like.length) lines.push(`    like=[${what.like.map(text).join(", ")}],`);
  return [...lines, ")"].join("\n");
}

function text(value) {
  return JSON.stringify(String(value)).replace(/[\u007f-\uffff]/g, (c) => c);
}

/** One argument a line, name and value with a tab between. */
export function asTable(what) {
  const lines = Object.entries(what.arguments).map(([name, value]) => `${name}\t${value}`);
  return lines.join("\n");
}
