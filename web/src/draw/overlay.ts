/** Evidence over the SoH chart: size and strength by how sure a measurement is. */

import type uPlot from "uplot";

import { token } from "../clock.svelte";
import type { EvidencePoint } from "../api/client";
import { seconds } from "./series";

/** Draws each measurement as a share of `reference`. What lies outside of the axis is shown as a
 *  small arrow at its edge: such points must not stretch it. */
export function drawEvidence(u: uPlot, evidence: EvidencePoint[], reference: number): void {
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio || 1;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const e of evidence) {
    if (e.capacity_ah === null) continue;
    const x = u.valToPos(seconds(e.event_time), "x", true);
    const y = u.valToPos(e.capacity_ah / reference, "y", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    const sure = sureness(e.sigma_ah, reference);
    ctx.strokeStyle = ctx.fillStyle = token(e.method === "ocv" ? "monitor" : "ink-2");
    ctx.lineWidth = 1.4 * ratio;
    ctx.globalAlpha = e.refused ? 0.45 : 0.25 + 0.65 * sure;
    if (y < bbox.top || y > bbox.top + bbox.height) arrow(ctx, x, bbox, y < bbox.top, ratio);
    else mark(ctx, x, y, (e.refused ? 2.6 : 2 + 3 * sure) * ratio, e);
  }
  ctx.restore();
}

/** 1 for a measurement within 1 % of the reference capacity, towards 0 for 10 % and worse. */
export function sureness(sigmaAh: number | null, reference: number): number {
  const share = sigmaAh === null ? 0.1 : sigmaAh / reference;
  return Math.min(1, Math.max(0, 1 - Math.log10(Math.max(share, 1e-4) / 0.01)));
}

function mark(ctx: CanvasRenderingContext2D, x: number, y: number, r: number, e: EvidencePoint): void {
  ctx.beginPath();
  if (e.method === "ocv") ctx.rect(x - r, y - r, 2 * r, 2 * r);
  else if (e.method === "bms_rest") triangle(ctx, x, y, 1.2 * r);
  else ctx.arc(x, y, r, 0, 2 * Math.PI);
  if (e.refused) {
    ctx.moveTo(x - r, y + r);
    ctx.lineTo(x + r, y - r);
    ctx.stroke();
  } else ctx.fill();
}

function triangle(ctx: CanvasRenderingContext2D, x: number, y: number, r: number): void {
  ctx.moveTo(x, y - r);
  ctx.lineTo(x + r, y + r);
  ctx.lineTo(x - r, y + r);
  ctx.closePath();
}

function arrow(ctx: CanvasRenderingContext2D, x: number, box: uPlot.BBox, up: boolean, ratio: number): void {
  const tip = up ? box.top + ratio : box.top + box.height - ratio;
  const back = tip + (up ? 6 : -6) * ratio;
  ctx.beginPath();
  ctx.moveTo(x, tip);
  ctx.lineTo(x - 3 * ratio, back);
  ctx.lineTo(x + 3 * ratio, back);
  ctx.closePath();
  ctx.stroke();
}

/** A stroke from the lowest to the highest value of each step of time: far out a whole trip is one
 *  step between two gaps, which a line alone would not show. */
export function drawRanges(u: uPlot, tone: string): void {
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio || 1;
  const [times, low, high] = u.data as [number[], (number | null)[], (number | null)[]];
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.beginPath();
  times.forEach((time, i) => {
    const [a, b] = [low[i], high[i]];
    if (a === null || a === undefined || b === null || b === undefined) return;
    const x = u.valToPos(time, "x", true);
    // At least a dot.
    ctx.moveTo(x, u.valToPos(a, "y", true) + 0.7 * ratio);
    ctx.lineTo(x, u.valToPos(b, "y", true) - 0.7 * ratio);
  });
  ctx.strokeStyle = token(tone);
  ctx.lineWidth = 1.6 * ratio;
  ctx.stroke();
  ctx.restore();
}
