/** One row of the doctor's table. A way out is said for everything that is not ok. */
export interface Finding {
  readonly check: string;
  readonly state: "ok" | "warn" | "fail";
  readonly found: string;
  readonly wayOut?: string;
}

export function ok(check: string, found: string): Finding {
  return { check, state: "ok", found };
}

export function warn(check: string, found: string, wayOut: string): Finding {
  return { check, state: "warn", found, wayOut };
}

export function fail(check: string, found: string, wayOut: string): Finding {
  return { check, state: "fail", found, wayOut };
}
