/** What the API refused or failed with, or that it did not answer. */
export class ApiProblem extends Error {
  override readonly name = "ApiProblem";
  /** Stable, as the reference lists them; `network` when there was no answer, `unreadable` when it was none of ours. */
  readonly code: string;
  readonly status: number;
  /** For whoever reads the server's log. */
  readonly requestId: string | undefined;
  /** Which parts of the input did not fit. */
  readonly fields: readonly string[];
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: string,
    title: string,
    { fields = [], requestId, retryAfterSeconds, status }: Partial<Omit<ApiProblem, "code">> = {},
  ) {
    super(title);
    this.code = code;
    this.status = status ?? 0;
    this.requestId = requestId;
    this.fields = fields;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Thrown where somebody closed a dialog that an act was waiting for. Nothing went wrong, so nothing is shown. */
export class Cancelled extends Error {
  override readonly name = "Cancelled";
}

/** How `openapi-fetch` answers. */
interface Called<Data> {
  readonly data?: Data;
  readonly error?: unknown;
  readonly response: Response;
}

/**
 * The data of a call, or its problem thrown.
 * @throws ApiProblem
 */
export async function answer<Data>(call: Promise<Called<Data>>): Promise<Data> {
  let called: Called<Data>;
  try {
    called = await call;
  } catch (error) {
    // What fetch throws has no structure to read; that there was no answer is all it says.
    throw error instanceof SyntaxError ? unreadable() : new ApiProblem("network", "The server did not answer.");
  }
  const { data, error, response } = called;
  if (error !== undefined || !response.ok) throw problemOf(error, response);
  // An answer without a body has no data, and its type says so.
  return data as Data;
}

function problemOf(error: unknown, { headers, status }: Response): ApiProblem {
  const retry = Number(headers.get("retry-after") ?? Number.NaN);
  const retryAfterSeconds = Number.isFinite(retry) ? retry : undefined;
  const requestId = headers.get("x-request-id") ?? undefined;
  if (typeof error !== "object" || error === null || !("code" in error) || typeof error.code !== "string") {
    return unreadable({ status, requestId });
  }
  const title = "title" in error && typeof error.title === "string" ? error.title : "Something went wrong.";
  const fields = "fields" in error && Array.isArray(error.fields) ? error.fields.map(String) : [];
  return new ApiProblem(error.code, title, { status, requestId, fields, retryAfterSeconds });
}

function unreadable(about: { status?: number; requestId?: string | undefined } = {}): ApiProblem {
  const title = "The answer could not be read. Something between here and the server may have changed it.";
  return new ApiProblem("unreadable", title, about);
}

/** Any error as a problem that can be shown. */
export function asProblem(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error;
  return new ApiProblem("console", "Something went wrong in this page. Reload it to go on.");
}

/** What a person can do about it, where the API's own title does not say. */
const ADVICE: Readonly<Record<string, string>> = {
  "identity.sign_in_failed": "Not accepted. Check what you typed; a code is taken once and lives 30 seconds.",
  "identity.attempts_exhausted": "Too many attempts. Wait a quarter of an hour, then try again.",
  "identity.link_invalid": "This link was used, has expired, or was replaced by a newer one. Ask for a new one.",
  "identity.password_unacceptable":
    "That password is too short, too common, or contains your own words. Twelve characters or more, with a second factor.",
  "resource.conflict": "That does not fit what is already there. Reload to see the present state.",
  "network": "The server did not answer. Check that it runs and that you can reach it.",
};

/** One sentence for the person in front of the screen. */
export function explain(problem: ApiProblem): string {
  const advice = ADVICE[problem.code];
  if (advice !== undefined) return advice;
  if (problem.fields.length > 0) {
    return `Please check: ${problem.fields.map((field) => field.replace(/^(body|query|params)\./, "")).join(", ")}.`;
  }
  if (problem.retryAfterSeconds !== undefined) return `${problem.message} (${problem.retryAfterSeconds} s)`;
  return problem.message;
}
