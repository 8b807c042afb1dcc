/**
 * Routes about tenants: the register and its acts for the platform, a tenant's own settings for its administrators.
 *
 * @module
 */
import type { Routes } from "../services.ts";
import { deletions } from "./deletion.ts";
import { register } from "./register.ts";
import { settings } from "./settings.ts";

export { authority } from "./register.ts";

/** The register, deletions and settings. */
export const tenants: Routes = (services) => [...register(services), ...deletions(services), ...settings(services)];
