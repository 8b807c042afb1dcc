/**
 * Makes keys in a SoftHSM token: `softhsm-keys.ts '{"library":"...","pin":"...","keys":[...]}'`. A process of its own, since
 * a module is initialised once in a process.
 */
import pkcs11 from "pkcs11js";
import { z } from "zod";

const Key = z.object({
  label: z.string(),
  kind: z.enum(["aes", "mac"]),
  extractable: z.boolean().default(false),
  id: z.int().default(1),
});
const { library, pin, keys } = z
  .object({ library: z.string(), pin: z.string(), keys: z.array(Key) })
  .parse(JSON.parse(process.argv[2] ?? ""));

const module = new pkcs11.PKCS11();
module.load(library);
module.C_Initialize();
const [slot] = module.C_GetSlotList(true);
if (slot === undefined) throw new Error("there is no token");
const session = module.C_OpenSession(slot, pkcs11.CKF_SERIAL_SESSION | pkcs11.CKF_RW_SESSION);
module.C_Login(session, pkcs11.CKU_USER, pin);

for (const { label, kind, extractable, id } of keys) {
  const isAes = kind === "aes";
  const uses = isAes
    ? [pkcs11.CKA_ENCRYPT, pkcs11.CKA_DECRYPT, pkcs11.CKA_WRAP, pkcs11.CKA_UNWRAP]
    : [pkcs11.CKA_SIGN, pkcs11.CKA_VERIFY];
  module.C_GenerateKey(session, { mechanism: isAes ? pkcs11.CKM_AES_KEY_GEN : pkcs11.CKM_GENERIC_SECRET_KEY_GEN }, [
    { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_SECRET_KEY },
    { type: pkcs11.CKA_KEY_TYPE, value: isAes ? pkcs11.CKK_AES : pkcs11.CKK_GENERIC_SECRET },
    { type: pkcs11.CKA_VALUE_LEN, value: 32 },
    { type: pkcs11.CKA_LABEL, value: label },
    { type: pkcs11.CKA_ID, value: Buffer.from([id]) },
    { type: pkcs11.CKA_TOKEN, value: true },
    { type: pkcs11.CKA_PRIVATE, value: true },
    { type: pkcs11.CKA_SENSITIVE, value: true },
    { type: pkcs11.CKA_EXTRACTABLE, value: extractable },
    ...uses.map((type) => ({ type, value: true })),
  ]);
}
module.C_Finalize();
