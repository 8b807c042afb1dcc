import type { ReactNode } from "react";

const PATHS = {
  overview: "M8 2.2a5.8 5.8 0 1 0 5.8 5.8M8 5.2A2.8 2.8 0 1 0 10.8 8M8 8l5-5",
  users:
    "M6 7.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Zm-4.5 6c0-2.5 2-4 4.5-4s4.5 1.500 4.500 4M10.500 2.800a2.500 2.500 0 0 1 0 4.400M12.200 9.900c1.400.600 2.300 1.900 2.300 3.600",
  invitations: "M2 4h12v8.500H2zM2.300 4.300 8 8.800l5.700-4.500",
  sessions: "M2.500 3h11v7.500h-11zM6 13.500h4M8 10.500v3",
  secrets: "M4 7h8v6.500H4zM5.500 7V5a2.500 2.500 0 0 1 5 0v2M8 9.700v1.600",
  keys: "M5 8.500a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5ZM6.800 9.200 13 3M11 5l1.800 1.800M9 7l1.300 1.300",
  audit: "M4 2h6l2.500 2.500V14H4zM6.200 6h3.600M6.200 8.500h3.600M6.200 11h2.400",
  tenants: "M2.500 14V5l4-2.500V14M6.500 6.500l7 2V14M1.500 14h13M4.500 7v.01M4.500 10v.01M10 10.500v.01",
  settings: "M2.500 4.500h6M11.500 4.500h2M2.500 11.500h2M7.500 11.500h6M10 3v3M6 10v3",
  gateway: "M2 8h4M10 8h4M6 3h4v10H6zM12.200 6 14 8l-1.800 2",
  menu: "M2.500 4.500h11M2.500 8h11M2.500 11.500h11",
  close: "M4 4l8 8M12 4l-8 8",
  ok: "M3.500 8.500 6.500 11.500 12.500 4.800",
  warn: "M8 2.500 14.500 13.500h-13ZM8 6.500v3.200M8 11.500v.01",
  fail: "M8 1.800a6.200 6.200 0 1 0 0 12.400A6.200 6.200 0 0 0 8 1.800ZM8 4.800v4M8 11v.01",
  empty: "M2 9l2-6h8l2 6v4H2zM2 9h3.500c.300 1.300 1.200 2 2.500 2s2.200-.700 2.500-2H14",
  off: "M4 8h8",
} as const;

/** The name of a picture that stands beside a word, never alone. */
export type IconName = keyof typeof PATHS;

export function Icon({ name }: { readonly name: IconName }): ReactNode {
  return (
    <svg className="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** A wall around a wall. */
export function Mark(): ReactNode {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <circle cx="16" cy="16" r="12.5" strokeDasharray="66 12.5" transform="rotate(-60 16 16)" />
      <circle cx="16" cy="16" r="6.5" strokeDasharray="33 7.8" transform="rotate(120 16 16)" />
    </svg>
  );
}
