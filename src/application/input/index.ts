/**
 * Input: what a request may say, and how often it may be said.
 *
 * Guards against input that is stored otherwise than sent (nothing is cut or stripped: it is refused), against money
 * as a fraction, against an act done twice (`actOnce`), and against too much of it (`addVelocity`). Object schemas
 * are `z.strictObject`: a field nobody asked for, such as a role, refuses the request.
 *
 * Does not look for attack patterns (the perimeter's inspection does) and does not encode for output: the context is
 * known only there. Rich text (`body`, 1 to 50,000 characters of safe HTML) needs a maintained sanitiser and comes
 * with the first route that takes rich text; until then no schema accepts it.
 *
 * Limits: idempotency keys live 24 hours and stored answers hold 16 KiB; a velocity window is fixed, so a careful
 * client can do up to twice the limit around its edge, never more within one window.
 *
 * Fails closed: idempotency and velocity live in the act's own transaction; when they cannot be written, the act fails.
 *
 * @module
 */
export {
  actOnce,
  type IdempotentRequest,
  idempotentRequest,
  type Outcome,
  type Replayable,
} from "./idempotency.ts";
export { amount, IdempotencyKey, Name, TenantIdText, Text, Title, Uuid } from "./schemas.ts";
export { addVelocity, type VelocityLimit } from "./velocity.ts";
