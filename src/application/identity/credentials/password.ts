import { RingwallError } from "../../../core/index.ts";
import { COMMON_PASSWORDS, COMMON_WORDS } from "./common-passwords.ts";

/** Longer input is refused before any hashing, at sign-in too. */
export const PASSWORD_BYTES_MAX = 1_024;
const PASSWORD_CHARACTERS_MAX = 1_024;
/** How much of a password must remain once common and personal words are taken out. */
const REMAINDER_MIN = 8;
/** Words shorter than this occur by chance. */
const WORD_MIN = 4;

export interface PasswordRules {
  readonly charactersMin: number;
  readonly charactersMinWithSecondFactor: number;
  readonly fourClasses: boolean;
}

/** Words an attacker tries first for this person: tenant, name, address. */
export interface PasswordContext {
  readonly secondFactor: boolean;
  readonly words: readonly string[];
}

/**
 * The one form of a password that is hashed: NFKC, nothing trimmed, nothing cut, NUL and spaces kept.
 * @throws RingwallError `request.invalid` when longer than 1,024 bytes or not valid Unicode, whose replacement
 * characters would make different passwords equal.
 */
export function preparePassword(text: string): string {
  if (text.length > PASSWORD_BYTES_MAX || Buffer.byteLength(text) > PASSWORD_BYTES_MAX || !text.isWellFormed()) {
    throw new RingwallError("request.invalid", { detail: { field: "password" } });
  }
  return text.normalize("NFKC");
}

/**
 * Says whether a new password may be set; takes the prepared form. Length and a blocklist, no composition rules
 * unless a setting asks for them (NIST SP 800-63B-4, section 3.1.1.2).
 * @throws RingwallError `identity.password_unacceptable` with a message that helps the person choose.
 */
export function requireAcceptable(password: string, rules: PasswordRules, context: PasswordContext): void {
  const min = context.secondFactor ? rules.charactersMinWithSecondFactor : rules.charactersMin;
  const length = Array.from(password).length;
  if (length < min) refuse("too_short", `The password must have at least ${min} characters.`);
  if (length > PASSWORD_CHARACTERS_MAX) refuse("too_long", "The password is too long.");
  if (rules.fourClasses && !hasFourClasses(password)) {
    refuse("classes", "The password needs upper case, lower case, a digit and another character.");
  }
  if (isGuessable(password, context.words)) refuse("guessable", "The password is too easy to guess.");
}

function refuse(reason: string, message: string): never {
  throw new RingwallError("identity.password_unacceptable", { message, detail: { reason } });
}

function hasFourClasses(password: string): boolean {
  return [/\p{Lu}/u, /\p{Ll}/u, /\p{Nd}/u, /[^\p{L}\p{Nd}]/u].every((one) => one.test(password));
}

function isGuessable(password: string, words: readonly string[]): boolean {
  const lower = password.toLowerCase();
  if (COMMON_PASSWORDS.has(lower) || isRepetition(lower) || isSequence(lower)) return true;
  const personal = words.flatMap((word) =>
    word
      .normalize("NFKC")
      .toLowerCase()
      .split(/[^\p{L}\p{N}]+/u),
  );
  let rest = lower;
  for (const word of [...personal, ...COMMON_WORDS]) {
    if (word.length >= WORD_MIN) rest = rest.replaceAll(word, "");
  }
  return rest !== lower && Array.from(rest).length < REMAINDER_MIN;
}

/** One unit of up to six characters over and over: "aaaaaaaaaaaa", "abc123abc123". */
function isRepetition(text: string): boolean {
  for (let unit = 1; unit <= 6; unit += 1) {
    if (text.slice(unit) === text.slice(0, -unit)) return true;
  }
  return false;
}

/** Each character follows the one before by the same step of one: "abcdefghijkl", "987654321098". */
function isSequence(text: string): boolean {
  const step = stepBetween(text, 0);
  if (step !== 1 && step !== -1) return false;
  for (let index = 1; index < text.length - 1; index += 1) {
    if (stepBetween(text, index) !== step) return false;
  }
  return true;
}

/** The distance to the next character, with digits going round. */
function stepBetween(text: string, index: number): number {
  const step = text.charCodeAt(index + 1) - text.charCodeAt(index);
  if (step === -9 && text[index] === "9") return 1;
  return step === 9 && text[index] === "0" ? -1 : step;
}
