import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { api } from "../api/client.ts";
import { answer } from "../api/problem.ts";
import type { Finding } from "../api/types.ts";
import { Button } from "../ui/button.tsx";
import { Icon } from "../ui/icons.tsx";
import { Page } from "../ui/page.tsx";
import { Empty, Loaded } from "../ui/states.tsx";
import { Badge } from "../ui/text.tsx";

const ORDER = ["fail", "warn", "ok"] as const;
const WORDS = { fail: "wrong", warn: "weaker than it could be", ok: "fine" } as const;

/** The server's side of `ringwall doctor`. */
export function SettingsPage(): ReactNode {
  const findings = useQuery({
    queryKey: ["settings-check"],
    queryFn: async () => (await answer(api.GET("/v1/settings-check"))).items,
  });
  const again = (
    <Button busy={findings.isFetching} onClick={() => void findings.refetch()}>
      Check again
    </Button>
  );
  return (
    <Page
      title="Settings check"
      about="The configuration held against the machine, as ringwall doctor does, with the way out of what is not right."
      acts={again}
    >
      <Loaded
        query={findings}
        isEmpty={(rows) => rows.length === 0}
        empty={<Empty title="Nothing was checked">The server has no check for this installation.</Empty>}
      >
        {(rows) => (
          <>
            <p className="counts">
              {ORDER.filter((state) => rows.some((row) => row.state === state)).map((state) => (
                <Badge key={state} tone={state}>
                  {rows.filter((row) => row.state === state).length} {WORDS[state]}
                </Badge>
              ))}
            </p>
            <ul className="findings">
              {ORDER.flatMap((state) => rows.filter((row) => row.state === state)).map((row) => (
                <FindingRow key={row.check} finding={row} />
              ))}
            </ul>
          </>
        )}
      </Loaded>
    </Page>
  );
}

function FindingRow({ finding: { check, found, state, way_out: wayOut } }: { readonly finding: Finding }): ReactNode {
  return (
    <li className={state}>
      <Icon name={state} />
      <span className="unseen">{WORDS[state]}:</span>
      <strong>{check}</strong>
      <span>{found}</span>
      {wayOut === null ? null : <p>{wayOut}</p>}
    </li>
  );
}
