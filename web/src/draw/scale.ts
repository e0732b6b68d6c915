/** A linear axis: values to pixels, with round ticks. */

export interface Scale {
  low: number;
  high: number;
  ticks: number[];
  toPixel(value: number): number;
  toValue(pixel: number): number;
}

/** Covers `values` (and `always`) with a margin, ends on fifths of the step of its ticks. */
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
  const step = stepOf(low, high, pixelLow, pixelHigh);
  const end = step / 5;
  low = Math.floor(low / end + 1e-9) * end;
  high = Math.ceil(high / end - 1e-9) * end;
  const ticks = ticksBetween(low, high, step);
  // A little room, so that a mark on the last tick is not cut.
  const room = 9 * Math.sign(pixelHigh - pixelLow);
  return { low, high, ticks, ...linear(low, high, pixelLow + room, pixelHigh - room) };
}

/** Exactly from the first to the second value, with the round ticks between. */
export function scaleBetween([low, high]: [number, number], pixelLow: number, pixelHigh: number): Scale {
  const ticks = ticksBetween(low, high, stepOf(low, high, pixelLow, pixelHigh));
  return { low, high, ticks, ...linear(low, high, pixelLow, pixelHigh) };
}

function ticksBetween(low: number, high: number, step: number): number[] {
  const ticks: number[] = [];
  for (let i = Math.ceil(low / step - 1e-6); i * step <= high + 1e-6 * step; i++) ticks.push(i * step);
  return ticks;
}

function linear(low: number, high: number, pixelLow: number, pixelHigh: number) {
  const slope = (pixelHigh - pixelLow) / (high - low);
  return {
    toPixel: (value: number) => pixelLow + (value - low) * slope,
    toValue: (pixel: number) => low + (pixel - pixelLow) / slope,
  };
}

function stepOf(low: number, high: number, pixelLow: number, pixelHigh: number): number {
  return roundStep((high - low) / Math.max(2, Math.abs(pixelHigh - pixelLow) / 75));
}

function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const unit = rough / power;
  return power * (unit <= 1 ? 1 : unit <= 2 ? 2 : unit <= 5 ? 5 : 10);
}
