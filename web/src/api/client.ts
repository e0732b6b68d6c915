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
  method: "bms_soc" | "ocv";
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

async function ask<T>(path: string, signal?: AbortSignal): Promise<T> {
  let reply: Response;
  try {
    reply = await fetch(path, {
      headers: { Accept: "application/json" },
      ...(signal ? { signal } : {}),
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
