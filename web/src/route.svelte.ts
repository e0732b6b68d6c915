/** Where the viewer is: kept in the address, so that a link shows the same. */

import type { FleetQuery, SortKey } from "./api/client";
import { AXIS_NAMES, type Axis } from "./live/axes";
import { STATUSES, type Status } from "./live/frame";

const SORTS: readonly SortKey[] = [
  "vehicle_id",
  "soh",
  "reference_sop_w",
  "risk_score",
  "status",
  "event_s",
  "evidence_count",
];

export interface FleetPlace extends FleetQuery {
  page: number;
  /** The axes of the risk quadrant. */
  x: Axis;
  y: Axis;
}

export const COMPARE_MOST = 8;
export const ALIGNMENTS = ["age", "distance", "throughput"] as const;
export type Alignment = (typeof ALIGNMENTS)[number];

export interface ComparePlace {
  vehicles: string[];
  by: Alignment;
}

export const FILE_STATES = ["stored", "duplicate", "held", "quarantined"] as const;
export type FileState = (typeof FILE_STATES)[number];

export interface IntakePlace {
  state: FileState | "";
  page: number;
}

export type View = "fleet" | "vehicle" | "compare" | "intake";

interface Place {
  view: View;
  vehicle: string | null;
  fleet: FleetPlace;
  compare: ComparePlace;
  intake: IntakePlace;
}

function fromAddress(): Place {
  const [path = "/", query = ""] = location.hash.replace(/^#/, "").split("?");
  const wanted = new URLSearchParams(query);
  const status = wanted.get("status") ?? "";
  const sort = wanted.get("sort") as SortKey;
  const page = Math.max(0, Math.trunc(Number(wanted.get("page") ?? 1)) - 1) || 0;
  const vehicle = path.startsWith("/vehicle/") ? plain(path.slice("/vehicle/".length)) : null;
  const state = wanted.get("state") as FileState;
  const by = wanted.get("by") as Alignment;
  const view = path.startsWith("/compare") ? "compare" : path.startsWith("/intake") ? "intake" : "fleet";
  return {
    view: vehicle === null ? view : "vehicle",
    vehicle,
    compare: {
      vehicles: [...new Set(wanted.getAll("v"))].slice(0, COMPARE_MOST),
      by: ALIGNMENTS.includes(by) ? by : "age",
    },
    intake: { state: FILE_STATES.includes(state) ? state : "", page },
    fleet: {
      sort: SORTS.includes(sort) ? sort : "risk_score",
      descending: wanted.get("order") !== "up",
      search: wanted.get("search") ?? "",
      status: STATUSES.includes(status as Status) ? (status as Status) : "",
      group: wanted.get("group"),
      sohFrom: share(wanted.get("soh_from")),
      sohTo: share(wanted.get("soh_to")),
      lasso: wanted.get("lasso") ?? "",
      x: axis(wanted.get("x"), "soh"),
      y: axis(wanted.get("y"), "sop_ratio"),
      page,
    },
  };
}

function share(text: string | null): number | null {
  const value = Number(text);
  return text && Number.isFinite(value) && value > 0 && value <= 2 ? value : null;
}

function axis(text: string | null, usual: Axis): Axis {
  return AXIS_NAMES.includes(text as Axis) ? (text as Axis) : usual;
}

function plain(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function vehicleLink(id: string): string {
  return `#/vehicle/${encodeURIComponent(id)}`;
}

export function compareLink(place: ComparePlace): string {
  const query = new URLSearchParams(place.vehicles.map((id) => ["v", id]));
  if (place.by !== "age") query.set("by", place.by);
  const text = query.toString();
  return text ? `#/compare?${text}` : "#/compare";
}

class Route {
  view = $state<View>("fleet");
  vehicle = $state<string | null>(null);
  /** Whether the viewer came here by going back, or forward again. */
  returned = false;
  fleet = $state.raw<FleetPlace>(fromAddress().fleet);
  compare = $state.raw<ComparePlace>(fromAddress().compare);
  intake = $state.raw<IntakePlace>(fromAddress().intake);

  start(): () => void {
    const follow = () => {
      const place = fromAddress();
      // An entry of the history that was left keeps what is noted here, and the browser its scroll.
      this.returned = history.state !== null;
      if (!this.returned) history.replaceState({}, "");
      this.view = place.view;
      this.vehicle = place.vehicle;
      if (place.view === "fleet") this.fleet = place.fleet;
      if (place.view === "compare") this.compare = place.compare;
      if (place.view === "intake") this.intake = place.intake;
    };
    follow();
    window.addEventListener("hashchange", follow);
    return () => window.removeEventListener("hashchange", follow);
  }

  /** The fleet view's address with some of it changed; a changed filter starts at page one. */
  toFleet(change: Partial<FleetPlace> = {}): void {
    this.fleet = { ...this.fleet, page: 0, ...change };
    history.replaceState(history.state, "", this.fleetLink());
  }

  clearFilters(): void {
    this.toFleet({ search: "", status: "", group: null, sohFrom: null, sohTo: null, lasso: "" });
  }

  fleetLink(): string {
    const { sort, descending, search, status, group, page, sohFrom, sohTo, lasso, x, y } = this.fleet;
    const query = new URLSearchParams();
    if (sort !== "risk_score") query.set("sort", sort);
    if (!descending) query.set("order", "up");
    if (search) query.set("search", search);
    if (status) query.set("status", status);
    if (group !== null) query.set("group", group);
    if (sohFrom !== null) query.set("soh_from", String(sohFrom));
    if (sohTo !== null) query.set("soh_to", String(sohTo));
    if (lasso) query.set("lasso", lasso);
    if (x !== "soh") query.set("x", x);
    if (y !== "sop_ratio") query.set("y", y);
    if (page) query.set("page", String(page + 1));
    const text = query.toString();
    return text ? `#/?${text}` : "#/";
  }

  toCompare(change: Partial<ComparePlace>): void {
    this.compare = { ...this.compare, ...change };
    history.replaceState(history.state, "", compareLink(this.compare));
  }

  toIntake(change: Partial<IntakePlace>): void {
    this.intake = { ...this.intake, page: 0, ...change };
    const query = new URLSearchParams();
    if (this.intake.state) query.set("state", this.intake.state);
    if (this.intake.page) query.set("page", String(this.intake.page + 1));
    const text = query.toString();
    history.replaceState(history.state, "", text ? `#/intake?${text}` : "#/intake");
  }
}

export const route = new Route();
