import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { api } from "../api/client.ts";
import { answer } from "../api/problem.ts";
import type { Layer, Overview, Session } from "../api/types.ts";
import { readHead } from "../audit/head.ts";
import { isOfPlatform } from "../shell/navigation.ts";
import { usePresence } from "../shell/presence.ts";
import { Icon } from "../ui/icons.tsx";
import { Page } from "../ui/page.tsx";
import { Loaded } from "../ui/states.tsx";
import { Badge, When } from "../ui/text.tsx";

const REFRESH_MS = 15_000;
const STATES = {
  working: { tone: "ok", word: "Working" },
  attention: { tone: "warn", word: "Needs attention" },
  down: { tone: "fail", word: "Down" },
} as const;

/** The five layers as they work now, and what is not set up yet. */
export function OverviewPage({ session }: { readonly session: Session }): ReactNode {
  const present = usePresence();
  const overview = useQuery({
    queryKey: ["overview"],
    queryFn: () => answer(api.GET("/v1/overview")),
    refetchInterval: present ? REFRESH_MS : false,
  });
  return (
    <Page title="Overview" about="Five layers around every request; each assumes that the others may fail.">
      <Loaded query={overview}>
        {(data) => (
          <>
            <Facts overview={data} />
            <ol className="layers">
              {data.layers.map((layer) => (
                <LayerCard key={layer.number} layer={layer} />
              ))}
            </ol>
            {isOfPlatform(session) ? <Missing layers={data.layers} /> : null}
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Facts({ overview: { audit, mode, version } }: { readonly overview: Overview }): ReactNode {
  const head = audit.signed_head === null ? undefined : readHead(audit.signed_head);
  return (
    <dl className="facts">
      <div>
        <dt>Version</dt>
        <dd>{version}</dd>
      </div>
      <div>
        <dt>Mode</dt>
        <dd>
          <Badge tone={mode === "production" ? "ok" : "warn"}>{mode}</Badge>
        </dd>
      </div>
      <div>
        <dt>Audit entries signed</dt>
        <dd>{head === undefined ? "none yet" : head.size.toLocaleString("en")}</dd>
      </div>
      <div>
        <dt>Last signature</dt>
        <dd>{head === undefined ? "none yet" : <When at={head.time} />}</dd>
      </div>
      <div>
        <dt>Sequencer</dt>
        <dd>
          <Badge tone={audit.sequencer === "stopped" ? "fail" : "ok"}>{audit.sequencer}</Badge>
        </dd>
      </div>
      <div>
        <dt>Proof</dt>
        <dd>
          <Link href="/audit">Verify the chain</Link>
        </dd>
      </div>
    </dl>
  );
}

function LayerCard({ layer }: { readonly layer: Layer }): ReactNode {
  const { tone, word } = STATES[layer.state];
  const on = layer.controls.filter(({ state }) => state === "on");
  return (
    <li className="layer">
      <header>
        <span className="layer-number" aria-hidden="true">
          {layer.number}
        </span>
        <h2>{layer.name}</h2>
        <Badge tone={tone}>{word}</Badge>
      </header>
      <ul>
        {on.map(({ detail, name }) => (
          <li key={name}>
            <Icon name="ok" />
            <span>{name}</span>
            {detail === "" ? null : <small>{detail}</small>}
          </li>
        ))}
      </ul>
    </li>
  );
}

function Missing({ layers }: { readonly layers: readonly Layer[] }): ReactNode {
  const missing = layers.flatMap(({ controls, name: layer }) =>
    controls.filter(({ state }) => state === "not_configured").map(({ detail, name }) => ({ detail, layer, name })),
  );
  if (missing.length === 0) return null;
  return (
    <section className="panel">
      <header className="panel-head">
        <h2>Not set up yet</h2>
        <Link href="/settings">Settings check</Link>
      </header>
      <ul className="missing">
        {missing.map(({ detail, layer, name }) => (
          <li key={name}>
            <Icon name="off" />
            <span>
              {name} <small>{layer}</small>
            </span>
            <small>{detail}</small>
          </li>
        ))}
      </ul>
    </section>
  );
}
