import { type ReactNode, useState } from "react";
import { api } from "../api/client.ts";
import { answer } from "../api/problem.ts";
import type { AuditEvent, Session } from "../api/types.ts";
import { Button } from "../ui/button.tsx";
import { useAct } from "../ui/form.tsx";
import { Notice, ProblemNotice } from "../ui/notice.tsx";
import { At } from "../ui/text.tsx";
import { type Verdict, verifyChain } from "./chain.ts";

interface VerifyProps {
  readonly session: Session;
  readonly shown: readonly AuditEvent[];
}

/** Recomputes the chain in this browser: of what is shown, or from the first entry on. */
export function VerifyPanel({ session, shown }: VerifyProps): ReactNode {
  const act = useAct();
  const [verdict, setVerdict] = useState<Verdict>();
  const [progress, setProgress] = useState("");
  const verify = (after: number): void =>
    void act.run(async () => {
      setVerdict(undefined);
      setProgress("");
      const found = await verifyChain({
        tenant: session.tenant,
        after,
        shown,
        load: (from) => answer(api.GET("/v1/audit-chain", { params: { query: { after: String(from) } } })),
        onProgress: (done, of) => setProgress(`${done.toLocaleString("en")} of ${of.toLocaleString("en")} entries`),
      });
      setVerdict(found);
    });
  const oldest = shown.at(-1)?.sequence ?? 1;
  return (
    <section className="panel verify" aria-label="Verification">
      <div className="verify-acts">
        <p>
          <strong>Do not take our word for it.</strong> Each entry is hashed onto the one before it, and a key outside
          the database signs how far the chain goes. This browser can recompute it.
        </p>
        <div className="acts">
          <Button busy={act.busy} onClick={() => verify(oldest - 1)}>
            Verify what is shown
          </Button>
          <Button kind="quiet" busy={act.busy} onClick={() => verify(0)}>
            From the first entry
          </Button>
        </div>
      </div>
      {act.busy ? (
        <p className="hint" role="status">
          Recomputing … {progress}
        </p>
      ) : null}
      {act.problem === undefined ? null : <ProblemNotice problem={act.problem} />}
      {verdict === undefined ? null : <Outcome verdict={verdict} />}
    </section>
  );
}

function Outcome({ verdict }: { readonly verdict: Verdict }): ReactNode {
  if (!verdict.holds) {
    return (
      <div className="notice fail" role="alert">
        <div>
          <p>
            <strong>Does not hold at #{verdict.at}:</strong> {verdict.what}.
          </p>
        </div>
      </div>
    );
  }
  const { first, keyId, last, signatureChecked, signedAt, unsigned } = verdict;
  return (
    <Notice kind={signatureChecked ? "ok" : "warn"}>
      <p>
        <strong>
          Verified: #{first} to #{last} are what was signed
        </strong>{" "}
        on <At at={signedAt} /> by key <code>{keyId}</code>.
        {first > 1 ? " What came before was taken on trust." : " That is the whole log."}
        {unsigned > 0 ? ` ${unsigned} newer ones are not signed yet.` : ""}
        {signatureChecked ? "" : " This browser cannot check Ed25519, so only the hashes were recomputed."}
      </p>
    </Notice>
  );
}
