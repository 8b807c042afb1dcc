import createClient from "openapi-fetch";
import type { paths } from "./schema.d.ts";

/**
 * The API by its description, same origin. The session is a cookie that no script reads; nothing is kept in a cache.
 */
export const api = createClient<paths>({ credentials: "same-origin", cache: "no-store", redirect: "error" });
