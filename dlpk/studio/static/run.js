// A run over all of the raster: progress, stopping, and the files it leaves.

import { getJson, postJson } from "./api.js";

const EVERY = 500; // milliseconds
const element = (id) => document.getElementById(id);

export class WholeRun {
  /** @param {() => Promise<object>} wanted - what a run needs that makes what is seen */
  constructor(wanted) {
    this.wanted = wanted;
    element("run").addEventListener("click", () => this.start());
    element("stop").addEventListener("click", () => this.stop());
  }

  async start() {
    if (element("run").disabled) return;
    element("run").disabled = true;
    element("run-state").textContent = "";
    try {
      const { number, arguments: given, like } = await this.wanted();
      this.given = { number, arguments: given, like };
      const { run } = await postJson(`/api/rasters/${number}/runs`, { arguments: given, like });
      this.name = run;
      element("stop").hidden = element("run-progress").hidden = false;
      element("run-progress").removeAttribute("value");
      await this.follow();
    } catch (error) {
      element("run-state").textContent = error.message;
    } finally {
      element("run").disabled = false;
      element("stop").hidden = element("run-progress").hidden = true;
    }
  }

  async follow() {
    for (;;) {
      const { state, done, total, error, files } = await getJson(`/api/runs/${this.name}`);
      if (total) element("run-progress").value = done / total;
      if (state === "done") this.offer(files);
      if (state === "failed") throw new Error(error);
      if (state === "stopped") element("run-state").textContent = "Stopped; nothing is written.";
      if (state !== "running") return;
      await new Promise((resolve) => setTimeout(resolve, EVERY));
    }
  }

  offer(files) {
    this.offered?.(this.name, this.given);
    const links = files.map((file) => {
      const link = document.createElement("a");
      link.href = `/api/runs/${this.name}/${file}`;
      link.download = link.textContent = file;
      return link;
    });
    element("run-state").replaceChildren("Done: ", ...links);
  }

  async stop() {
    await postJson(`/api/runs/${this.name}/stop`, {}).catch(() => {});
  }
}
