// The bank's page. The session is a cookie that no script reads; everything shown is put in as text, never as markup.
const $ = (selector) => document.querySelector(selector);
const state = { login: undefined, transferKey: crypto.randomUUID() };

/** One request to the bank. Gives the answer's body, or throws its problem document. */
async function ask(method, path, body, headers = {}) {
  const answer = await fetch(path, {
    method,
    headers: body === undefined ? headers : { "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  const content = text === "" ? undefined : JSON.parse(text);
  if (!answer.ok) throw content ?? { title: `The bank answered ${answer.status}.` };
  return content;
}

function say(text) {
  $("#message").textContent = text;
}

function money(units, currency) {
  return new Intl.NumberFormat(undefined, { style: "currency", currency }).format(units / 100);
}

/** Runs a form's work; a refusal is shown with its request id, which the bank's log and audit know. */
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
      const id = problem.request_id === undefined ? "" : ` (request ${problem.request_id})`;
      say(`${problem.title ?? "The bank cannot be reached."}${id}`);
      if (problem.code === "access.step_up_required") show("code");
      if (problem.code === "identity.sign_in_required") show("sign-in");
    } finally {
      button.disabled = false;
    }
  });
}

function show(...ids) {
  for (const id of ["sign-in", "code", "accounts", "transfer", "look"]) $(`#${id}`).hidden = !ids.includes(id);
  const signedIn = ids.includes("accounts");
  $("#sign-out").hidden = !signedIn;
  $("#who").hidden = !signedIn;
  $(`#${ids[0]} input, #${ids[0]} button`)?.focus();
}

async function showAccounts() {
  const [session, { items }] = await Promise.all([ask("GET", "/api/session"), ask("GET", "/api/accounts")]);
  $("#bank-name").textContent = session.tenant === "southbank" ? "Southbank" : "Northbank";
  $("#who").textContent = `${session.role}, session ${session.sid.slice(0, 8)}`;
  $("#no-accounts").hidden = items.length > 0;
  $("#accounts tbody").replaceChildren(...items.map(accountRow));
  $("#transfer select").replaceChildren(
    ...items.map(({ id, balance, currency }) => new Option(`${id.slice(0, 8)} (${money(balance, currency)})`, id)),
  );
  show("accounts", "transfer", "look");
}

function accountRow({ id, balance, currency }) {
  const row = document.createElement("tr");
  const cell = (content) => {
    const td = document.createElement("td");
    td.append(content);
    row.append(td);
  };
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Show number";
  button.addEventListener("click", () => void look(id));
  cell(id);
  cell(money(balance, currency));
  cell(button);
  return row;
}

async function look(id) {
  const box = $("#account");
  box.hidden = false;
  try {
    const account = await ask("GET", `/api/accounts/${id}`);
    box.textContent = `Number ${account.number}, balance ${money(account.balance, account.currency)}`;
  } catch (problem) {
    box.textContent = `${problem.title} (${problem.code}, request ${problem.request_id})`;
  }
}

async function entered(answer) {
  if (answer.next === "done") return await showAccounts();
  if (answer.next === "enrol") return say("This account sets up its second factor first: ringwall sign-in does that.");
  state.login = answer.login;
  show("code");
}

onSubmit("#sign-in", async (fields, form) => {
  const answer = await ask("POST", "/api/sign-in", fields);
  form.reset();
  await entered(answer);
});

onSubmit("#code", async ({ code }, form) => {
  form.reset();
  const { login } = state;
  if (login === undefined) await ask("POST", "/api/session/step-up", { code });
  else await ask("POST", "/api/sign-in/code", { login, code });
  state.login = undefined;
  await showAccounts();
});

onSubmit("#transfer", async ({ from, to, amount }, form) => {
  const units = Math.round(Number(amount) * 100);
  const done = await ask(
    "POST",
    "/api/transfers",
    { from, to, amount: units },
    { "idempotency-key": state.transferKey },
  );
  // The key is used up only now: trying again after a lost answer moves the money once.
  state.transferKey = crypto.randomUUID();
  form.reset();
  await showAccounts();
  say(`Moved ${money(done.amount, done.currency)}; ${money(done.balance, done.currency)} are left.`);
});

onSubmit("#look", ({ id }) => look(id));

$("#sign-out").addEventListener("click", async () => {
  await ask("DELETE", "/api/session").catch(() => {});
  say("Signed out.");
  show("sign-in");
});

showAccounts().catch(() => show("sign-in"));
