/** What the sign-in page can show. Everything a visitor or a configuration wrote is escaped. */
const STYLE = `
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; }
  main { width: min(22rem, 100% - 2rem); }
  h1 { font-size: 1.4rem; }
  label { display: block; margin-top: 1rem; }
  input, button { font: inherit; width: 100%; box-sizing: border-box; padding: .6rem; margin-top: .3rem; }
  button { margin-top: 1.5rem; cursor: pointer; }
  .error { border-left: .3rem solid #c0362c; padding-left: .7rem; }
  code { overflow-wrap: anywhere; }
`;

/** Makes markup out of text. */
export function escaped(text: string): string {
  const marks: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replaceAll(/[&<>"']/g, (mark) => marks[mark] ?? "");
}

/** Where a sign-in leads back to, carried through every form. */
export interface Destination {
  readonly host: string;
  readonly state: string;
}

/** A whole page. @param refresh - Leads on by itself: a form's own answer may not redirect to another origin (CSP, form-action). */
export function page(title: string, body: string, nonce: string, refresh?: string): string {
  const meta = refresh === undefined ? "" : `<meta http-equiv="refresh" content="0;url=${escaped(refresh)}">`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
${meta}<title>${escaped(title)}</title><style nonce="${nonce}">${STYLE}</style></head>
<body><main><h1>${escaped(title)}</h1>${body}</main></body></html>
`;
}

function message(error: string | undefined): string {
  return error === undefined ? "" : `<p class="error" role="alert">${escaped(error)}</p>`;
}

function hidden({ host, state }: Destination): string {
  return `<input type="hidden" name="host" value="${escaped(host)}"><input type="hidden" name="state" value="${escaped(state)}">`;
}

/** Tenant, address, password. */
export function passwordForm(to: Destination, error?: string): string {
  return `${message(error)}<p>To go on to <strong>${escaped(to.host)}</strong></p>
<form method="post" action="/.ringwall/sign-in">${hidden(to)}
<label>Tenant<input name="tenant" required autocomplete="organization" autocapitalize="none" spellcheck="false"></label>
<label>E-mail address<input name="email" type="email" required autocomplete="username"></label>
<label>Password<input name="password" type="password" required autocomplete="current-password"></label>
<button>Sign in</button></form>`;
}

/** The second factor's code; with a secret, the second factor is set up first. */
export function codeForm(to: Destination, secret?: string, error?: string): string {
  const [action, about] =
    secret === undefined
      ? ["/.ringwall/sign-in/code", "<p>Give the code that your authenticator app shows.</p>"]
      : [
          "/.ringwall/sign-in/enrolment",
          `<p>Your role needs a second factor. Enter this key into an authenticator app, then give its code.</p><p><code>${escaped(secret)}</code></p>`,
        ];
  return `${message(error)}${about}<form method="post" action="${action}">${hidden(to)}
<label>Code<input name="code" required inputmode="numeric" pattern="[0-9]{6}" maxlength="6" autocomplete="one-time-code"></label>
<button>Go on</button></form>`;
}

/** Asked before signing out, so that no link of somebody else's does it. */
export function signOutForm(): string {
  return `<p>This ends your session at every application behind this gateway.</p>
<form method="post" action="/.ringwall/sign-out"><button>Sign out</button></form>`;
}
