import { type InfiniteData, useInfiniteQuery } from "@tanstack/react-query";

/** A list that the API gives a page at a time. */
export interface Paged<Item> {
  readonly data: readonly Item[] | undefined;
  readonly error: Error | null;
  readonly refetch: () => unknown;
  readonly hasMore: boolean;
  readonly loadingMore: boolean;
  more(): void;
}

/**
 * Asks page after page; the next one begins after the last item.
 * @param options.pageItems - How many a full page has: a shorter one is the last.
 */
export function usePages<Item, Place>(options: {
  readonly key: readonly unknown[];
  readonly pageItems: number;
  readonly load: (after: Place | undefined) => Promise<readonly Item[]>;
  readonly placeOf: (item: Item) => Place;
}): Paged<Item> {
  const { key, load, pageItems, placeOf } = options;
  const query = useInfiniteQuery<
    readonly Item[],
    Error,
    InfiniteData<readonly Item[]>,
    readonly unknown[],
    Place | undefined
  >({
    queryKey: key,
    // The library does not carry the type of the place to here; it is what `getNextPageParam` gave.
    queryFn: ({ pageParam }) => load(pageParam as Place | undefined),
    initialPageParam: undefined,
    getNextPageParam: (page) => {
      const last = page.at(-1);
      return last === undefined || page.length < pageItems ? undefined : placeOf(last);
    },
  });
  return {
    data: query.data?.pages.flat(),
    error: query.data === undefined ? query.error : null,
    refetch: query.refetch,
    hasMore: query.hasNextPage,
    loadingMore: query.isFetchingNextPage,
    more: () => void query.fetchNextPage(),
  };
}
