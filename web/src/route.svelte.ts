/** Where the viewer is: kept in the address, so that a link shows the same. */

import type { FleetQuery, SortKey } from "./api/client";
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
}

function fromAddress(): { vehicle: string | null; fleet: FleetPlace } {
  const [path = "/", query = ""] = location.hash.replace(/^#/, "").split("?");
  const wanted = new URLSearchParams(query);
  const status = wanted.get("status") ?? "";
  const sort = wanted.get("sort") as SortKey;
  return {
    vehicle: path.startsWith("/vehicle/") ? plain(path.slice("/vehicle/".length)) : null,
    fleet: {
      sort: SORTS.includes(sort) ? sort : "risk_score",
      descending: wanted.get("order") !== "up",
      search: wanted.get("search") ?? "",
      status: STATUSES.includes(status as Status) ? (status as Status) : "",
      page: Math.max(0, Math.trunc(Number(wanted.get("page") ?? 1)) - 1) || 0,
    },
  };
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

class Route {
  vehicle = $state<string | null>(null);
  fleet = $state.raw<FleetPlace>(fromAddress().fleet);

  start(): () => void {
    const follow = () => {
      const place = fromAddress();
      this.vehicle = place.vehicle;
      if (place.vehicle === null) this.fleet = place.fleet;
    };
    follow();
    window.addEventListener("hashchange", follow);
    return () => window.removeEventListener("hashchange", follow);
  }

  /** The fleet view's address with some of it changed; a changed filter starts at page one. */
  toFleet(change: Partial<FleetPlace> = {}): void {
    const place = { ...this.fleet, page: 0, ...change };
    this.fleet = place;
    history.replaceState(null, "", this.fleetLink());
  }

  fleetLink(): string {
    const { sort, descending, search, status, page } = this.fleet;
    const query = new URLSearchParams();
    if (sort !== "risk_score") query.set("sort", sort);
    if (!descending) query.set("order", "up");
    if (search) query.set("search", search);
    if (status) query.set("status", status);
    if (page) query.set("page", String(page + 1));
    const text = query.toString();
    return text ? `#/?${text}` : "#/";
  }
}

export const route = new Route();
