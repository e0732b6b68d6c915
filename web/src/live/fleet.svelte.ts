/** The fleet's newest state in the browser: columns fed by /v1/live, and how fresh they are. */

import {
  COLUMN_NAMES,
  STATUSES,
  type Columns,
  type Frame,
  type Status,
  type Summary,
  decode,
  emptyColumns,
  fraction,
} from "./frame";

export type Connection = "connecting" | "live" | "offline";

/** The server sends a heartbeat every 5 s: silence of this length is a broken connection. */
const SILENCE_MS = 12_000;
const LARGE = 20_000;
const CALM_MS = 500;
const RETRY_MS = [300, 600, 1200, 2500, 5000, 8000];

export interface Point {
  id: string;
  soh: number | null;
  sohLow: number | null;
  sohHigh: number | null;
  sopRatio: number | null;
  risk: number | null;
  status: Status;
  evidence: number;
  eventS: number;
  scoredS: number;
}

class LiveFleet {
  connection = $state<Connection>("connecting");
  summary = $state.raw<Summary | null>(null);
  /** Grows with every frame that changed a row: read it to redraw. */
  version = $state(0);
  /** As `version`, but of a large fleet it grows at most every CALM_MS: for what costs to draw. */
  calm = $state(0);
  /** When the newest answer in view was made, seconds since 1970; 0 while there is none. */
  newestS = $state(0);
  /** When the last frame came, by the browser's clock, ms. */
  heardMs = $state(0);
  /** Ids that changed in the last frame that changed any. */
  changed = $state.raw<ReadonlySet<string>>(new Set());

  /** Names of groups by their code; 0 is no group. */
  groups = $state.raw<readonly string[]>([""]);

  ids: string[] = [];
  columns: Columns = emptyColumns(0);

  #rowOf = new Map<string, number>();
  #sequence = -1;
  #socket: WebSocket | null = null;
  #retries = 0;
  #retryTimer = 0;
  #silenceTimer = 0;
  #calmTimer = 0;
  #wanted = false;

  get size(): number {
    return this.ids.length;
  }

  start(): () => void {
    this.#wanted = true;
    this.#connect();
    const now = () => {
      this.#retries = 0;
      if (!this.#socket) this.#connect();
    };
    window.addEventListener("online", now);
    return () => {
      this.#wanted = false;
      window.removeEventListener("online", now);
      clearTimeout(this.#retryTimer);
      clearTimeout(this.#silenceTimer);
      this.#socket?.close();
    };
  }

  point(row: number): Point | null {
    const id = this.ids[row];
    if (id === undefined) return null;
    const c = this.columns;
    return {
      id,
      soh: fraction(c.soh, row),
      sohLow: fraction(c.sohLow, row),
      sohHigh: fraction(c.sohHigh, row),
      sopRatio: fraction(c.sopRatio, row),
      risk: fraction(c.risk, row),
      status: STATUSES[c.status[row] ?? 3] ?? "Unknown",
      evidence: c.evidence[row] ?? 0,
      eventS: c.eventS[row] ?? 0,
      scoredS: c.scoredS[row] ?? 0,
    };
  }

  find(id: string): Point | null {
    const row = this.#rowOf.get(id);
    return row === undefined ? null : this.point(row);
  }

  #connect(): void {
    clearTimeout(this.#retryTimer);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/v1/live`);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#listenForSilence();
    socket.onmessage = (event: MessageEvent<ArrayBuffer>) => {
      this.#listenForSilence();
      const frame = decode(event.data);
      if (!this.#take(frame)) {
        socket.close();
        return;
      }
      // The acknowledgement is the server's only flow control.
      socket.send(new Uint32Array([frame.sequence]));
    };
    socket.onclose = () => {
      if (this.#socket === socket) this.#lost();
    };
  }

  #lost(): void {
    this.#socket = null;
    clearTimeout(this.#silenceTimer);
    if (!this.#wanted) return;
    this.connection = "offline";
    const wait = RETRY_MS[Math.min(this.#retries++, RETRY_MS.length - 1)] ?? 8000;
    this.#retryTimer = window.setTimeout(() => this.#connect(), wait * (0.75 + Math.random() / 2));
  }

  #listenForSilence(): void {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = window.setTimeout(() => {
      this.#socket?.close();
      this.#lost();
    }, SILENCE_MS);
  }

  /** Takes a frame over; false when a delta does not follow what is here. */
  #take(frame: Frame): boolean {
    if (!frame.snapshot && frame.sequence !== (this.#sequence + 1) >>> 0) return false;
    this.#sequence = frame.sequence;
    const groups = frame.snapshot ? [""] : this.groups;
    if (frame.snapshot || frame.newGroups.length) this.groups = [...groups, ...frame.newGroups];
    if (frame.snapshot) {
      this.ids = [];
      this.#rowOf.clear();
      this.columns = emptyColumns(frame.rows);
    }
    for (const id of frame.newIds) {
      this.#rowOf.set(id, this.ids.length);
      this.ids.push(id);
    }
    this.#grow(this.ids.length);
    this.#write(frame);
    this.connection = "live";
    this.#retries = 0;
    this.heardMs = Date.now();
    this.summary = frame.summary;
    if (frame.rows > 0 || frame.snapshot) {
      this.version++;
      this.#calmly(frame.snapshot || this.size < LARGE);
    }
    return true;
  }

  #calmly(atOnce: boolean): void {
    if (atOnce) this.calm++;
    else if (this.#calmTimer === 0)
      this.#calmTimer = window.setTimeout(() => {
        this.#calmTimer = 0;
        this.calm++;
      }, CALM_MS);
  }

  #write(frame: Frame): void {
    for (const name of COLUMN_NAMES) {
      const from = frame.columns[name];
      const to = this.columns[name];
      if (!frame.index) to.set(from);
      else for (let i = 0; i < frame.rows; i++) to[frame.index[i] as number] = from[i] as number;
    }
    let newest = this.newestS;
    for (const at of frame.columns.scoredS) if (at > newest) newest = at;
    this.newestS = newest;
    if (frame.index && frame.rows > 0) {
      const changed = new Set<string>();
      for (const row of frame.index.subarray(0, 2000)) changed.add(this.ids[row] ?? "");
      this.changed = changed;
    }
  }

  #grow(size: number): void {
    if (this.columns.soh.length >= size) return;
    const grown = emptyColumns(Math.max(size, 2 * this.columns.soh.length, 256));
    for (const name of COLUMN_NAMES) grown[name].set(this.columns[name]);
    this.columns = grown;
  }
}

export const fleet = new LiveFleet();
