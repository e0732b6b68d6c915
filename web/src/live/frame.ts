/** The live feed's wire format, version 2. The writer is src/evitals/dashboard/frame.py. */

export const HEADER_SIZE = 64;
export const UNKNOWN = -32768;
export const SCALE = 10_000;
export const SOC_UNKNOWN = 255;

export const STATUSES = ["Healthy", "Monitor", "Priority Maintenance", "Unknown"] as const;
export type Status = (typeof STATUSES)[number];

export interface Summary {
  vehicles: number;
  sohMean: number | null;
  attention: number;
  byStatus: Record<Status, number>;
}

export interface Columns {
  eventS: Uint32Array;
  scoredS: Uint32Array;
  soh: Int16Array;
  sohLow: Int16Array;
  sohHigh: Int16Array;
  sopRatio: Int16Array;
  risk: Int16Array;
  evidence: Uint16Array;
  /** The code of a vehicle's group; 0 is none. */
  group: Uint16Array;
  status: Uint8Array;
  soc: Uint8Array;
}

export interface Frame {
  snapshot: boolean;
  sequence: number;
  sentS: number;
  rows: number;
  /** Row numbers of a delta; null in a snapshot, whose rows are 0..n-1. */
  index: Uint32Array | null;
  columns: Columns;
  newIds: string[];
  /** Names of the next group codes, from 1 on. */
  newGroups: string[];
  summary: Summary;
}

const MAGIC = 0x464c5645; // "EVLF", little endian
const text = new TextDecoder();

/** Reads a frame; the columns are views into it. Throws on anything that is no version 2 frame. */
export function decode(buffer: ArrayBuffer): Frame {
  const view = new DataView(buffer);
  if (buffer.byteLength < HEADER_SIZE || view.getUint32(0, true) !== MAGIC || view.getUint8(4) !== 2)
    throw new Error("not a version 2 frame");
  const snapshot = view.getUint8(5) === 0;
  const rows = view.getUint32(12, true);
  let at = view.getUint16(6, true);
  let index: Uint32Array | null = null;
  if (!snapshot) {
    index = new Uint32Array(buffer, at, rows);
    at += 4 * rows;
  }
  const columns = emptyColumns(0);
  for (const name of COLUMN_NAMES) {
    const size = columns[name].BYTES_PER_ELEMENT * rows;
    const kind = columns[name].constructor as new (b: ArrayBuffer, o: number, n: number) => never;
    columns[name] = new kind(buffer, at, rows);
    at += size + ((4 - (size % 4)) % 4);
  }
  const texts = (count: number): string[] => {
    const found: string[] = [];
    for (let left = count; left > 0; left--) {
      const length = view.getUint16(at, true);
      found.push(text.decode(new Uint8Array(buffer, at + 2, length)));
      at += 2 + length;
    }
    return found;
  };
  const newIds = texts(view.getUint32(16, true));
  const newGroups = texts(view.getUint32(56, true));
  return {
    snapshot,
    sequence: view.getUint32(8, true),
    sentS: view.getFloat64(48, true),
    rows,
    index,
    columns,
    newIds,
    newGroups,
    summary: readSummary(view),
  };
}

function readSummary(view: DataView): Summary {
  const count = (code: number) => view.getUint32(28 + 4 * code, true);
  const mean = view.getFloat32(44, true);
  return {
    vehicles: view.getUint32(24, true),
    sohMean: Number.isNaN(mean) ? null : mean,
    attention: count(1) + count(2),
    byStatus: {
      Healthy: count(0),
      Monitor: count(1),
      "Priority Maintenance": count(2),
      Unknown: count(3),
    },
  };
}

export function emptyColumns(size: number): Columns {
  return {
    eventS: new Uint32Array(size),
    scoredS: new Uint32Array(size),
    soh: new Int16Array(size),
    sohLow: new Int16Array(size),
    sohHigh: new Int16Array(size),
    sopRatio: new Int16Array(size),
    risk: new Int16Array(size),
    evidence: new Uint16Array(size),
    group: new Uint16Array(size),
    status: new Uint8Array(size),
    soc: new Uint8Array(size),
  };
}

/** In the order of the wire. */
export const COLUMN_NAMES = Object.keys(emptyColumns(0)) as (keyof Columns)[];

/** A scaled column's value, null where unknown. */
export function fraction(column: Int16Array, row: number): number | null {
  const raw = column[row];
  return raw === undefined || raw === UNKNOWN ? null : raw / SCALE;
}
