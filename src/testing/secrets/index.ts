/**
 * What every store of secrets has to do.
 *
 * Guards nothing: it is how an adapter shows that it does.
 *
 * @module
 */
export { CONTRACT_TENANTS, type SecretStoreUnderTest, secretStoreContract } from "./store-contract.ts";
