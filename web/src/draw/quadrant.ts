/** The risk quadrant on a canvas: one mark a vehicle, medians, axes. */

import { token } from "../clock.svelte";
import { median } from "../format";
import { type Columns, STATUSES, UNKNOWN } from "../live/frame";
import { type Scale, scaleOf } from "./scale";

export type YAxis = "sop_ratio" | "risk";

export const Y_LABEL: Record<YAxis, string> = {
  sop_ratio: "Reference SoP / rated power, %",
  risk: "Risk score (lower is better)",
};
const TONES = ["healthy", "monitor", "priority", "unknown"] as const;
const MARGIN = { left: 52, right: 16, top: 18, bottom: 46 };
/** Above this many vehicles a mark is a plain square: shapes would not be seen. */
const MANY = 20_000;

export interface Placed {
  /** Row numbers, pixels and values of the vehicles that have both coordinates. */
  rows: Int32Array;
  x: Float32Array;
  y: Float32Array;
  count: number;
  missing: number;
  medianX: number | null;
  medianY: number | null;
}

/** Draws everything and returns where each vehicle is. Width and height in CSS pixels. */
export function draw(
  canvas: HTMLCanvasElement,
  columns: Columns,
  size: number,
  axis: YAxis,
  only: number,
): Placed {
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
  const { placed, xs, ys } = collect(columns, size, axis, only);
  const x = scaleOf(xs, MARGIN.left, width - MARGIN.right, [0.7, 1]);
  const y = scaleOf(
    ys,
    height - MARGIN.bottom,
    MARGIN.top,
    axis === "risk" ? [0, 1] : [0.5, 1],
  );
  placed.medianX = median(xs);
  placed.medianY = median(ys);
  for (let i = 0; i < placed.count; i++) {
    placed.x[i] = x.toPixel(xs[i] as number);
    placed.y[i] = y.toPixel(ys[i] as number);
  }
  drawAxes(context, x, y, width, height, axis);
  drawMedians(context, x, y, width, height, placed, axis);
  drawMarks(context, columns, placed, ratio);
  return placed;
}

function collect(columns: Columns, size: number, axis: YAxis, only: number) {
  const from = axis === "risk" ? columns.risk : columns.sopRatio;
  const rows: number[] = [];
  const xs: number[] = [];
  const ys: number[] = [];
  let missing = 0;
  for (let row = 0; row < size; row++) {
    if (only >= 0 && columns.status[row] !== only) continue;
    const soh = columns.soh[row] as number;
    const other = from[row] as number;
    if (soh === UNKNOWN || other === UNKNOWN) {
      missing++;
      continue;
    }
    rows.push(row);
    xs.push(soh / 10_000);
    ys.push(other / 10_000);
  }
  const count = rows.length;
  const placed: Placed = {
    rows: Int32Array.from(rows),
    x: new Float32Array(count),
    y: new Float32Array(count),
    count,
    missing,
    medianX: null,
    medianY: null,
  };
  return { placed, xs, ys };
}

function drawAxes(
  context: CanvasRenderingContext2D,
  x: Scale,
  y: Scale,
  width: number,
  height: number,
  axis: YAxis,
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
    context.fillText((100 * tick).toFixed(0), at, bottom + 7);
  }
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const tick of y.ticks) {
    const at = Math.round(y.toPixel(tick)) + 0.5;
    line(context, MARGIN.left, at, right, at);
    context.fillText(axis === "risk" ? tick.toFixed(1) : (100 * tick).toFixed(0), MARGIN.left - 8, at);
  }
  context.fillStyle = token("ink-2");
  context.font = `560 12px ${token("font")}`;
  context.textAlign = "center";
  context.textBaseline = "bottom";
  context.fillText("SoH, %", (MARGIN.left + right) / 2, height - 4);
  context.save();
  context.translate(13, (MARGIN.top + bottom) / 2);
  context.rotate(-Math.PI / 2);
  context.textBaseline = "middle";
  context.fillText(Y_LABEL[axis], 0, 0);
  context.restore();
}

function drawMedians(
  context: CanvasRenderingContext2D,
  x: Scale,
  y: Scale,
  width: number,
  height: number,
  placed: Placed,
  axis: YAxis,
): void {
  if (placed.medianX === null || placed.medianY === null) return;
  const right = width - MARGIN.right;
  const bottom = height - MARGIN.bottom;
  const atX = x.toPixel(placed.medianX);
  const atY = y.toPixel(placed.medianY);
  // The corner that is worse than both medians.
  context.fillStyle = token("priority");
  context.globalAlpha = 0.05;
  if (axis === "risk") context.fillRect(MARGIN.left, MARGIN.top, atX - MARGIN.left, atY - MARGIN.top);
  else context.fillRect(MARGIN.left, atY, atX - MARGIN.left, bottom - atY);
  context.globalAlpha = 1;
  context.strokeStyle = token("ink-3");
  context.setLineDash([5, 4]);
  line(context, atX, MARGIN.top, atX, bottom);
  line(context, MARGIN.left, atY, right, atY);
  context.setLineDash([]);
  context.fillStyle = token("ink-3");
  context.font = `11px ${token("font")}`;
  context.textAlign = atX > width / 2 ? "right" : "left";
  context.textBaseline = "bottom";
  const shift = atX > width / 2 ? -5 : 5;
  context.fillText(`median ${(100 * placed.medianX).toFixed(1)}`, atX + shift, bottom - 5);
  context.textAlign = "left";
  context.textBaseline = atY < MARGIN.top + 20 ? "top" : "bottom";
  const y0 = atY < MARGIN.top + 20 ? atY + 11 : atY - 4;
  const text = axis === "risk" ? placed.medianY.toFixed(2) : (100 * placed.medianY).toFixed(1);
  context.fillText(`median ${text}`, MARGIN.left + 6, y0);
}

function drawMarks(
  context: CanvasRenderingContext2D,
  columns: Columns,
  placed: Placed,
  ratio: number,
): void {
  // Worst on top: Unknown, Healthy, Monitor, Priority.
  for (const code of [3, 0, 1, 2]) {
    const tone = token(TONES[code] ?? "unknown");
    const many = placed.count > MANY;
    const mark = many ? null : stamp(code, tone, ratio, placed.count);
    context.fillStyle = tone;
    for (let i = 0; i < placed.count; i++) {
      if (columns.status[placed.rows[i] as number] !== code) continue;
      const x = placed.x[i] as number;
      const y = placed.y[i] as number;
      if (mark) context.drawImage(mark, x - SIZE / 2, y - SIZE / 2, SIZE, SIZE);
      else context.fillRect(x - 1, y - 1, 2, 2);
    }
  }
}

const SIZE = 16;

/** One mark drawn once, to be copied for every vehicle of the status. */
function stamp(code: number, tone: string, ratio: number, count: number): HTMLCanvasElement {
  const mark = document.createElement("canvas");
  mark.width = mark.height = SIZE * ratio;
  const context = mark.getContext("2d") as CanvasRenderingContext2D;
  context.scale(ratio, ratio);
  context.globalAlpha = count > 2000 ? 0.55 : 0.88;
  tracePath(context, code, SIZE / 2, SIZE / 2, count > 2000 ? 2.8 : count > 300 ? 3.8 : 4.8);
  context.fillStyle = context.strokeStyle = tone;
  if (STATUSES[code] === "Unknown") {
    context.lineWidth = 1.5;
    context.stroke();
  } else {
    context.fill();
    context.lineWidth = 1;
    context.strokeStyle = token("surface");
    context.stroke();
  }
  return mark;
}

/** Circle, triangle, diamond, ring. */
function tracePath(
  context: CanvasRenderingContext2D,
  code: number,
  x: number,
  y: number,
  r: number,
): void {
  context.beginPath();
  if (code === 1) {
    context.moveTo(x, y - 1.25 * r);
    context.lineTo(x + 1.2 * r, y + 0.9 * r);
    context.lineTo(x - 1.2 * r, y + 0.9 * r);
    context.closePath();
  } else if (code === 2) {
    context.moveTo(x, y - 1.3 * r);
    context.lineTo(x + 1.3 * r, y);
    context.lineTo(x, y + 1.3 * r);
    context.lineTo(x - 1.3 * r, y);
    context.closePath();
  } else {
    context.arc(x, y, r, 0, 2 * Math.PI);
  }
}

function line(
  context: CanvasRenderingContext2D,
  x0: number,
  y0: number,
  x1: number,
  y1: number,
): void {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

/** The vehicle nearest to a pixel within `reach`, as an index into `placed`; -1 for none. */
export function nearest(placed: Placed, x: number, y: number, reach = 14): number {
  let best = -1;
  let least = reach * reach;
  for (let i = 0; i < placed.count; i++) {
    const dx = (placed.x[i] as number) - x;
    const dy = (placed.y[i] as number) - y;
    const distance = dx * dx + dy * dy;
    if (distance < least) {
      least = distance;
      best = i;
    }
  }
  return best;
}
