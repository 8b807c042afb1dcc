import { describe, expect, test } from "vitest";
import { ApiProblem, answer, asProblem, explain } from "./problem.ts";

const refused = (status: number, error: unknown, headers: Record<string, string> = {}) =>
  answer(Promise.resolve({ error, response: new Response(null, { status, headers }) }));

describe("an answer of the API", () => {
  test("is its data, also when there is none", async () => {
    expect(await answer(Promise.resolve({ data: { a: 1 }, response: new Response("{}") }))).toEqual({ a: 1 });
    const empty: Promise<undefined> = answer(Promise.resolve({ response: new Response(null, { status: 204 }) }));
    expect(await empty).toBeUndefined();
  });

  test("is a problem with code, title, request id, fields and when to try again", async () => {
    const body = { code: "request.invalid", title: "Not acceptable.", fields: ["body.email"] };
    await expect(refused(400, body, { "x-request-id": "r-1", "retry-after": "7" })).rejects.toMatchObject({
      code: "request.invalid",
      message: "Not acceptable.",
      status: 400,
      requestId: "r-1",
      fields: ["body.email"],
      retryAfterSeconds: 7,
    });
  });

  test("that is none of ours is said to be unreadable, and nothing of it is shown", async () => {
    for (const error of ["<html>proxy</html>", null, {}, { code: 1 }, [], ""]) {
      const problem = await refused(502, error).catch(asProblem);
      expect(problem).toMatchObject({ code: "unreadable", status: 502 });
      expect(explain(problem as ApiProblem)).not.toContain("html");
    }
  });

  test("that never came is a problem too", async () => {
    await expect(answer(Promise.reject(new TypeError("fetch failed: 10.0.0.1")))).rejects.toMatchObject({
      code: "network",
      message: "The server did not answer.",
    });
  });
});

test("what is said to people names the fields, the way out or how long to wait", () => {
  const invalid = new ApiProblem("request.invalid", "No.", { fields: ["body.email", "query.limit"] });
  expect(explain(invalid)).toBe("Please check: email, limit.");
  expect(explain(new ApiProblem("request.rate_limited", "Too many.", { retryAfterSeconds: 3 }))).toBe(
    "Too many. (3 s)",
  );
  expect(explain(new ApiProblem("identity.link_invalid", "The link."))).toContain("Ask for a new one");
  expect(explain(asProblem(new RangeError("internals")))).not.toContain("internals");
});
