/** The service's replies that the page reads, and one way to ask for them. */

import type { Status } from "../live/frame";

export interface FleetRow {
  vehicle_id: string;
  battery_id: string;
  group: string;
  status: Status;
  soh: number | null;
  soh_low: number | null;
  soh_high: number | null;
  risk_score: number | null;
  reference_sop_w: number | null;
  rated_power_w: number | null;
  reference_capacity_ah: number | null;
  capacity_bms_ah: number | null;
  capacity_ocv_ah: number | null;
  resistance_growth: number | null;
  evidence_count: number;
  soc: number | null;
  temperature_degc: number | null;
  event_time: string | null;
  scored_time: string;
  reasons: string[];
}

export interface FleetReply {
  total: number;
  rows: FleetRow[];
}

export interface PowerLimit {
  power_w: number;
  limit: string;
}

export interface VehicleReply {
  vehicle_id: string;
  battery_id: string;
  described_time: string;
  description: Record<string, unknown> | null;
  latest: FleetRow | null;
  live_sop: Record<string, PowerLimit> | null;
}

export interface TrendPoint {
  event_time: string | null;
  scored_time: string;
  kind: string;
  soh: number | null;
  soh_low: number | null;
  soh_high: number | null;
  capacity_bms_ah: number | null;
  capacity_ocv_ah: number | null;
  resistance_growth: number | null;
  reference_sop_w: number | null;
  risk_score: number | null;
  evidence_count: number;
  reasons: string[];
  model: { name: string; version: string; digest: string };
}

export interface EvidencePoint {
  event_time: string;
  method: "bms_soc" | "ocv" | "bms_rest";
  capacity_ah: number | null;
  sigma_ah: number | null;
  delta_soc: number | null;
  charge_ah: number | null;
  refused: string;
}

export interface TrendReply {
  battery_id: string;
  predictions: TrendPoint[];
  evidence: EvidencePoint[];
}

export type SortKey =
  | "vehicle_id"
  | "soh"
  | "reference_sop_w"
  | "risk_score"
  | "status"
  | "event_s"
  | "evidence_count";

export interface FleetQuery {
  sort: SortKey;
  descending: boolean;
  search: string;
  status: Status | "";
  /** A group's name, "" for no group; null is any. */
  group: string | null;
  /** SoH at least and below, fractions; null is open. */
  sohFrom: number | null;
  sohTo: number | null;
  /** A polygon over two axes, as live/lasso.ts writes it. */
  lasso: string;
}

/** What the service refused, in words for a person; status 0: it could not be reached. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

async function ask<T>(path: string, signal?: AbortSignal, body?: unknown): Promise<T> {
  let reply: Response;
  try {
    reply = await fetch(path, {
      headers: { Accept: "application/json", ...(body ? { "Content-Type": "application/json" } : {}) },
      ...(signal ? { signal } : {}),
      ...(body ? { method: "POST", body: JSON.stringify(body) } : {}),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refusal(0, "The service cannot be reached.");
  }
  if (!reply.ok) throw new Refusal(reply.status, await problem(reply));
  return (await reply.json()) as T;
}

async function problem(reply: Response): Promise<string> {
  try {
    const body = (await reply.json()) as { detail?: string; remedy?: string };
    return [body.detail, body.remedy].filter(Boolean).join("; ") || reply.statusText;
  } catch {
    return `${reply.status} ${reply.statusText}`;
  }
}

export function filters(query: FleetQuery): URLSearchParams {
  const parameters = new URLSearchParams({
    sort: query.sort,
    descending: String(query.descending),
  });
  if (query.search) parameters.set("search", query.search);
  if (query.status) parameters.set("status", query.status);
  if (query.group !== null) parameters.set("group", query.group);
  if (query.sohFrom !== null) parameters.set("soh_from", String(query.sohFrom));
  if (query.sohTo !== null) parameters.set("soh_to", String(query.sohTo));
  if (query.lasso) parameters.set("lasso", query.lasso);
  return parameters;
}

export function fleetPage(
  query: FleetQuery,
  offset: number,
  limit: number,
  signal?: AbortSignal,
): Promise<FleetReply> {
  const parameters = filters(query);
  parameters.set("offset", String(offset));
  parameters.set("limit", String(limit));
  return ask(`/v1/fleet?${parameters}`, signal);
}

export function vehicle(id: string, signal?: AbortSignal): Promise<VehicleReply> {
  return ask(`/v1/vehicles/${encodeURIComponent(id)}`, signal);
}

export function trend(id: string, signal?: AbortSignal): Promise<TrendReply> {
  return ask(`/v1/vehicles/${encodeURIComponent(id)}/trend`, signal);
}

export interface FleetChange {
  days: number;
  vehicles: number | null;
  soh_mean: number | null;
  attention: number | null;
}

export function fleetChange(signal?: AbortSignal): Promise<FleetChange> {
  return ask("/v1/fleet/change", signal);
}

export interface TripRow {
  digest: string;
  kind: string;
  event_time: string | null;
  event_assumed: boolean;
  duration_s: number;
  distance_km: number | null;
  charge_in_ah: number | null;
  charge_out_ah: number | null;
  energy_in_wh: number | null;
  energy_out_wh: number | null;
  soc_first: number | null;
  soc_last: number | null;
  temperature_mean_degc: number | null;
  file_name: string;
  source: string;
  findings: string[];
  samples: boolean;
}

export interface TripsReply {
  total: number;
  trips: TripRow[];
}

export function trips(id: string, offset: number, limit: number, signal?: AbortSignal): Promise<TripsReply> {
  return ask(`/v1/vehicles/${encodeURIComponent(id)}/trips?offset=${offset}&limit=${limit}`, signal);
}

export interface UsageHistogram {
  unit: string;
  edges: number[];
  values: number[];
  counted: "hours" | "trips";
}

export interface UsageReply {
  trips: number;
  hours: number;
  distance_km: number | null;
  equivalent_full_cycles: number | null;
  temperature: UsageHistogram;
  c_rate: UsageHistogram;
  soc: UsageHistogram;
  depth: UsageHistogram;
}

export function usage(id: string, signal?: AbortSignal): Promise<UsageReply> {
  return ask(`/v1/vehicles/${encodeURIComponent(id)}/usage`, signal);
}

export interface DescriptionRow {
  battery_id: string;
  described_time: string | null;
  description: Record<string, unknown> | null;
}

export function descriptions(id: string, signal?: AbortSignal): Promise<{ descriptions: DescriptionRow[] }> {
  return ask(`/v1/vehicles/${encodeURIComponent(id)}/descriptions`, signal);
}

export interface SamplesReply {
  level: "samples" | "trips";
  first: string | null;
  last: string | null;
  trips: number;
  not_kept: number;
  time_s: number[];
  signals: Partial<Record<string, { low: (number | null)[]; high: (number | null)[] }>>;
}

export interface Window {
  /** Seconds since 1970; null is open. */
  since: number | null;
  until: number | null;
  trip: string | null;
}

export function samples(id: string, window: Window, points: number, signal?: AbortSignal): Promise<SamplesReply> {
  const query = new URLSearchParams({ points: String(points) });
  if (window.since !== null) query.set("since", new Date(1000 * window.since).toISOString());
  if (window.until !== null) query.set("until", new Date(1000 * window.until).toISOString());
  if (window.trip) query.set("trip", window.trip);
  return ask(`/v1/vehicles/${encodeURIComponent(id)}/samples?${query}`, signal);
}

export interface CompareSeries {
  vehicle_id: string;
  battery_id: string;
  x: number[];
  soh: (number | null)[];
  soh_low: (number | null)[];
  soh_high: (number | null)[];
  resistance_growth: (number | null)[];
  reference_sop_w: (number | null)[];
  risk_score: (number | null)[];
  without_x: number;
}

export interface CompareReply {
  by: string;
  unit: string;
  series: CompareSeries[];
}

export function compare(vehicles: string[], by: string, signal?: AbortSignal): Promise<CompareReply> {
  const query = new URLSearchParams([...vehicles.map((id) => ["vehicle_id", id]), ["by", by]]);
  return ask(`/v1/compare?${query}`, signal);
}

export interface FileRow {
  digest: string;
  name: string;
  state: "stored" | "duplicate" | "held" | "quarantined";
  reason: string;
  size_bytes: number;
  received_time: string;
  vehicle_id: string | null;
  trips: number;
}

export interface FilesReply {
  files: FileRow[];
  counts: Record<FileRow["state"], number>;
}

export function files(state: string, offset: number, limit: number, signal?: AbortSignal): Promise<FilesReply> {
  const query = new URLSearchParams({ offset: String(offset), limit: String(limit) });
  if (state) query.set("state", state);
  return ask(`/v1/files?${query}`, signal);
}

export interface RetryReply {
  file: { name: string; state: string; reason: string; message: string; remedy: string };
}

export function retry(digest: string, said: { vehicle_id?: string }): Promise<RetryReply> {
  return ask(`/v1/files/${digest}:retry`, undefined, said);
}
