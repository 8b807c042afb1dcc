import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { api } from "../api/client.ts";
import { answer } from "../api/problem.ts";
import type { Gateway, GatewayRoute } from "../api/types.ts";
import { Page } from "../ui/page.tsx";
import { Empty, Loaded } from "../ui/states.tsx";
import { Table } from "../ui/table.tsx";
import { Badge } from "../ui/text.tsx";

const UPSTREAM_TLS = { none: "", server: "TLS", mutual: "mutual TLS" } as const;
/** What a route takes that names no methods. */
const USUAL_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE"];
const MS_PER_SECOND = 1_000;

/** What the gateway leads where, and who may come: read only, as the configuration has it. */
export function GatewayPage(): ReactNode {
  const gateway = useQuery({
    queryKey: ["gateway-routes"],
    queryFn: () => answer(api.GET("/v1/gateway-routes")),
  });
  return (
    <Page
      title="Gateway"
      about="What it leads where and who may come, as it was started. Changes are made in the configuration."
    >
      <Loaded query={gateway}>
        {(data) => (
          <>
            <Facts gateway={data} />
            {data.items.length === 0 ? (
              <Empty title="No route">Name one in gateway.routes of the configuration, and start again.</Empty>
            ) : (
              <RouteTable routes={data.items} />
            )}
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Facts({ gateway }: { readonly gateway: Gateway }): ReactNode {
  const { assertion_seconds: seconds, host, port, running, sign_in_host: signInHost, tls } = gateway;
  const facts: readonly (readonly [string, ReactNode])[] = [
    [
      "Gateway",
      <Badge key="on" tone={running ? "ok" : "warn"}>
        {running ? "on" : "off"}
      </Badge>,
    ],
    ["Plain HTTP", port === null ? "nowhere" : <code key="at">{`${host}:${port}`}</code>],
    ["TLS", tls === null ? "no listener" : `port ${tls.port}, ${tls.minimum} or later`],
    ["Certificate", tls === null ? "none" : tls.certificate === "file" ? "a file" : "of the development authority"],
    ["Sign-in at", signInHost === null ? "nowhere" : <code key="host">{signInHost}</code>],
    ["Assertions live", `${seconds} seconds`],
  ];
  return (
    <dl className="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function RouteTable({ routes }: { readonly routes: readonly GatewayRoute[] }): ReactNode {
  return (
    <Table
      label="Gateway routes"
      rows={routes}
      keyOf={({ name }) => name}
      columns={[
        { name: "Route", kind: "main", cell: ({ name }) => <code>{name}</code> },
        { name: "From", cell: ({ host, path }) => <code>{path === "/" ? host : host + path}</code> },
        { name: "To", cell: (route) => <Upstream route={route} /> },
        {
          name: "Application",
          cell: ({ assertion, mode }) => (
            <span className="two-lines">
              <span>{mode === "ringwall" ? "knows Ringwall" : "plain"}</span>
              <small>{assertion ? "told who asks, signed" : "not told who asks"}</small>
            </span>
          ),
        },
        { name: "Who", cell: (route) => <Who route={route} /> },
        { name: "Methods", cell: ({ methods }) => (methods ?? USUAL_METHODS).join(", ") },
        {
          name: "Limits",
          cell: ({ connections_max: connections, timeout_ms: timeoutMs }) => (
            <span className="two-lines">
              <span>{timeoutMs / MS_PER_SECOND} s</span>
              <small>{connections} connections</small>
            </span>
          ),
        },
      ]}
    />
  );
}

function Upstream({ route: { upstream, upstream_tls: tls } }: { readonly route: GatewayRoute }): ReactNode {
  return (
    <span className="two-lines">
      <code>{upstream}</code>
      {UPSTREAM_TLS[tls] === "" ? null : <small>{UPSTREAM_TLS[tls]}</small>}
    </span>
  );
}

function Who({ route: { access, role } }: { readonly route: GatewayRoute }): ReactNode {
  if (access === "public") return <Badge tone="warn">everybody</Badge>;
  return <Badge tone="ok">{access === "role" ? `${role ?? "nobody"} and above` : "who is signed in"}</Badge>;
}
