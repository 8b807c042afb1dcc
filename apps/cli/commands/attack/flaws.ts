/** A test that holds a flaw's absence where HTTP does not reach. */
export interface NamedTest {
  /** Below the repository's root. */
  readonly file: string;
  /** A part of the test's name that only this test has. */
  readonly test: string;
}

/** One flaw of the founding document's sample code, in our words. */
export interface Flaw {
  readonly title: string;
  /** Besides the attacks that name it, or instead of them. */
  readonly tests?: readonly NamedTest[];
  /** Why nothing holds it yet: what it would be in is not built. */
  readonly notYet?: string;
}

const IDENTITY = "test/attacks/identity-sign-in.test.ts";
const FACTORS = "test/attacks/identity-second-factor.test.ts";
const SECRETS = "src/data/secrets/secrets.test.ts";
const ACCESS = "src/application/access/decide.test.ts";
const at = (file: string, test: string): readonly NamedTest[] => [{ file, test }];

/**
 * The founding document's flaws by their number. Each has an attack, a named test, or a reason why it has neither; a
 * test holds that.
 */
export const FLAWS: Readonly<Record<number, Flaw>> = {
  1: { title: "one shared key signs and verifies every token", notYet: "access tokens come later" },
  2: { title: "a token is told to have passed the second factor" },
  3: { title: "tokens and a session exist after the password alone" },
  4: {
    title: "the kind of a token is never looked at",
    tests: at("src/application/identity/credentials/credentials.test.ts", "of one kind are not tokens of another"),
  },
  5: { title: "tokens name neither issuer nor audience nor key", notYet: "access tokens come later" },
  6: { title: "refresh tokens are neither rotated nor is their reuse seen", notYet: "refresh tokens come later" },
  7: {
    title: "the bearer secret is readable where it is stored or shown",
    tests: at(IDENTITY, "are stored only as keyed hashes"),
  },
  8: { title: "the session's id stays the same through the second factor" },
  9: {
    title: "an update in two steps brings a revoked session back",
    tests: at("src/application/identity/sessions.test.ts", "is not brought back by a request that was under way"),
  },
  10: {
    title: "a session is read back in another form than it was written",
    tests: at("src/application/identity/sessions.test.ts", "answers without a promise once the session is known"),
  },
  11: { title: "roles come from the token and are stale" },
  12: {
    title: "an unknown account is answered without the work of a known one",
    tests: at(IDENTITY, "get one answer for one amount of work"),
  },
  13: { title: "an account that may not sign in says so, and its attempts are not counted" },
  14: { title: "attempts are counted under the address as typed and the place it came from" },
  15: { title: "attempts are counted after the check, and in two steps" },
  16: { title: "any success clears the count, and nothing limits one address" },
  17: { title: "codes may be guessed without limit, used twice, and come from three steps" },
  18: { title: "the second factor's seed is stored in clear", tests: at(FACTORS, "is stored sealed") },
  19: { title: "accounts are looked up without their tenant" },
  20: {
    title: "hashing blocks everything else",
    tests: at(IDENTITY, "are refused with 503 when too many wait"),
  },
  21: { title: "passwords are cut, stripped and trimmed before they are hashed" },
  22: { title: "composition rules instead of length and a list of what is guessed" },
  23: { title: "strong passwords are refused for holding marks that attacks hold too" },
  24: { title: "permissions come from a shared cache that nobody's tenant is part of" },
  25: {
    title: "secrets lie in a shared cache, and reads from it are not recorded",
    tests: at(SECRETS, "is audited on every read, from memory too"),
  },
  26: {
    title: "a role's name is written into a statement",
    tests: at("src/adapters/postgres/passwords/rotate-password.test.ts", "is changed by the role itself"),
  },
  27: {
    title: "a rotation that dies in the middle leaves two places that disagree",
    tests: at("src/data/secrets/rotation.test.ts", "that dies at the promotion is finished by the next one"),
  },
  28: {
    title: "the database's password is read once, when the pool is made",
    tests: at("src/adapters/postgres/database.test.ts", "needs no restart: new connections fetch it"),
  },
  29: { title: "sessions can be neither listed nor ended, and outlive their person" },
  30: { title: "API keys, OAuth and SAML exist as names alone", notYet: "those ways in come later" },
  31: {
    title: "times without a zone",
    tests: at("src/adapters/postgres/values.test.ts", "times to the millisecond"),
  },
  32: { title: "the client's own id and address fields are believed" },
  33: { title: "the tenant of a thing is not handed to the decision" },
  34: { title: "SQL is put together from what was sent" },
  35: { title: "what was typed into the address box stands in the audit in clear" },
  36: { title: "no list of guessed passwords, no defence against forged requests, no careful links" },
  37: {
    title: "a stale secret is kept after a rotation, because two write the cache",
    tests: at(SECRETS, "has versions, and the newest is read, on other nodes too"),
  },
  38: {
    title: "an outage of the vault looks like a secret that is not there",
    tests: at(SECRETS, "serves through an outage until its age; then the outage is told as one"),
  },
  39: {
    title: "a secret's end is stored and never enforced",
    tests: at(SECRETS, "is refused when read, from memory too"),
  },
  40: {
    title: "names are joined into a path unchecked",
    tests: at("src/data/secrets/names.test.ts", "never holds anything but its letters"),
  },
  41: {
    title: "a thing without a tenant skips the wall",
    tests: at(ACCESS, "a missing tenant is another one"),
  },
  42: {
    title: "unknown roles and permissions are silently nothing",
    tests: at(ACCESS, "a name nobody knows is an error, not an empty list"),
  },
  43: {
    title: "the owner is looked at only when a field says what kind of thing it is",
    tests: at(ACCESS, "with a resource nobody may do more than without"),
  },
  44: { title: "lists and single looks are decided in two places", tests: at(ACCESS, "check and list agree") },
  45: { title: "the check of a route depends on how the route was called" },
  46: {
    title: "every decision waits for the log, and a full log stops everything unsaid",
    tests: at("src/monitoring/audit/notes.test.ts", "that tenant's notes are refused until something is"),
  },
  47: { title: "a list of forbidden texts refuses ordinary ones and misses attacks" },
  48: { title: "bodies are read whole before any limit" },
  49: { title: "a field switches on a browser filter that can be turned against the page" },
  50: { title: "the content policy allows inline styles and names one machine" },
  51: { title: "security fields are on good answers alone" },
  52: { title: "the log holds whole addresses, with the tokens in their queries" },
  53: { title: "long texts are cut and NULs taken out without a word" },
  54: { title: "real names are refused" },
  55: { title: "HTML is cleaned where it comes in and nowhere else" },
  56: { title: "links may have any scheme" },
  57: { title: "the balance is checked in one step and changed in another" },
  58: { title: "money is a binary fraction" },
  59: { title: "foreign origins are a fixed list in code" },
  60: { title: "what is another's is answered otherwise than what is not there" },
  61: {
    title: "a sealed value can be moved to another row or tenant",
    tests: at("src/data/fields/fields.test.ts", "moved to any other tenant, table, column or row"),
  },
  62: {
    title: "old keys are never destroyed",
    tests: at("src/data/fields/fields.test.ts", "are unreadable once the tenant's key is destroyed"),
  },
  63: { title: "a restore brings erased people back", notYet: "backups and the ledger of erasures come later" },
  64: { title: "a list takes the tenant from its caller" },
  65: {
    title: "the connection to the database is encrypted to anybody",
    tests: at("src/adapters/postgres/values.test.ts", "there is no connection without TLS"),
  },
  66: {
    title: "a tenant's form is checked, and neither that it exists nor that it may act",
    tests: at("src/data/tenants/tenants.test.ts", "refuses an unknown and a suspended tenant in the same way"),
  },
  67: { title: "the request log is written before it is known who asks" },
  68: { title: "HSTS whatever the scheme, with preload for everybody" },
  69: {
    title: "a cached secret is parsed in another way than a fresh one",
    tests: at(SECRETS, "is refused when read, from memory too"),
  },
  70: { title: "members that nobody asked for are taken" },
};
