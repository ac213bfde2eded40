// Requests to the server. Errors have the server's words.

export class ApiError extends Error {
  constructor(answer, status) {
    super(answer.error ?? `the server answers with status ${status}`);
    this.row = answer.row ?? null;
    this.column = answer.column ?? null;
    this.status = status;
  }
}

async function answered(response) {
  if (response.ok) return response;
  let answer = {};
  try {
    answer = await response.json();
  } catch {
    // not in words
  }
  throw new ApiError(answer, response.status);
}

export async function getJson(path) {
  return (await answered(await fetch(path))).json();
}

export async function postJson(path, body, signal) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal });
  const answer = await (await answered(response)).json();
  if (answer.mistake) throw new ApiError(answer.mistake, response.status);
  return answer;
}

/** Bands of a tile. */
export async function getBands(raster, { level, column, row }, query, signal) {
  const path = `/api/rasters/${raster}/bands/${level}/${column}/${row}?${query}`;
  return new Float32Array(await (await answered(await fetch(path, { signal }))).arrayBuffer());
}

export function bandsQuery(plan) {
  const query = new URLSearchParams(plan.arguments);
  for (const example of plan.like) query.append("like", example);
  return query.toString();
}
