import type { TokenPlace } from "./token.ts";

/** What the worker is asked. Bytes that matter are given away, not copied. */
export type Request =
  | {
      readonly id: number;
      readonly kind: "open";
      readonly library: string;
      readonly place: TokenPlace;
      readonly pin: Uint8Array;
    }
  | {
      readonly id: number;
      readonly kind: "seal";
      readonly associated: Uint8Array;
      readonly plaintext: Uint8Array<ArrayBuffer>;
    }
  | {
      readonly id: number;
      readonly kind: "unseal";
      readonly suite: number;
      readonly associated: Uint8Array;
      readonly sealed: Uint8Array;
    }
  | { readonly id: number; readonly kind: "close" };

/** What it answers. A failure's message is a code or a sentence of ours. */
export type Answer =
  | { readonly id: number; readonly kind: "opened"; readonly keyId: string; readonly suite: number }
  | { readonly id: number; readonly kind: "bytes"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly id: number; readonly kind: "closed" }
  | { readonly id: number; readonly kind: "refused"; readonly message: string; readonly isPin: boolean }
  | { readonly id: number; readonly kind: "not-ours" }
  | { readonly id: number; readonly kind: "failed"; readonly message: string };
