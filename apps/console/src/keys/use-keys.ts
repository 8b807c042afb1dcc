import { type UseQueryResult, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { api } from "../api/client.ts";
import type { Paged } from "../api/pages.ts";
import { answer } from "../api/problem.ts";
import type { Erasure, Key, KeyJob, MasterKey } from "../api/types.ts";
import { usePresence } from "../shell/presence.ts";

const TENANTS_PAGE = 200;
/** While rows are wrapped anew a bar moves; a job that waits for another node or for a record moves seldom. */
const RUNNING_MS = 1_000;
const WAITING_MS = 15_000;

/** Whose keys are asked for; undefined for everybody's, which the platform may see. */
export type Scope = string | undefined;

const named = (tenant: Scope): { tenant?: string } => (tenant === undefined ? {} : { tenant });

export interface KeyTreeData {
  readonly master: MasterKey;
  readonly keys: readonly Key[];
}

/** The keys of a tenant, or of all of them a page at a time. */
export function useKeys(tenant: Scope): {
  readonly tree: {
    readonly data: KeyTreeData | undefined;
    readonly error: Error | null;
    readonly refetch: () => unknown;
  };
  readonly pages: Paged<Key>;
} {
  const query = useInfiniteQuery({
    queryKey: ["keys", tenant ?? ""],
    queryFn: ({ pageParam }) => {
      const asked = { ...named(tenant), ...(pageParam === "" ? {} : { after: pageParam }) };
      return answer(api.GET("/v1/keys", { params: { query: asked } }));
    },
    initialPageParam: "",
    getNextPageParam: ({ items }) => {
      const isFull = tenant === undefined && new Set(items.map((key) => key.tenant)).size >= TENANTS_PAGE;
      return isFull ? items.at(-1)?.tenant : undefined;
    },
  });
  const keys = query.data?.pages.flatMap(({ items }) => items);
  const master = query.data?.pages[0]?.master;
  const error = keys === undefined ? query.error : null;
  const { refetch } = query;
  return {
    tree: { data: keys === undefined || master === undefined ? undefined : { master, keys }, error, refetch },
    pages: {
      data: keys,
      error,
      refetch,
      hasMore: query.hasNextPage,
      loadingMore: query.isFetchingNextPage,
      more: () => void query.fetchNextPage(),
    },
  };
}

/** The newest rewrapping jobs, asked for again while one is under way and somebody looks. */
export function useKeyJobs(tenant: Scope): UseQueryResult<readonly KeyJob[]> {
  const present = usePresence();
  return useQuery<readonly KeyJob[]>({
    queryKey: ["key-jobs", tenant ?? ""],
    queryFn: async () => (await answer(api.GET("/v1/key-jobs", { params: { query: named(tenant) } }))).items,
    refetchInterval: ({ state: { data = [] } }) => {
      if (!present) return false;
      if (data.some(({ state }) => state === "running")) return RUNNING_MS;
      return data.some(({ state }) => state === "waiting") ? WAITING_MS : false;
    },
  });
}

/** Erasures of one tenant, newest first. */
export function useErasures(tenant: string): UseQueryResult<readonly Erasure[]> {
  return useQuery<readonly Erasure[]>({
    queryKey: ["erasures", tenant],
    queryFn: async () => (await answer(api.GET("/v1/erasures", { params: { query: { tenant } } }))).items,
  });
}
