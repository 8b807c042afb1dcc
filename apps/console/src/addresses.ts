/** Every address that shows the console. The server serves its page at these and at no other. */
export const ADDRESSES = [
  "/",
  "/audit",
  "/bootstrap",
  "/gateway",
  "/invitation",
  "/invitations",
  "/keys",
  "/recovery",
  "/secrets",
  "/sessions",
  "/settings",
  "/tenants",
  "/users",
] as const;
