const UNITS = [
  ["year", 31_536_000_000],
  ["month", 2_592_000_000],
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
] as const;
const NOW_MS = 45_000;

const FORMAT = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** "3 minutes ago", "in 7 days": in the largest unit of which there is at least one. */
export function relative(thenMs: number, nowMs: number): string {
  const ms = thenMs - nowMs;
  if (Math.abs(ms) < NOW_MS) return "just now";
  for (const [unit, length] of UNITS) {
    if (Math.abs(ms) >= length) return FORMAT.format(Math.round(ms / length), unit);
  }
  return FORMAT.format(Math.sign(ms), "minute");
}
