// Money is counted in whole minor units. Text becomes units and units become text without a fraction in between: 0.29 * 100
// is 28.999999999999996.
const MINOR_DIGITS = 2;
const AMOUNT = /^([0-9]{1,9})(?:[.,]([0-9]{1,2}))?$/;

/** The minor units that an amount as people write it stands for; undefined for anything else, and for nothing. */
export function minorUnits(text) {
  const [, whole, fraction = ""] = AMOUNT.exec(text.trim()) ?? [];
  if (whole === undefined) return undefined;
  const units = Number(whole + fraction.padEnd(MINOR_DIGITS, "0"));
  return units > 0 ? units : undefined;
}

/** Minor units as a decimal number, written out. */
export function decimal(units) {
  const digits = String(Math.abs(units)).padStart(MINOR_DIGITS + 1, "0");
  return `${units < 0 ? "-" : ""}${digits.slice(0, -MINOR_DIGITS)}.${digits.slice(-MINOR_DIGITS)}`;
}

/** Minor units as the reader's language writes them. */
export function money(units, currency) {
  return new Intl.NumberFormat(undefined, { style: "currency", currency }).format(decimal(units));
}
