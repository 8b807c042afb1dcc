import { expect, test } from "vitest";
import { takeToken } from "./fragment.ts";

function bar(hash: string) {
  const shown: string[] = [];
  const taken = takeToken({
    location: { hash, pathname: "/bootstrap" },
    history: { replaceState: (_state, _unused, url) => void shown.push(url) },
  });
  return { taken, shown };
}

const TOKEN = `rwk_${"a".repeat(43)}`;

test("a token is taken out of the address before anything else is done", () => {
  expect(bar(`#${TOKEN}`)).toEqual({ taken: TOKEN, shown: ["/bootstrap"] });
});

test("anything else in the fragment is no token, and does not stay either", () => {
  for (const hash of ["#x", `#${TOKEN}a`, `#${TOKEN}&next=//evil`, "#javascript:alert(1)", `##${TOKEN}`]) {
    expect(bar(hash)).toEqual({ taken: undefined, shown: ["/bootstrap"] });
  }
  expect(bar("")).toEqual({ taken: undefined, shown: [] });
});
