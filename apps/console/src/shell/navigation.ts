import type { ADDRESSES } from "../addresses.ts";
import type { Session } from "../api/types.ts";
import type { IconName } from "../ui/icons.tsx";

interface PageLink {
  readonly address: (typeof ADDRESSES)[number];
  readonly name: string;
  readonly icon: IconName;
}

interface Section {
  readonly title: string;
  readonly pages: readonly PageLink[];
}

/** The tenant of the people who run the installation. */
export const PLATFORM = "platform";

/** Whether somebody is of the platform. Decides what is offered; what is allowed is the API's word. */
export function isOfPlatform({ tenant }: Session): boolean {
  return tenant === PLATFORM;
}

export function isAdministrator({ role }: Session): boolean {
  return role === "admin" || role === "owner";
}

/** What is offered to somebody. */
export function navigationFor(session: Session): readonly Section[] {
  const sessions: PageLink = { address: "/sessions", name: "Sessions", icon: "sessions" };
  const overview: PageLink = { address: "/", name: "Overview", icon: "overview" };
  if (!isAdministrator(session)) return [{ title: "You", pages: [overview, sessions] }];
  const settings: PageLink = { address: "/settings", name: "Settings check", icon: "settings" };
  const tenants: PageLink = { address: "/tenants", name: "Tenants", icon: "tenants" };
  const gateway: PageLink = { address: "/gateway", name: "Gateway", icon: "gateway" };
  const installation = session.role === "owner" ? [tenants, gateway, settings] : [gateway, settings];
  return [
    {
      title: "Watch",
      pages: [overview, { address: "/audit", name: "Audit", icon: "audit" }],
    },
    {
      title: "People",
      pages: [
        { address: "/users", name: "Users", icon: "users" },
        { address: "/invitations", name: "Invitations", icon: "invitations" },
        sessions,
      ],
    },
    {
      title: "Data",
      pages: [
        { address: "/secrets", name: "Secrets", icon: "secrets" },
        { address: "/keys", name: "Keys", icon: "keys" },
      ],
    },
    ...(isOfPlatform(session) ? [{ title: "Installation", pages: installation }] : []),
  ];
}
