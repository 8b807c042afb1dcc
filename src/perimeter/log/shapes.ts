/**
 * Finds secrets in text by their shape. Every pattern is a bounded beginning followed by one greedy class and nothing
 * after it, so none can backtrack: time is linear in the text, whoever wrote it.
 */
const MASK = "[redacted]";

/**
 * JWT, JWE, JWS and any other base64url of a JSON object (`{"` is `eyJ`), and Ringwall's own tokens: a prefix like `rws_`,
 * then 256 bits of base64url. One pattern for both: each may hold the other's beginning by chance, and the leftmost must
 * take the whole run. Percent signs, since parts may be URL-encoded.
 */
const TOKEN = /(?:eyJ[A-Za-z0-9_-]{8}|rw[a-z0-9]{0,12}_[A-Za-z0-9_-]{43})[A-Za-z0-9_.%-]*/g;
/** The credentials of an Authorization field, wherever it was quoted. */
const SCHEME_CREDENTIALS =
  /\b(bearer|basic|dpop|digest|negotiate)[ \t]{1,4}[A-Za-z0-9._~+/=-]{6}[A-Za-z0-9._~+/=%-]*/gi;
/** A cookie field quoted as a line. */
const COOKIE_LINE = /\bcookie[ \t]{0,2}:[^\r\n]+/gi;
/** A user and password inside a URL, as in a connection string. */
const URL_CREDENTIALS = /:\/\/([^\s/:@"']{0,64}):[^\s/@"']{1,256}@/g;
/** `name=value` and `"name":"value"` of the names that say what they hold. */
const NAMED_VALUE =
  /(password|passwd|passphrase|pwd|secret|token|api[_-]?key|private[_-]?key|authorization|cookie|otp|\bpin|\bcode|iban)(=|["']?[ \t]{0,2}:[ \t]{0,2}(?=["']))(?:"(?:[^"\\]|\\.)*|'(?:[^'\\]|\\.)*|[^\s&;,"']+)/gi;
const KEY_BEGIN = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY/;
const KEY_END = "PRIVATE KEY-----";
/** Thirteen digits with at most one space or dash between two of them: the shortest a card number can be. */
const CARD_HINT = /[0-9](?:[ -]?[0-9]){12}/;
const CARD_RUN = /[0-9](?:[ -]?[0-9])*/g;
const CARD_DIGITS_MIN = 13;
const CARD_DIGITS_MAX = 19;
// With nothing hexadecimal before or after: a longer last group is no UUID, and may end in a card number.
const UUID = /(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f])/gi;
const UUID_CHARS = 36;

/** One look for the beginnings of all shapes but the cards: most text has none and is returned as it is. */
const HINT =
  /eyJ|rw[a-z0-9]{0,12}_|bearer|basic|dpop|digest|negotiate|:\/\/|passw|passphrase|pwd|secret|token|key|authorization|cookie|otp|pin|code|iban/i;

/**
 * Masks every secret that can be told by its shape: tokens, bearer credentials, private keys, passwords in URLs and in
 * `name=value`, and card numbers of 13 to 19 digits by their check digit (Luhn), also with spaces or dashes between.
 *
 * A UUID is left alone, whatever digits it has: log lines must stay findable by id.
 */
export function scrub(text: string): string {
  const out = HINT.test(text) ? maskShapes(text) : text;
  return CARD_HINT.test(out) ? maskCards(out) : out;
}

function maskShapes(text: string): string {
  // What is masked as a whole comes first, so that no later mask leaves the beginning of a secret standing.
  let out = maskPrivateKeys(text);
  out = out.replace(COOKIE_LINE, `cookie: ${MASK}`).replace(SCHEME_CREDENTIALS, `$1 ${MASK}`);
  out = out.replace(URL_CREDENTIALS, `://$1:${MASK}@`).replace(NAMED_VALUE, `$1$2${MASK}`);
  return out.replace(TOKEN, MASK);
}

/** Each block from its first line to its last, and to the end of the text when the last line is missing. */
function maskPrivateKeys(text: string): string {
  let out = "";
  let rest = text;
  for (;;) {
    const begin = rest.search(KEY_BEGIN);
    if (begin === -1) return out + rest;
    out += rest.slice(0, begin) + MASK;
    // The first line holds the end's words too; it is at most 70 characters long.
    const headerEnd = rest.indexOf(KEY_END, begin);
    const end = headerEnd === -1 ? -1 : rest.indexOf(KEY_END, headerEnd + KEY_END.length);
    if (end === -1) return out;
    rest = rest.slice(end + KEY_END.length);
  }
}

/** Looks between the UUIDs only; a run of digits never reaches into one. */
function maskCards(text: string): string {
  let out = "";
  let from = 0;
  for (const { index } of text.matchAll(UUID)) {
    out += maskRuns(text.slice(from, index)) + text.slice(index, index + UUID_CHARS);
    from = index + UUID_CHARS;
  }
  return out + maskRuns(text.slice(from));
}

function maskRuns(text: string): string {
  return CARD_HINT.test(text) ? text.replace(CARD_RUN, (run) => (holdsCard(run) ? MASK : run)) : text;
}

/** Looks at every stretch of 13 to 19 digits of a run; a longer run is masked unseen, since no log needs it. */
function holdsCard(run: string): boolean {
  const digits = run.replaceAll(/[ -]/g, "");
  if (digits.length < CARD_DIGITS_MIN) return false;
  if (digits.length > CARD_DIGITS_MAX) return true;
  for (let start = 0; start + CARD_DIGITS_MIN <= digits.length; start += 1) {
    for (let end = start + CARD_DIGITS_MIN; end <= digits.length; end += 1) {
      if (passesLuhn(digits, start, end)) return true;
    }
  }
  return false;
}

function passesLuhn(digits: string, start: number, end: number): boolean {
  let sum = 0;
  for (let index = end - 1, double = false; index >= start; index -= 1, double = !double) {
    const digit = digits.charCodeAt(index) - 0x30;
    sum += double ? (digit > 4 ? digit * 2 - 9 : digit * 2) : digit;
  }
  return sum % 10 === 0;
}

/** A number that is too long to be a count or a time in milliseconds and has a card's check digit. */
export function isCardNumber(value: number | bigint): boolean {
  const digits = String(value);
  return /^[0-9]{14,19}$/.test(digits) && passesLuhn(digits, 0, digits.length);
}

// Long enough for every secret that is only told by its whole length: our tokens (60) and card numbers (37).
const TAIL_CHARS = 128;

/**
 * Masks and shortens. Cutting a text in the middle of a secret would leave a part that no pattern knows, so the end of
 * a shortened text gives up its last unbroken characters first.
 */
export function scrubShort(text: string, charsMax: number): string {
  if (text.length <= charsMax) return scrub(text);
  let end = charsMax;
  const floor = Math.max(0, charsMax - TAIL_CHARS);
  while (end > floor && /[A-Za-z0-9_.~+/=% -]/.test(text.charAt(end - 1))) end -= 1;
  return `${scrub(text.slice(0, end))}[cut]`;
}

// Most text is plain ASCII, which is seen in one look; the exact class needs Unicode tables.
const NOT_PLAIN = /[^\x20-\x7e]/;
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Control characters, and the marks that turn the direction of text, would let a visitor write into the log's lines. */
export function printable(text: string): string {
  return NOT_PLAIN.test(text) ? text.replaceAll(UNPRINTABLE, "\ufffd") : text;
}
