import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Link, useLocation } from "wouter";
import { api } from "../api/client.ts";
import { answer } from "../api/problem.ts";
import type { Session } from "../api/types.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { useAct } from "../ui/form.tsx";
import { Icon, Mark } from "../ui/icons.tsx";
import { ProblemNotice } from "../ui/notice.tsx";
import { isAdministrator, navigationFor } from "./navigation.ts";
import { forgetSession } from "./session.ts";

/** Navigation beside the page; on a narrow screen behind a button. */
export function Shell({ children, session }: { readonly session: Session; readonly children: ReactNode }): ReactNode {
  const [open, setOpen] = useState(false);
  return (
    <div className="shell">
      <a className="skip" href="#page">
        Skip to the page
      </a>
      <header className="topbar">
        <Button kind="quiet" aria-label="Menu" onClick={() => setOpen(true)}>
          <Icon name="menu" />
        </Button>
        <p className="brand">
          <Mark />
          Ringwall
        </p>
      </header>
      <aside className="sidebar">
        <p className="brand">
          <Mark />
          Ringwall
        </p>
        <Navigation session={session} />
        <Account session={session} />
      </aside>
      {open ? (
        <Dialog side title="Ringwall" onClose={() => setOpen(false)}>
          <Navigation session={session} onGo={() => setOpen(false)} />
          <Account session={session} />
        </Dialog>
      ) : null}
      <main id="page" className="page" tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

function Navigation({ onGo, session }: { readonly session: Session; readonly onGo?: () => void }): ReactNode {
  const [location] = useLocation();
  return (
    <nav aria-label="Console">
      {navigationFor(session).map(({ pages, title }) => (
        <section key={title}>
          <h2>{title}</h2>
          <ul>
            {pages.map(({ address, icon, name }) => (
              <li key={address}>
                <Link href={address} aria-current={location === address ? "page" : undefined} onClick={() => onGo?.()}>
                  <Icon name={icon} />
                  {name}
                </Link>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </nav>
  );
}

function Account({ session }: { readonly session: Session }): ReactNode {
  const act = useAct();
  const queries = useQueryClient();
  const signOut = async (): Promise<void> => {
    await answer(api.DELETE("/v1/session"));
    forgetSession(queries);
  };
  return (
    <div className="account">
      <p>
        <strong>{session.tenant}</strong>
        <span>
          {session.role}
          {isAdministrator(session) && session.aal < 2 ? ", password alone" : ""}
        </span>
      </p>
      <Button kind="quiet" busy={act.busy} onClick={() => void act.run(signOut)}>
        Sign out
      </Button>
      {act.problem === undefined ? null : <ProblemNotice problem={act.problem} />}
    </div>
  );
}
