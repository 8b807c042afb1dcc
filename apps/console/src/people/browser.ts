/** Newest names first: each of them also says that it is one of the later ones. */
const BROWSERS = [
  ["Edg/", "Edge"],
  ["OPR/", "Opera"],
  ["Firefox/", "Firefox"],
  ["Chrome/", "Chrome"],
  ["Safari/", "Safari"],
  ["curl/", "curl"],
] as const;
const SYSTEMS = [
  ["Windows", "Windows"],
  ["iPhone", "iPhone"],
  ["Android", "Android"],
  ["Mac OS X", "macOS"],
  ["Linux", "Linux"],
] as const;
const SHOWN_MAX = 40;

/** A user agent's own word, shortened. A hint for people, and evidence of nothing. */
export function browserOf(agent: string | null): string {
  if (agent === null || agent === "") return "Unnamed program";
  const browser = BROWSERS.find(([mark]) => agent.includes(mark))?.[1];
  const system = SYSTEMS.find(([mark]) => agent.includes(mark))?.[1];
  if (browser === undefined) return agent.length > SHOWN_MAX ? `${agent.slice(0, SHOWN_MAX)}…` : agent;
  return system === undefined ? browser : `${browser} on ${system}`;
}
