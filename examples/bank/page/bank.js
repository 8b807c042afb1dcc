// The bank's page. The session is a cookie that no script reads; everything shown is put in as text, never as markup.
import { minorUnits, money } from "./money.js";

const $ = (selector) => document.querySelector(selector);
const PARTS = ["sign-in", "code", "accounts", "transfer", "look"];
const HOME = ["accounts", "transfer", "look"];
const UNREACHABLE =
  "The bank cannot be reached. Nothing tells whether it heard the last request; trying again is safe.";
/** What the page can say better than the answer's title, since it knows what was asked. */
const TEXTS = {
  "transfer.insufficient_funds": "The account does not hold that much.",
  "access.step_up_required": "This needs a code of your authenticator app, given within the last five minutes.",
  "identity.sign_in_required": "You are not signed in any more.",
};
/** What the bank refused, with the members of its problem document. */
class Refusal extends Error {
  constructor(problem) {
    super(problem.title);
    Object.assign(this, problem);
    this.title = problem.title;
  }
}

/** `login`: a sign-in that waits for its code. `pending`: a transfer that waits for a fresh one. */
const state = { login: undefined, pending: "", transferKey: crypto.randomUUID() };

/** One request to the bank. Gives the answer's body, or throws its problem document. */
async function ask(method, path, body, headers = {}) {
  const answer = await fetch(path, {
    method,
    headers: body === undefined ? headers : { "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  const content = text === "" ? undefined : JSON.parse(text);
  if (answer.ok) return content;
  const wait = Number(answer.headers.get("retry-after") ?? "0");
  throw new Refusal({ title: `The bank answered ${answer.status}.`, wait, ...content });
}

function say(text, isError = false) {
  const box = $("#message");
  box.textContent = text;
  box.classList.toggle("error", isError);
}

/** A refusal in words; with its request id, which the bank's log and audit know. */
function explain({ code, fields, request_id: id, title, wait }) {
  const what = TEXTS[code] ?? title ?? UNREACHABLE;
  const where = fields === undefined ? "" : ` Look at: ${fields.map((field) => field.split(".").pop()).join(", ")}.`;
  const when = wait > 0 ? ` Again in ${wait < 120 ? `${wait} seconds` : `${Math.ceil(wait / 60)} minutes`}.` : "";
  return `${what}${where}${when}${id === undefined ? "" : ` (request ${id})`}`;
}

function onSubmit(selector, work) {
  $(selector).addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    const button = form.querySelector("button");
    button.disabled = true;
    say("");
    try {
      await work(Object.fromEntries(new FormData(form)), form);
    } catch (problem) {
      say(explain(problem), true);
      if (problem.code === "access.step_up_required") show("code");
      if (problem.code === "identity.sign_in_required") signedOut();
    } finally {
      button.disabled = false;
    }
  });
}

/** Shows these parts alone, and puts the keyboard where the first of them begins. */
function show(...ids) {
  for (const id of PARTS) $(`#${id}`).hidden = !ids.includes(id);
  const signedIn = ids.includes("accounts");
  $("#sign-out").hidden = !signedIn;
  $("#who").hidden = !signedIn;
  $(signedIn ? "#accounts-title" : `#${ids[0]} input`)?.focus();
}

function signedOut() {
  state.login = undefined;
  state.pending = "";
  for (const form of document.forms) form.reset();
  $("#account").hidden = true;
  show("sign-in");
}

async function showAccounts() {
  const [session, { items }] = await Promise.all([ask("GET", "/api/session"), ask("GET", "/api/accounts")]);
  $("#bank-name").textContent = session.tenant === "southbank" ? "Southbank" : "Northbank";
  $("#who").textContent = `${session.role}, session ${session.sid.slice(0, 8)}`;
  $("#no-accounts").hidden = items.length > 0;
  $("#accounts tbody").replaceChildren(...items.map(accountRow));
  const from = $("#transfer select");
  const chosen = from.value;
  from.replaceChildren(
    ...items.map(({ id, balance, currency }) => new Option(`${id.slice(-12)} (${money(balance, currency)})`, id)),
  );
  if (items.some(({ id }) => id === chosen)) from.value = chosen;
  show(...HOME);
}

function button(text, label, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
}

function accountRow({ id, balance, currency }) {
  const name = document.createElement("code");
  name.textContent = id;
  const acts = document.createElement("div");
  acts.className = "acts";
  acts.append(
    button("Copy id", `Copy id ${id}`, () => void copy(id)),
    button("Show number", `Show number of account ${id}`, () => void look(id)),
  );
  const row = document.createElement("tr");
  for (const content of [name, money(balance, currency), acts]) {
    const cell = document.createElement("td");
    cell.append(content);
    row.append(cell);
  }
  return row;
}

async function copy(id) {
  try {
    await navigator.clipboard.writeText(id);
    say(`Copied ${id}.`);
  } catch {
    // No clipboard for this page: the id can be marked with one click.
    say("The browser keeps its clipboard to itself. One click on the id marks all of it.", true);
  }
}

async function look(id) {
  const box = $("#account");
  box.hidden = false;
  try {
    const account = await ask("GET", `/api/accounts/${id}`);
    const held = money(account.balance, account.currency);
    box.textContent = `Account ${account.id}: number ${account.number}, balance ${held}.`;
  } catch (problem) {
    if (problem.code === "identity.sign_in_required") signedOut();
    box.textContent = `${id}: ${explain(problem)}`;
  }
}

async function entered(answer) {
  if (answer.next === "done") return await showAccounts();
  if (answer.next === "enrol") {
    return say("This account first sets up its second factor, where it was invited. Then it can sign in here.", true);
  }
  state.login = answer.login;
  show("code");
}

onSubmit("#sign-in", async (fields) => {
  const answer = await ask("POST", "/api/sign-in", fields);
  $("#sign-in [name=password]").value = "";
  await entered(answer);
});

onSubmit("#code", async ({ code }, form) => {
  form.reset();
  const { login, pending } = state;
  if (login === undefined) await ask("POST", "/api/session/step-up", { code });
  else await ask("POST", "/api/sign-in/code", { login, code });
  state.login = undefined;
  state.pending = "";
  await showAccounts();
  if (pending === "") return;
  // The form still holds it, and its key is unused: the person decides again, with one key press.
  say(`The code was accepted. The transfer of ${pending} is filled in: send it again.`);
  $("#transfer button").focus();
});

$("#code-cancel").addEventListener("click", () => {
  const isSignIn = state.login !== undefined;
  state.login = undefined;
  state.pending = "";
  $("#code").reset();
  say("");
  show(...(isSignIn ? ["sign-in"] : HOME));
});

onSubmit("#transfer", async ({ from, to, amount }, form) => {
  const units = minorUnits(amount);
  if (units === undefined) {
    $("#transfer [name=amount]").focus();
    return say("An amount is a number with at most two decimals, and more than nothing: 12 or 12.50.", true);
  }
  let done;
  try {
    const headers = { "idempotency-key": state.transferKey };
    done = await ask("POST", "/api/transfers", { from, to: to.trim(), amount: units }, headers);
  } catch (problem) {
    if (problem.code === "access.step_up_required") state.pending = `${amount} to ${to.trim()}`;
    // Another request was answered under this key: this one is new.
    if (problem.code === "idempotency.conflict") state.transferKey = crypto.randomUUID();
    if (problem.code === "resource.not_found") problem.title = "This bank has no such account.";
    throw problem;
  }
  // The key is used up only now: trying again after a lost answer moves the money once.
  state.transferKey = crypto.randomUUID();
  form.reset();
  await showAccounts();
  say(`Moved ${money(done.amount, done.currency)}; ${money(done.balance, done.currency)} are left.`);
});

onSubmit("#look", ({ id }) => look(id.trim()));

$("#sign-out").addEventListener("click", async () => {
  await ask("DELETE", "/api/session").catch(() => {});
  signedOut();
  say("Signed out.");
});

/** A session that was ended elsewhere leaves the screen within a second, while somebody is at the page. */
const LOOK_MS = 400;
/** Whoever has not moved for this long is gone: looking for them would keep an idle session alive. */
const PRESENT_MS = 60_000;
let movedMs = performance.now();
for (const sign of ["pointermove", "pointerdown", "keydown", "focus", "scroll"]) {
  addEventListener(sign, () => (movedMs = performance.now()), { passive: true });
}

async function lookAtSession() {
  const isThere = document.visibilityState === "visible" && performance.now() - movedMs < PRESENT_MS;
  if (isThere && !$("#accounts").hidden) {
    try {
      await ask("GET", "/api/session");
    } catch (problem) {
      // A code that is being taken replaces the session: only a second refusal is its end.
      if (problem.code === "identity.sign_in_required") await ask("GET", "/api/session").catch(ended);
    }
  }
  setTimeout(() => void lookAtSession(), LOOK_MS);
}

function ended(problem) {
  if (problem.code !== "identity.sign_in_required" || $("#accounts").hidden) return;
  signedOut();
  say(explain(problem), true);
}

void lookAtSession();
showAccounts().catch(() => show("sign-in"));
