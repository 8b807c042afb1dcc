/**
 * A master key in AWS KMS.
 *
 * Guards: the key stays in KMS. What it wraps opens only with that very key and in the same context, which is KMS's
 * encryption context: CloudTrail shows tenant, purpose and version of every key that is unwrapped, and a key policy can
 * ask for them. The key is named when something is unwrapped, so that another one cannot stand in.
 *
 * Does not guard against who may use the key by KMS's policy. Needs the package `@aws-sdk/client-kms`, which is
 * optional: without it everything else installs and runs, and this one says so.
 *
 * The policy that it needs: `kms:DescribeKey`, `kms:GenerateDataKey`, `kms:Encrypt`, `kms:Decrypt` on that key.
 *
 * Fails closed: a service that does not answer within five seconds, or does not allow it, is `keys.unavailable`.
 *
 * @module
 */
export { type AwsKmsOptions, awsKmsMaster } from "./master-key.ts";
