/** A polygon over two axes as a filter, written "X,Y;x1,y1;x2,y2;..." in the address. The server
 *  decides by the same rule (src/evitals/dashboard/lasso.py), so page and CSV agree. */

import { AXIS_NAMES, type Axis } from "./axes";

export interface Lasso {
  x: Axis;
  y: Axis;
  /** x and y of each corner, one after the other. */
  corners: Float64Array;
}

const MOST = 120;

export function read(text: string): Lasso | null {
  const [head = "", ...rest] = text.split(";");
  const [x, y] = head.split(",") as [Axis, Axis];
  if (!AXIS_NAMES.includes(x) || !AXIS_NAMES.includes(y)) return null;
  const numbers = rest.flatMap((corner) => corner.split(",").map(Number));
  if (rest.length < 3 || numbers.length !== 2 * rest.length || !numbers.every(Number.isFinite)) return null;
  return { x, y, corners: Float64Array.from(numbers) };
}

/** Of many corners evenly many are left out, so that an address stays an address. */
export function write(x: Axis, y: Axis, corners: [number, number][]): string {
  const step = Math.max(1, corners.length / MOST);
  const kept: string[] = [];
  for (let i = 0; i < corners.length; i += step) {
    const [a, b] = corners[Math.floor(i)] as [number, number];
    kept.push(`${Number(a.toPrecision(5))},${Number(b.toPrecision(5))}`);
  }
  return [`${x},${y}`, ...kept].join(";");
}

/** Whether a point lies inside, by the even-odd rule; NaN does not. */
export function inside(corners: Float64Array, x: number, y: number): boolean {
  let found = false;
  const n = corners.length;
  for (let i = 0; i < n; i += 2) {
    const x0 = corners[i] as number;
    const y0 = corners[i + 1] as number;
    const x1 = corners[(i + 2) % n] as number;
    const y1 = corners[(i + 3) % n] as number;
    if (y0 > y !== y1 > y && x < ((x1 - x0) * (y - y0)) / (y1 - y0) + x0) found = !found;
  }
  return found && !Number.isNaN(x) && !Number.isNaN(y);
}
