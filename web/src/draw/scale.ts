/** A linear axis: values to pixels, with round ticks. */

export interface Scale {
  low: number;
  high: number;
  ticks: number[];
  toPixel(value: number): number;
}

/** Covers `values` (and `always`) with a margin, ends on round numbers. */
export function scaleOf(
  values: Iterable<number>,
  pixelLow: number,
  pixelHigh: number,
  always: [number, number],
): Scale {
  let [low, high] = always;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const step = roundStep((high - low) / Math.max(2, Math.abs(pixelHigh - pixelLow) / 75));
  low = Math.floor(low / step + 1e-9) * step;
  high = Math.ceil(high / step - 1e-9) * step;
  const ticks: number[] = [];
  for (let i = 0; low + i * step <= high + step / 2; i++) ticks.push(low + i * step);
  // A little room, so that a mark on the last tick is not cut.
  const room = 9 * Math.sign(pixelHigh - pixelLow);
  const slope = (pixelHigh - pixelLow - 2 * room) / (high - low);
  return { low, high, ticks, toPixel: (value) => pixelLow + room + (value - low) * slope };
}

function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const unit = rough / power;
  return power * (unit <= 1 ? 1 : unit <= 2 ? 2 : unit <= 5 ? 5 : 10);
}
