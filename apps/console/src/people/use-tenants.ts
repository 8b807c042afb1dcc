import { api } from "../api/client.ts";
import { type Paged, usePages } from "../api/pages.ts";
import { answer } from "../api/problem.ts";
import type { Tenant } from "../api/types.ts";

const PAGE_ITEMS = 200;

/** The register of tenants, as far as it was asked for. The platform's owners alone may see it. */
export function useTenants(): Paged<Tenant> {
  return usePages<Tenant, string>({
    key: ["tenants"],
    pageItems: PAGE_ITEMS,
    load: async (after) => {
      const query = after === undefined ? {} : { after };
      return (await answer(api.GET("/v1/tenants", { params: { query } }))).items;
    },
    placeOf: ({ id }) => id,
  });
}
