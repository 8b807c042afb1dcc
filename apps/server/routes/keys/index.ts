/**
 * Keys and erasures over HTTP: what people see of keys, and what they do with them.
 *
 * @module
 */
import type { Routes } from "../services.ts";
import { erasures } from "./erasures.ts";
import { keys as keyRoutes } from "./keys.ts";

export const keys: Routes = (services) => [...keyRoutes(services), ...erasures(services)];
