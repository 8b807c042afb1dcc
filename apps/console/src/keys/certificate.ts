/** What a certificate says, for reading; the signed text itself is what counts. */
export interface CertificateText {
  readonly key: string;
  readonly erasedAt: string;
  readonly destroyed: readonly string[];
  readonly rows: number;
  readonly details: number;
}

/** Reads a certificate's line. Undefined for what is none of the form we know: the text is still there to be kept. */
export function readCertificate(line: string): CertificateText | undefined {
  let found: unknown;
  try {
    found = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof found !== "object" || found === null) return undefined;
  const { destroyed, details, erased_at: erasedAt, key, rows } = found as Readonly<Record<string, unknown>>;
  if (typeof key !== "string" || typeof erasedAt !== "string" || !Array.isArray(destroyed)) return undefined;
  if (typeof rows !== "number" || typeof details !== "number") return undefined;
  return { key, erasedAt, destroyed: destroyed.map(destroyedKey), rows, details };
}

function destroyedKey(one: unknown): string {
  if (typeof one !== "object" || one === null || !("purpose" in one) || !("version" in one)) return "unknown";
  return `${String(one.purpose)} ${String(one.version)}`;
}
