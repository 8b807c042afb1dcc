import { type ReactNode, useState } from "react";
import type { Erasure, Session } from "../api/types.ts";
import { isOfPlatform, PLATFORM } from "../shell/navigation.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Empty, Loaded } from "../ui/states.tsx";
import { Table } from "../ui/table.tsx";
import { Badge, When } from "../ui/text.tsx";
import { Certificate } from "./certificate-view.tsx";
import { type Erasable, EraseDialog } from "./erase.tsx";
import { useErasures } from "./use-keys.ts";

interface ErasuresProps {
  readonly session: Session;
  readonly tenant: string;
}

/** What was made unreadable for good, with its certificates, and the way to more of it. */
export function Erasures({ session, tenant }: ErasuresProps): ReactNode {
  const [erasing, setErasing] = useState<Erasable>();
  const [shown, setShown] = useState<Erasure>();
  const erasures = useErasures(tenant);
  const isOwn = tenant === session.tenant;
  const mayErase = isOfPlatform(session) && session.role === "owner" && tenant !== PLATFORM;
  return (
    <section className="part" aria-labelledby="erasures">
      <header className="part-head">
        <h2 id="erasures">Erased for good</h2>
        <div className="acts">
          {isOwn ? <Button onClick={() => setErasing({ what: "row" })}>Erase a row</Button> : null}
          {isOwn ? <Button onClick={() => setErasing({ what: "person" })}>Erase a person</Button> : null}
          {mayErase ? (
            <Button kind="danger" onClick={() => setErasing({ what: "tenant", tenant })}>
              Erase {tenant}
            </Button>
          ) : null}
        </div>
      </header>
      <Loaded
        query={erasures}
        isEmpty={(rows) => rows.length === 0}
        empty={<Empty title="Nothing was erased">Erasing destroys keys, so it holds in backups too.</Empty>}
      >
        {(rows) => <ErasureTable rows={rows} onShow={setShown} />}
      </Loaded>
      {erasing === undefined ? null : <EraseDialog what={erasing} onClose={() => setErasing(undefined)} />}
      {shown?.certificate === undefined || shown.certificate === null ? null : (
        <Dialog title="Erasure certificate" onClose={() => setShown(undefined)}>
          <Certificate id={shown.id} certificate={shown.certificate} />
        </Dialog>
      )}
    </section>
  );
}

interface ErasureTableProps {
  readonly rows: readonly Erasure[];
  readonly onShow: (erasure: Erasure) => void;
}

function ErasureTable({ onShow, rows }: ErasureTableProps): ReactNode {
  return (
    <Table
      label="Erasures"
      rows={rows}
      keyOf={({ id }) => id}
      columns={[
        { name: "What", kind: "main", cell: (erasure) => <Subject erasure={erasure} /> },
        { name: "Why", cell: ({ reason }) => reason },
        { name: "By", cell: ({ approver }) => <code>{approver}</code> },
        { name: "When", cell: ({ ordered_at: at }) => <When at={at} /> },
        {
          name: "Acts",
          kind: "acts",
          cell: (erasure) =>
            erasure.certificate === null ? (
              <Badge tone="warn">not carried out yet</Badge>
            ) : (
              <Button kind="quiet" aria-label={`Certificate of ${erasure.id}`} onClick={() => onShow(erasure)}>
                Certificate
              </Button>
            ),
        },
      ]}
    />
  );
}

function Subject({ erasure: { name, place, subject, tenant } }: { readonly erasure: Erasure }): ReactNode {
  return (
    <span className="two-lines">
      <span>{subject === "row" ? `row of ${place}` : subject}</span>
      <small>
        <code>{subject === "tenant" ? tenant : name}</code>
      </small>
    </span>
  );
}
