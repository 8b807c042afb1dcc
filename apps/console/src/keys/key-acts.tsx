import { useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { api } from "../api/client.ts";
import { answer } from "../api/problem.ts";
import type { Key } from "../api/types.ts";
import { Confirm } from "../ui/dialog.tsx";
import { priceOf } from "./purposes.ts";

/** What can be done with keys. */
export type KeyAct =
  | { readonly what: "rotate"; readonly key: Key }
  | { readonly what: "rewrap-master" }
  | { readonly what: "rewrap-rows"; readonly tenant: string };

interface Asked<Act extends KeyAct> {
  readonly act: Act;
  readonly onClose: () => void;
}

export function KeyActDialog({ act, onClose }: Asked<KeyAct>): ReactNode {
  switch (act.what) {
    case "rotate":
      return <Rotate of={act.key} onClose={onClose} />;
    case "rewrap-master":
    case "rewrap-rows":
      return <Rewrap act={act} onClose={onClose} />;
  }
}

/** Keys and jobs are asked for anew once an act is done. */
function useAfterwards(): () => Promise<void> {
  const queries = useQueryClient();
  return async () => {
    await Promise.all([
      queries.invalidateQueries({ queryKey: ["keys"] }),
      queries.invalidateQueries({ queryKey: ["key-jobs"] }),
    ]);
  };
}

function Rotate({ of: key, onClose }: { readonly of: Key; readonly onClose: () => void }): ReactNode {
  const afterwards = useAfterwards();
  const { purpose, tenant, version } = key;
  const price = priceOf(purpose);
  const rotate = async (): Promise<void> => {
    await answer(api.POST("/v1/key-rotations", { body: { purpose, tenant } }));
    await afterwards();
  };
  const typed = price === undefined ? {} : { typed: purpose };
  return (
    <Confirm title={`Rotate ${purpose} of ${tenant}`} submit="Rotate" {...typed} onConfirm={rotate} onClose={onClose}>
      <p>
        Version {version + 1} is made and seals from then on.{" "}
        {price ?? "What older versions sealed still opens, and nobody notices."}
      </p>
      {purpose === "data" ? <p>Row keys are wrapped anew in the background; no field is encrypted again.</p> : null}
    </Confirm>
  );
}

function Rewrap({ act, onClose }: Asked<Exclude<KeyAct, { what: "rotate" }>>): ReactNode {
  const afterwards = useAfterwards();
  const isMaster = act.what === "rewrap-master";
  const rewrap = async (): Promise<void> => {
    const body = isMaster ? { what: "master" as const } : { what: "rows" as const, tenant: act.tenant };
    await answer(api.POST("/v1/key-rewraps", { body }));
    await afterwards();
  };
  const title = isMaster ? "Rewrap every key" : `Rewrap rows of ${act.tenant}`;
  return (
    <Confirm title={title} submit="Rewrap" onConfirm={rewrap} onClose={onClose}>
      <p>
        {isMaster
          ? "Every key is opened and wrapped under the present master key, one by one, while everybody works. When none is left under another master, the old one can be destroyed."
          : "Row keys are wrapped under the newest version, a batch at a time, while everybody works. Versions that no row needs any more are retired."}
      </p>
      <p>It goes on by itself after a restart, and can be asked for again.</p>
    </Confirm>
  );
}
