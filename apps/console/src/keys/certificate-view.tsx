import type { ReactNode } from "react";
import { Button } from "../ui/button.tsx";
import { At, Copyable } from "../ui/text.tsx";
import { readCertificate } from "./certificate.ts";

interface CertificateProps {
  /** Names the file. */
  readonly id: string;
  readonly certificate: string;
}

/** A signed certificate: what it says, its own text to copy, and a file to keep. */
export function Certificate({ certificate, id }: CertificateProps): ReactNode {
  const said = readCertificate(certificate);
  return (
    <div className="certificate">
      {said === undefined ? null : (
        <dl className="detail">
          <div>
            <dt>Erased</dt>
            <dd>
              <At at={said.erasedAt} />
            </dd>
          </div>
          <div>
            <dt>Keys destroyed</dt>
            <dd>{said.destroyed.length === 0 ? "none" : said.destroyed.join(", ")}</dd>
          </div>
          <div>
            <dt>Row keys destroyed</dt>
            <dd>{said.rows.toLocaleString("en")}</dd>
          </div>
          <div>
            <dt>Audit details</dt>
            <dd>{said.details.toLocaleString("en")}</dd>
          </div>
          <div>
            <dt>Signed by key</dt>
            <dd>
              <code>{said.key}</code>
            </dd>
          </div>
        </dl>
      )}
      <Copyable label="Certificate" text={certificate} />
      <div className="acts">
        <Button onClick={() => download(`erasure-${id}.json`, certificate)}>Download</Button>
      </div>
      <p className="hint">
        Every letter is part of what was signed. It is in the ledger too, which has to be kept apart from backups.
      </p>
    </div>
  );
}

/** Gives the text to the browser as a file, as it is. */
function download(name: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  URL.revokeObjectURL(address);
}
