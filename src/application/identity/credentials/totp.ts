import { Secret, TOTP } from "otpauth";
import { assert, randomBytes } from "../../../core/index.ts";

/** RFC 6238 with the values every authenticator app supports. */
export const TOTP_STEP_SECONDS = 30;
const DIGITS = 6;
const ALGORITHM = "SHA1";
/** RFC 4226, section 4, R6: at least 128 bits, 160 recommended. */
const SEED_BYTES = 20;
/** How long after a step's end its code is still taken: a person who was typing, and a clock a little behind. */
const DRIFT_MS = 5_000;

const CODE = /^[0-9]{6}$/;

export function newSeed(): Buffer {
  return randomBytes(SEED_BYTES);
}

export function isCode(text: string): boolean {
  return CODE.test(text);
}

/** The steps whose code may be given now: the current one, and the one before within its first five seconds after. */
export function acceptableSteps(nowMs: number): readonly number[] {
  const stepMs = TOTP_STEP_SECONDS * 1_000;
  const current = Math.floor(nowMs / stepMs);
  return nowMs - current * stepMs < DRIFT_MS && current > 0 ? [current, current - 1] : [current];
}

/**
 * The step whose code this is, or undefined. Says nothing about whether the step was used before: that is the
 * conditional update's word, in the database, so that two nodes cannot both accept it.
 */
export function matchStep(seed: Buffer, code: string, nowMs: number): number | undefined {
  assert(seed.length === SEED_BYTES, "a seed has 160 bits");
  if (!isCode(code)) return undefined;
  const secret = new Secret({ buffer: new Uint8Array(seed).buffer });
  let matched: number | undefined;
  for (const step of acceptableSteps(nowMs)) {
    // Compared in constant time by otpauth; all steps are tried so that the time does not tell which one it was.
    const delta = TOTP.validate({
      secret,
      algorithm: ALGORITHM,
      digits: DIGITS,
      period: TOTP_STEP_SECONDS,
      token: code,
      timestamp: step * TOTP_STEP_SECONDS * 1_000,
      window: 0,
    });
    if (delta === 0) matched ??= step;
  }
  return matched;
}

/** The `otpauth:` address for the app's camera, and the same seed as text for typing. Both are secrets. */
export function enrolmentUri(seed: Buffer, issuer: string, label: string): { uri: string; base32: string } {
  const secret = new Secret({ buffer: new Uint8Array(seed).buffer });
  const totp = new TOTP({ issuer, label, secret, algorithm: ALGORITHM, digits: DIGITS, period: TOTP_STEP_SECONDS });
  return { uri: totp.toString(), base32: secret.base32 };
}
