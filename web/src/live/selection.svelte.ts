/** The filters of the address over the live columns: one truth for all panels. */

import { route } from "../route.svelte";
import { axisValues } from "./axes";
import { fleet } from "./fleet.svelte";
import { SCALE, STATUSES, UNKNOWN } from "./frame";
import { inside, read } from "./lasso";

/** Which of the fleet's rows the filters let through (1), as of `fleet.calm`; `except` leaves one
 *  filter out, for the panel that sets it. */
export function selected(except: "soh" | "lasso" | null = null): Uint8Array {
  const { search, status, group, sohFrom, sohTo, lasso } = route.fleet;
  const size = fleet.size;
  const { soh, status: codes } = fleet.columns;
  const mask = new Uint8Array(size).fill(1);
  if (status !== "") {
    const code = STATUSES.indexOf(status);
    for (let i = 0; i < size; i++) if (codes[i] !== code) mask[i] = 0;
  }
  if (group !== null) {
    const code = fleet.groups.indexOf(group);
    const { group: codes } = fleet.columns;
    for (let i = 0; i < size; i++) if (codes[i] !== code) mask[i] = 0;
  }
  if (search) {
    const wanted = search.toLowerCase();
    for (let i = 0; i < size; i++) if (!fleet.ids[i]?.toLowerCase().includes(wanted)) mask[i] = 0;
  }
  if (except !== "soh" && (sohFrom !== null || sohTo !== null)) {
    const low = sohFrom === null ? UNKNOWN + 1 : Math.round(sohFrom * SCALE);
    const high = sohTo === null ? 32767 : Math.round(sohTo * SCALE) - 1;
    for (let i = 0; i < size; i++) {
      const value = soh[i] as number;
      if (value < low || value > high) mask[i] = 0;
    }
  }
  const polygon = except === "lasso" || !lasso ? null : read(lasso);
  if (polygon) {
    const xs = axisValues(fleet.columns, size, polygon.x);
    const ys = axisValues(fleet.columns, size, polygon.y);
    for (let i = 0; i < size; i++)
      if (mask[i] && !inside(polygon.corners, xs[i] as number, ys[i] as number)) mask[i] = 0;
  }
  return mask;
}
