import type { ReactNode } from "react";
import { Mark } from "../ui/icons.tsx";

/** What somebody sees who is not signed in. */
export function EntranceFrame({
  about,
  children,
  title,
}: {
  title: string;
  about?: string;
  children: ReactNode;
}): ReactNode {
  return (
    <main className="entrance">
      <div className="entrance-card">
        <p className="brand">
          <Mark />
          Ringwall
        </p>
        <h1>{title}</h1>
        {about === undefined ? null : <p className="prose">{about}</p>}
        {children}
      </div>
    </main>
  );
}
