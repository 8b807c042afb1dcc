/**
 * The harness of everything that seals: the contract of master keys, the ways to damage bytes, and the holders of keys
 * that tests start themselves (SoftHSM, OpenBao, and what speaks AWS KMS).
 *
 * Nothing shipped imports this. Tests open the single files, since most need one of them.
 *
 * @module
 */
export { damage, flipped, reencoded } from "./damage.ts";
export { interruptible, type MasterUnderTest, masterKeyContract } from "./master-key-contract.ts";
export { startOpenBao, type TestOpenBao } from "./openbao.ts";
export { type PeerProcess, peerProcess } from "./peer-process.ts";
export { pythonPeer } from "./python-peers.ts";
export { type SoftHsm, softHsm, softHsmMissing, type TestKey } from "./softhsm.ts";
