import { api } from "../api/client.ts";
import { type Paged, usePages } from "../api/pages.ts";
import { answer } from "../api/problem.ts";
import type { User } from "../api/types.ts";

const PAGE_ITEMS = 200;

/** The people of one's tenant, as far as they were asked for. */
export function useUsers(): Paged<User> {
  return usePages<User, string>({
    key: ["users"],
    pageItems: PAGE_ITEMS,
    load: async (after) => {
      const query = after === undefined ? {} : { after };
      return (await answer(api.GET("/v1/users", { params: { query } }))).items;
    },
    placeOf: ({ id }) => id,
  });
}
