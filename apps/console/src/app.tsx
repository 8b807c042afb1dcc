import { type ReactNode, useRef } from "react";
import { Route, Switch, useLocation } from "wouter";
import type { Session } from "./api/types.ts";
import { AuditPage } from "./audit/audit-page.tsx";
import { type LinkKind, LinkPage } from "./entrance/links.tsx";
import { SignIn } from "./entrance/sign-in.tsx";
import { KeysPage } from "./keys/keys-page.tsx";
import { GatewayPage } from "./pages/gateway.tsx";
import { OverviewPage } from "./pages/overview.tsx";
import { SecretsPage } from "./pages/secrets.tsx";
import { SettingsPage } from "./pages/settings.tsx";
import { TenantsPage } from "./pages/tenants.tsx";
import { InvitationsPage } from "./people/invitations.tsx";
import { SessionsPage } from "./people/sessions.tsx";
import { UsersPage } from "./people/users.tsx";
import { useSession } from "./shell/session.ts";
import { Shell } from "./shell/shell.tsx";
import { Empty, Loaded } from "./ui/states.tsx";

const LINKS: Readonly<Record<string, LinkKind>> = {
  "/bootstrap": "bootstrap",
  "/invitation": "invitation",
  "/recovery": "recovery",
};

/** The whole console: a link's page, signing in, or the pages of somebody who is signed in. */
export function App({ token }: { readonly token: string | undefined }): ReactNode {
  const [location, navigate] = useLocation();
  const kind = LINKS[location];
  if (kind !== undefined) return <LinkPage kind={kind} token={token} onDone={() => navigate("/", { replace: true })} />;
  return <SignedInOrNot />;
}

function SignedInOrNot(): ReactNode {
  const session = useSession();
  const wasSignedIn = useRef(false);
  if (session.data !== undefined && session.data !== null) wasSignedIn.current = true;
  // A look that failed once takes nobody's page away; the pages say for themselves what they cannot load.
  const query = session.data === undefined ? session : { ...session, error: null };
  return (
    <Loaded query={query}>
      {(data) => (data === null ? <SignIn ended={wasSignedIn.current} /> : <Pages session={data} />)}
    </Loaded>
  );
}

function Pages({ session }: { readonly session: Session }): ReactNode {
  return (
    <Shell session={session}>
      <Switch>
        <Route path="/">
          <OverviewPage session={session} />
        </Route>
        <Route path="/audit">
          <AuditPage session={session} />
        </Route>
        <Route path="/users">
          <UsersPage session={session} />
        </Route>
        <Route path="/invitations">
          <InvitationsPage session={session} />
        </Route>
        <Route path="/sessions">
          <SessionsPage session={session} />
        </Route>
        <Route path="/secrets" component={SecretsPage} />
        <Route path="/keys">
          <KeysPage session={session} />
        </Route>
        <Route path="/tenants" component={TenantsPage} />
        <Route path="/gateway" component={GatewayPage} />
        <Route path="/settings" component={SettingsPage} />
        <Route>
          <Empty title="No such page">The address may be of another version of the console.</Empty>
        </Route>
      </Switch>
    </Shell>
  );
}
