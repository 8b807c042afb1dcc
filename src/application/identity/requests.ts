import { z } from "zod";
import { ENVIRONMENTS } from "../../data/tenants/index.ts";
import type { Role } from "../access/index.ts";
import { Name, TenantIdText } from "../input/index.ts";

// Only forms here, and bounds that keep the work small; what the values mean is decided where they are used. Passwords
// are not trimmed, stripped or searched for patterns.
const Email = z.string().min(3).max(1_016);
const Password = z.string().min(1).max(1_024);
const Token = z
  .string()
  .length(47)
  .regex(/^rw[a-z]_[A-Za-z0-9_-]{43}$/);
const Code = z.string().regex(/^[0-9]{6}$/);
// Written out, so that the API description names them; the type holds the list against the roles there are.
const RoleName = z.enum(["viewer", "editor", "admin", "owner"] satisfies Role[]);

/** Request bodies of the identity routes. Strict: a field nobody asked for refuses the request. */
export const requests = {
  signIn: z.strictObject({ tenant: TenantIdText, email: Email, password: Password }),
  loginCode: z.strictObject({ login: Token, code: Code }),
  loginEnrolment: z.strictObject({ login: Token }),
  stepUp: z.strictObject({ code: Code }),
  beginEnrolment: z.strictObject({ password: Password }),
  redeemBootstrap: z.strictObject({ token: Token, email: Email, name: Name, password: Password }),
  acceptInvitation: z.strictObject({ token: Token, name: Name, password: Password }),
  redeemRecovery: z.strictObject({ token: Token, password: Password }),
  inviteUser: z.strictObject({ email: Email, role: RoleName }),
  changeRole: z.strictObject({ role: RoleName }),
  issueRecovery: z.strictObject({ kind: z.enum(["password", "factor"]) }),
  createTenant: z.strictObject({
    id: TenantIdText,
    name: Name,
    environment: z.enum(ENVIRONMENTS).optional(),
    account: TenantIdText.optional(),
  }),
  inviteFirstOwner: z.strictObject({ email: Email }),
} as const;
