// The map in the raster's own pixels: x is the column, y the row, counted downwards. Nothing is
// warped, and zoom levels are powers of two, so a pixel of the raster is never smeared.

/* global ol */

const CLOSEST = 5; // 2 ** -5 pixels of the raster per pixel of the screen

export class RasterMap {
  constructor(target, raster, tell) {
    this.raster = raster;
    this.tell = tell;
    const { width, height, levels } = raster;
    const projection = new ol.proj.Projection({ code: "pixels", units: "pixels", extent: [0, -height, width, 0] });
    const resolutions = Array.from({ length: levels + CLOSEST + 2 }, (_, i) => 2 ** (levels + 1 - i));
    const tileGrid = new ol.tilegrid.TileGrid({
      origin: [0, 0],
      extent: [0, -height, width, 0],
      resolutions: Array.from({ length: levels }, (_, i) => 2 ** (levels - 1 - i)),
      tileSize: 256,
    });
    this.scene = new ol.layer.Tile({
      source: new ol.source.TileImage({
        projection,
        tileGrid,
        interpolate: false,
        transition: 0,
        tileUrlFunction: ([z, x, y]) => `/api/rasters/${raster.number}/scene/${levels - 1 - z}/${x}/${y}`,
      }),
    });
    this.canvas = document.createElement("canvas");
    // In an element of its own: the library would draw its lines into a canvas that it is given.
    this.holder = document.createElement("div");
    this.holder.className = "masks";
    this.holder.append(this.canvas);
    this.painters = []; // (context, frame) => void
    const masks = new ol.layer.Layer({ render: (state) => this.render(state) });
    this.masks = masks;
    this.lines = new ol.source.Vector();
    this.boxes = new ol.source.Vector();
    this.map = new ol.Map({
      target,
      controls: ol.control.defaults.defaults({ rotate: false, attribution: false }),
      interactions: ol.interaction.defaults.defaults({ altShiftDragRotate: false, pinchRotate: false }),
      layers: [
        this.scene,
        masks,
        new ol.layer.Vector({ source: this.lines, style: lineStyle, className: "lines" }),
        new ol.layer.Vector({ source: this.boxes, style: boxStyle }),
      ],
      view: new ol.View({
        projection,
        resolutions,
        constrainResolution: true,
        smoothResolutionConstraint: false,
        enableRotation: false,
        center: [width / 2, -height / 2],
        extent: [-width, -2 * height, 2 * width, height],
        showFullExtent: true,
      }),
    });
    this.map.on("moveend", () => tell({ moved: true }));
    this.map.on("rendercomplete", () => tell({ drawn: true }));
    this.map.on("pointermove", (event) => tell({ pointer: [event.coordinate[0], -event.coordinate[1]] }));
  }

  get view() {
    return this.map.getView();
  }

  /** [column, row, resolution] of the middle. */
  get place() {
    const [x, y] = this.view.getCenter();
    return [x, -y, this.view.getResolution()];
  }

  goTo(place) {
    if (!place) {
      this.view.fit([0, -this.raster.height, this.raster.width, 0], { size: this.map.getSize() });
      return;
    }
    this.view.setCenter([place[0], -place[1]]);
    this.view.setResolution(place[2]);
  }

  /** Left, top, right and bottom of what is seen, in pixels of the raster. */
  get extent() {
    const [left, bottom, right, top] = this.view.calculateExtent(this.map.getSize());
    return [left, -top, right, -bottom];
  }

  render(state) {
    const ratio = state.pixelRatio;
    const [width, height] = state.size;
    const { canvas } = this;
    const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== across || canvas.height !== down) {
      canvas.width = across;
      canvas.height = down;
    }
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, across, down);
    const { resolution, center } = state.viewState;
    const extent = [
      center[0] - (width / 2) * resolution,
      -center[1] - (height / 2) * resolution,
      center[0] + (width / 2) * resolution,
      -center[1] + (height / 2) * resolution,
    ];
    for (const paint of this.painters) paint(context, { extent, resolution, width, height, ratio });
    return this.holder;
  }

  redraw() {
    this.masks.changed();
  }

  showContext(collection) {
    const features = new ol.format.GeoJSON().readFeatures(collection);
    for (const feature of features) {
      feature.getGeometry().applyTransform((values, _, stride) => {
        for (let i = 1; i < values.length; i += stride) values[i] = -values[i];
        return values;
      });
    }
    this.lines.addFeatures(features);
  }

  /** Boxes [left, top, right, bottom] in pixels of the raster, with a colour. */
  showBoxes(boxes) {
    this.boxes.clear();
    for (const { box, color } of boxes) {
      const [left, top, right, bottom] = box;
      const ring = [[left, -bottom], [right, -bottom], [right, -top], [left, -top], [left, -bottom]];
      const feature = new ol.Feature(new ol.geom.Polygon([ring]));
      feature.set("color", color);
      this.boxes.addFeature(feature);
    }
  }

  /** Let one box be drawn; `done` gets [left, top, right, bottom], or null if it was given up. */
  drawBox(done) {
    this.stopDrawing();
    const draw = new ol.interaction.Draw({
      type: "Circle",
      geometryFunction: ol.interaction.Draw.createBox(),
    });
    this.drawing = { draw, done };
    draw.on("drawend", ({ feature }) => {
      const [left, bottom, right, top] = feature.getGeometry().getExtent();
      this.finish([left, -top, right, -bottom]);
    });
    this.map.addInteraction(draw);
    this.map.getTargetElement().classList.add("drawing");
  }

  /** The middle quarter of the view as a box: for those who draw with the keyboard. */
  boxAtMiddle() {
    const [left, top, right, bottom] = this.extent;
    const [x, y] = [(left + right) / 2, (top + bottom) / 2];
    const [w, h] = [(right - left) / 8, (bottom - top) / 8];
    this.finish([x - w, y - h, x + w, y + h]);
  }

  finish(box) {
    const { done } = this.drawing ?? {};
    this.stopDrawing();
    done?.(box);
  }

  stopDrawing() {
    if (!this.drawing) return;
    const { draw } = this.drawing;
    this.drawing = null;
    this.map.getTargetElement().classList.remove("drawing");
    // Not while it is telling: it is not done with its own event.
    setTimeout(() => this.map.removeInteraction(draw));
  }

  close() {
    this.map.setTarget(undefined);
    this.map.dispose();
  }
}

function lineStyle(feature) {
  const outline = feature.get("kind") === "outline";
  const styles = [
    new ol.style.Style({ stroke: new ol.style.Stroke({ color: "rgba(0,0,0,0.45)", width: outline ? 3.5 : 2 }) }),
    new ol.style.Style({
      stroke: new ol.style.Stroke({
        color: outline ? "#ffd54a" : "rgba(255,255,255,0.55)",
        width: outline ? 1.8 : 0.8,
      }),
    }),
  ];
  if (feature.get("label")) {
    styles.push(
      new ol.style.Style({
        text: new ol.style.Text({
          text: feature.get("label"),
          placement: "line",
          textBaseline: "bottom",
          font: "11px system-ui, sans-serif",
          fill: new ol.style.Fill({ color: "#fff" }),
          stroke: new ol.style.Stroke({ color: "rgba(0,0,0,0.7)", width: 3 }),
        }),
      }),
    );
  }
  return styles;
}

function boxStyle(feature) {
  return [
    new ol.style.Style({ stroke: new ol.style.Stroke({ color: "#000", width: 4 }) }),
    new ol.style.Style({ stroke: new ol.style.Stroke({ color: feature.get("color"), width: 2, lineDash: [6, 4] }) }),
  ];
}
