import type { ButtonHTMLAttributes, ReactNode } from "react";

type Kind = "primary" | "plain" | "danger" | "quiet";

type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & {
  readonly kind?: Kind;
  /** Under way: says so, and cannot be pressed again. */
  readonly busy?: boolean;
};

export function Button({ kind = "plain", busy = false, children, disabled, ...rest }: ButtonProps): ReactNode {
  return (
    <button type="button" {...rest} className={`button ${kind}`} disabled={disabled === true || busy} aria-busy={busy}>
      {children}
    </button>
  );
}
