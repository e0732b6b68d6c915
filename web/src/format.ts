/** Numbers and times as people read them. Unknown is a dash, never a zero. */

export const DASH = "–";

/** With a minus sign, which is as wide as a plus, not a hyphen. */
function written(value: number, digits: number): string {
  return value.toFixed(digits).replace("-", "\u2212");
}

export function percent(value: number | null | undefined, digits = 1): string {
  return value === null || value === undefined ? DASH : `${written(100 * value, digits)}\u202f%`;
}

export function fixed(value: number | null | undefined, digits = 2, unit = ""): string {
  if (value === null || value === undefined) return DASH;
  return unit ? `${written(value, digits)}\u202f${unit}` : written(value, digits);
}

export function kilowatts(watts: number | null | undefined): string {
  return watts === null || watts === undefined ? DASH : fixed(watts / 1000, watts < 1e4 ? 2 : 1, "kW");
}

/** Decimals that tell numbers `step` apart. */
export function decimals(step: number): number {
  let digits = 0;
  while (digits < 6 && Math.abs(step - Number(step.toFixed(digits))) > 1e-9) digits++;
  return digits;
}

export function count(value: number): string {
  return value.toLocaleString("en");
}

const ABBREVIATIONS: Record<string, string> = { soc: "SoC", soh: "SoH", sop: "SoP", ocv: "OCV", bms: "BMS" };

/** "low_delta_soc" as "low delta SoC". */
export function words(code: string): string {
  return code
    .split("_")
    .map((word) => ABBREVIATIONS[word] ?? word)
    .join(" ");
}

const UNITS: Record<string, string> = { v: "V", a: "A", ah: "Ah", w: "W", degc: "°C", s: "s" };

/** A field's name and the unit in its suffix: "rated_power_w" as ["rated power", "W"]. */
export function field(name: string): [string, string] {
  const parts = name.split("_");
  const unit = parts.length > 1 ? UNITS[parts.at(-1) as string] : undefined;
  return unit ? [words(parts.slice(0, -1).join("_")), unit] : [words(name), ""];
}

export function age(seconds: number): string {
  const s = Math.max(0, seconds);
  if (s < 60) return `${Math.floor(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86_400)} d`;
}

const LOCAL = new Intl.DateTimeFormat(undefined, {
  year: "numeric",
  month: "short",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
});

const DAY = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "2-digit" });

export function localDay(when: Date): string {
  return DAY.format(when);
}

/** In the viewer's zone. */
export function localTime(when: Date): string {
  return LOCAL.format(when);
}

const SECOND = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** Two moments in the viewer's zone, with seconds where they are near each other. */
export function localSpan(first: Date, last: Date): string {
  const format = last.getTime() - first.getTime() < 600_000 ? SECOND : LOCAL;
  return `${format.format(first)} to ${format.format(last)}`;
}

export function localSecond(when: Date): string {
  return SECOND.format(when);
}

export function utcTime(when: Date): string {
  return `${when.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

export function median(values: ArrayLike<number>): number | null {
  if (!values.length) return null;
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  const high = sorted[middle] as number;
  return sorted.length % 2 ? high : (high + (sorted[middle - 1] as number)) / 2;
}
