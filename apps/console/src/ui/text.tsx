import { type ReactNode, useState } from "react";
import { useClock } from "../clock.ts";
import { Button } from "./button.tsx";
import { relative } from "./relative.ts";

const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** When, as people say it; the exact time on pointing at it. */
export function When({ at }: { readonly at: string }): ReactNode {
  const clock = useClock();
  return (
    <time dateTime={at} title={EXACT.format(Date.parse(at))}>
      {relative(Date.parse(at), clock())}
    </time>
  );
}

/** When exactly. */
export function At({ at }: { readonly at: string }): ReactNode {
  return <time dateTime={at}>{EXACT.format(Date.parse(at))}</time>;
}

type Tone = "ok" | "warn" | "fail" | "plain";

export function Badge({ children, tone = "plain" }: { readonly tone?: Tone; readonly children: ReactNode }): ReactNode {
  return <span className={`badge ${tone}`}>{children}</span>;
}

/** A text to take along, such as a link that is shown once. */
export function Copyable({ label, text }: { readonly label: string; readonly text: string }): ReactNode {
  const [copied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <div className="copyable">
      <code aria-label={label} tabIndex={0} role="textbox" aria-readonly="true">
        {text}
      </code>
      <Button onClick={() => void copy()}>{copied ? "Copied" : "Copy"}</Button>
    </div>
  );
}

/** A link that lets somebody in, shown once. */
export function LinkOnce({ expiresAt, link }: { readonly link: string; readonly expiresAt: string }): ReactNode {
  return (
    <div className="prose">
      <p>
        Give this link to the person, over a way that only they read. It is shown once, works once, and ends{" "}
        <When at={expiresAt} />.
      </p>
      <Copyable label="Link" text={link} />
    </div>
  );
}
