/** Several series over their own times as uPlot wants them: one time column, null for gaps. */

export interface Series {
  times: number[];
  values: (number | null)[];
}

/** [times, values of series 1, ...]; times in seconds, sorted, each once (the last value wins). */
export function align(...series: Series[]): [number[], ...(number | null)[][]] {
  const times = [...new Set(series.flatMap((s) => s.times))].sort((a, b) => a - b);
  const place = new Map(times.map((time, i) => [time, i]));
  const columns = series.map(({ times: own, values }) => {
    const column = new Array<number | null>(times.length).fill(null);
    own.forEach((time, i) => (column[place.get(time) as number] = values[i] ?? null));
    return column;
  });
  return [times, ...columns];
}

export function seconds(stamp: string): number {
  return Date.parse(stamp) / 1000;
}
