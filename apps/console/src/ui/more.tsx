import type { ReactNode } from "react";
import type { Paged } from "../api/pages.ts";
import { Button } from "./button.tsx";

/** Below a list: the way to the rest of it, or nothing. */
export function More<Item>({ list }: { readonly list: Paged<Item> }): ReactNode {
  if (!list.hasMore) return null;
  return (
    <div className="more">
      <Button busy={list.loadingMore} onClick={() => list.more()}>
        Show more
      </Button>
    </div>
  );
}
