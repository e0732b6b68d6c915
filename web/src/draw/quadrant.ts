/** The risk quadrant on a canvas: one mark a vehicle, medians, axes. */

import { token } from "../clock.svelte";
import { median } from "../format";
import { AXES, type Axis, axisValues, title, written } from "../live/axes";
import type { Columns } from "../live/frame";
import { type Glyph, glyph, rasterise, stamp } from "./marks";
import { type Scale, scaleBetween, scaleOf } from "./scale";

const TONES = ["healthy", "monitor", "priority", "unknown"] as const;
export const MARGIN = { left: 52, right: 16, top: 18, bottom: 46 };
/** Above this many vehicles marks are written pixel by pixel: a canvas call each would be slow. */
const MANY = 4_000;

export interface View {
  x: [number, number];
  y: [number, number];
}

export interface Placed {
  /** Row numbers, pixels and values of the selected vehicles in view. */
  rows: Int32Array;
  x: Float32Array;
  y: Float32Array;
  count: number;
  /** Selected vehicles with both values, in view or not, and those without. */
  known: number;
  missing: number;
  medianX: number | null;
  medianY: number | null;
  scaleX: Scale;
  scaleY: Scale;
}

interface Job {
  columns: Columns;
  size: number;
  x: Axis;
  y: Axis;
  /** 1 for the vehicles that the filters let through; the others are drawn faintly. */
  mask: Uint8Array;
  view: View | null;
}

/** Draws everything and returns where each vehicle is. Width and height in CSS pixels. */
export function draw(canvas: HTMLCanvasElement, job: Job): Placed {
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const xs = axisValues(job.columns, job.size, job.x);
  const ys = axisValues(job.columns, job.size, job.y);
  const x = axisScale(xs, job.x, job.view?.x, MARGIN.left, width - MARGIN.right);
  const y = axisScale(ys, job.y, job.view?.y, height - MARGIN.bottom, MARGIN.top);
  drawAxes(context, x, y, width, height, job);
  const { chosen, others, missing, known } = split(xs, ys, job, x, y);
  const placed: Placed = {
    ...chosen,
    known: known.x.length,
    missing,
    medianX: median(known.x),
    medianY: median(known.y),
    scaleX: x,
    scaleY: y,
  };
  drawMedians(context, width, height, placed, job);
  drawMarks(context, job.columns, chosen, others, ratio, width, height);
  return placed;
}

function axisScale(
  values: Float64Array,
  axis: Axis,
  view: [number, number] | undefined,
  from: number,
  to: number,
): Scale {
  return view ? scaleBetween(view, from, to) : scaleOf(values, from, to, AXES[axis].always);
}

interface Points {
  rows: Int32Array;
  x: Float32Array;
  y: Float32Array;
  count: number;
}

function empty(size: number): Points {
  return { rows: new Int32Array(size), x: new Float32Array(size), y: new Float32Array(size), count: 0 };
}

/** Selected and other vehicles in view, in pixels, and the values of all selected ones. */
function split(xs: Float64Array, ys: Float64Array, job: Job, x: Scale, y: Scale) {
  const chosen = empty(job.size);
  const others = empty(job.size);
  const knownX = new Float64Array(job.size);
  const knownY = new Float64Array(job.size);
  let missing = 0;
  let known = 0;
  for (let row = 0; row < job.size; row++) {
    const vx = xs[row] as number;
    const vy = ys[row] as number;
    const wanted = job.mask[row] === 1;
    if (Number.isNaN(vx) || Number.isNaN(vy)) {
      if (wanted) missing++;
      continue;
    }
    if (wanted) {
      knownX[known] = vx;
      knownY[known++] = vy;
    }
    if (vx < x.low || vx > x.high || vy < y.low || vy > y.high) continue;
    const into = wanted ? chosen : others;
    into.rows[into.count] = row;
    into.x[into.count] = x.toPixel(vx);
    into.y[into.count++] = y.toPixel(vy);
  }
  return { chosen, others, missing, known: { x: knownX.subarray(0, known), y: knownY.subarray(0, known) } };
}

function drawAxes(
  context: CanvasRenderingContext2D,
  x: Scale,
  y: Scale,
  width: number,
  height: number,
  job: Job,
): void {
  const right = width - MARGIN.right;
  const bottom = height - MARGIN.bottom;
  context.font = `11px ${token("font")}`;
  context.fillStyle = token("ink-3");
  context.strokeStyle = token("line");
  context.lineWidth = 1;
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const tick of x.ticks) {
    const at = Math.round(x.toPixel(tick)) + 0.5;
    line(context, at, MARGIN.top, at, bottom);
    context.fillText(written(job.x, tick, digits(job.x, x)), at, bottom + 7);
  }
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const tick of y.ticks) {
    const at = Math.round(y.toPixel(tick)) + 0.5;
    line(context, MARGIN.left, at, right, at);
    context.fillText(written(job.y, tick, digits(job.y, y)), MARGIN.left - 8, at);
  }
  context.fillStyle = token("ink-2");
  context.font = `560 12px ${token("font")}`;
  context.textAlign = "center";
  context.textBaseline = "bottom";
  context.fillText(title(job.x), (MARGIN.left + right) / 2, height - 4);
  context.save();
  context.translate(13, (MARGIN.top + bottom) / 2);
  context.rotate(-Math.PI / 2);
  context.textBaseline = "middle";
  context.fillText(title(job.y), 0, 0);
  context.restore();
}

/** Decimals that tell neighbouring ticks apart. */
function digits(axis: Axis, scale: Scale): number {
  const step = ((scale.ticks[1] ?? scale.high) - (scale.ticks[0] ?? scale.low)) * (AXES[axis].percent ? 100 : 1);
  return Math.min(5, Math.max(0, Math.ceil(-Math.log10(Math.max(step, 1e-9)) - 1e-6)));
}

function drawMedians(
  context: CanvasRenderingContext2D,
  width: number,
  height: number,
  placed: Placed,
  job: Job,
): void {
  if (placed.medianX === null || placed.medianY === null) return;
  const left = MARGIN.left;
  const right = width - MARGIN.right;
  const bottom = height - MARGIN.bottom;
  const atX = placed.scaleX.toPixel(placed.medianX);
  const atY = placed.scaleY.toPixel(placed.medianY);
  const seenX = atX >= left && atX <= right;
  const seenY = atY >= MARGIN.top && atY <= bottom;
  shadeWorst(context, job, Math.min(Math.max(atX, left), right), Math.min(Math.max(atY, MARGIN.top), bottom), right, bottom);
  context.strokeStyle = token("ink-3");
  context.setLineDash([5, 4]);
  if (seenX) line(context, atX, MARGIN.top, atX, bottom);
  if (seenY) line(context, left, atY, right, atY);
  context.setLineDash([]);
  context.fillStyle = token("ink-2");
  context.font = `11px ${token("font")}`;
  if (seenX) {
    context.textAlign = atX > width / 2 ? "right" : "left";
    context.textBaseline = "bottom";
    context.fillText(`median ${written(job.x, placed.medianX)}`, atX + (atX > width / 2 ? -5 : 5), bottom - 5);
  }
  if (seenY) {
    context.textAlign = "left";
    const below = atY < MARGIN.top + 20;
    context.textBaseline = below ? "top" : "bottom";
    context.fillText(`median ${written(job.y, placed.medianY)}`, left + 6, below ? atY + 11 : atY - 4);
  }
}

/** The corner that is worse than both medians, where both axes have a worse end. */
function shadeWorst(
  context: CanvasRenderingContext2D,
  job: Job,
  atX: number,
  atY: number,
  right: number,
  bottom: number,
): void {
  const { worse: wx } = AXES[job.x];
  const { worse: wy } = AXES[job.y];
  if (wx === null || wy === null) return;
  const [x0, x1] = wx === "low" ? [MARGIN.left, atX] : [atX, right];
  const [y0, y1] = wy === "low" ? [atY, bottom] : [MARGIN.top, atY];
  context.fillStyle = token("priority");
  context.globalAlpha = 0.05;
  context.fillRect(x0, y0, x1 - x0, y1 - y0);
  context.globalAlpha = 1;
}

/** Radius of a mark among so many, CSS pixels. */
function radius(count: number): number {
  return count > 40_000 ? 2.1 : count > 10_000 ? 2.5 : count > 2000 ? 3 : count > 300 ? 3.9 : 4.8;
}

function opacity(code: number, count: number): number {
  if (count <= 300) return 0.9;
  const worst = code === 1 || code === 2;
  return count > 10_000 ? (worst ? 0.75 : 0.3) : count > 2000 ? (worst ? 0.8 : 0.5) : 0.7;
}

function drawMarks(
  context: CanvasRenderingContext2D,
  columns: Columns,
  chosen: Points,
  others: Points,
  ratio: number,
  width: number,
  height: number,
): void {
  context.save();
  context.beginPath();
  context.rect(MARGIN.left - 8, MARGIN.top - 8, width - MARGIN.left - MARGIN.right + 16, height - MARGIN.top - MARGIN.bottom + 16);
  context.clip();
  const many = chosen.count + others.count > MANY;
  const picture = many ? context.createImageData(context.canvas.width, context.canvas.height) : null;
  const layer = (points: Points, code: number, tone: string, alpha: number, any: boolean) => {
    const wanted = (i: number) => any || columns.status[points.rows[i] as number] === code;
    const mark: Glyph = glyph(code, tone, radius(points.count), alpha, ratio, token("surface"), many);
    if (picture) rasterise(picture, mark, points.x, points.y, points.count, ratio, wanted);
    else stamp(context, mark, points.x, points.y, points.count, wanted);
  };
  layer(others, 0, token("line-strong"), others.count > 2000 ? 0.25 : 0.6, true);
  // Worst on top: Unknown, Healthy, Monitor, Priority.
  for (const code of [3, 0, 1, 2])
    layer(chosen, code, token(TONES[code] ?? "unknown"), opacity(code, chosen.count), false);
  if (picture) {
    const sheet = new OffscreenCanvas(picture.width, picture.height);
    (sheet.getContext("2d") as OffscreenCanvasRenderingContext2D).putImageData(picture, 0, 0);
    context.drawImage(sheet, 0, 0, width, height);
  }
  context.restore();
}

function line(context: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}
