/** What a vehicle can be placed by in the risk quadrant. The server knows the same names
 *  (src/evitals/dashboard/lasso.py). */

import { type Columns, SCALE, SOC_UNKNOWN, UNKNOWN } from "./frame";

export const AXIS_NAMES = ["soh", "sop_ratio", "risk_score", "interval", "evidence_count", "soc"] as const;
export type Axis = (typeof AXIS_NAMES)[number];

export interface AxisInfo {
  label: string;
  /** Where room is short. */
  short: string;
  /** Shown as percent of what is stored. */
  percent: boolean;
  digits: number;
  /** What the axis shows at least. */
  always: [number, number];
  /** Which end is bad; null where neither is. */
  worse: "low" | "high" | null;
}

export const AXES: Record<Axis, AxisInfo> = {
  soh: { label: "SoH", short: "SoH", percent: true, digits: 1, always: [0.7, 1], worse: "low" },
  sop_ratio: { label: "Reference SoP / rated power", short: "SoP / rated", percent: true, digits: 1, always: [0.8, 1], worse: "low" },
  risk_score: { label: "Risk score (lower is better)", short: "Risk score", percent: false, digits: 2, always: [0, 1], worse: "high" },
  interval: { label: "Width of SoH's 90 % interval", short: "SoH interval", percent: true, digits: 1, always: [0, 0.1], worse: "high" },
  evidence_count: { label: "Accepted measurements", short: "Evidence", percent: false, digits: 0, always: [0, 10], worse: "low" },
  soc: { label: "SoC", short: "SoC", percent: true, digits: 0, always: [0, 1], worse: null },
};

/** With the unit, as an axis is titled. */
export function title(axis: Axis): string {
  return AXES[axis].percent ? `${AXES[axis].label}, %` : AXES[axis].label;
}

/** A value as the axis writes it, without unit. */
export function written(axis: Axis, value: number, digits = AXES[axis].digits): string {
  return (AXES[axis].percent ? 100 * value : value).toFixed(digits);
}

/** One axis of the first `size` rows, NaN where unknown. */
export function axisValues(columns: Columns, size: number, axis: Axis): Float64Array {
  const out = new Float64Array(size);
  if (axis === "interval") {
    for (let i = 0; i < size; i++) out[i] = scaled(columns.sohHigh, i) - scaled(columns.sohLow, i);
  } else if (axis === "evidence_count") {
    for (let i = 0; i < size; i++) out[i] = columns.evidence[i] as number;
  } else if (axis === "soc") {
    for (let i = 0; i < size; i++) {
      const raw = columns.soc[i] as number;
      out[i] = raw === SOC_UNKNOWN ? NaN : raw / 200;
    }
  } else {
    const from = axis === "soh" ? columns.soh : axis === "sop_ratio" ? columns.sopRatio : columns.risk;
    for (let i = 0; i < size; i++) out[i] = scaled(from, i);
  }
  return out;
}

function scaled(column: Int16Array, row: number): number {
  const raw = column[row] as number;
  return raw === UNKNOWN ? NaN : raw / SCALE;
}
