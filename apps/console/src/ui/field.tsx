import { type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes, useId } from "react";

interface Labelled {
  readonly label: string;
  readonly hint?: ReactNode;
}

export function TextField({ hint, label, ...rest }: Labelled & InputHTMLAttributes<HTMLInputElement>): ReactNode {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        type="text"
        spellCheck={false}
        {...rest}
        id={id}
        aria-describedby={hint === undefined ? undefined : `${id}h`}
      />
      {hint === undefined ? null : (
        <p className="hint" id={`${id}h`}>
          {hint}
        </p>
      )}
    </div>
  );
}

export function SelectField({ hint, label, ...rest }: Labelled & SelectHTMLAttributes<HTMLSelectElement>): ReactNode {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select {...rest} id={id} aria-describedby={hint === undefined ? undefined : `${id}h`} />
      {hint === undefined ? null : (
        <p className="hint" id={`${id}h`}>
          {hint}
        </p>
      )}
    </div>
  );
}

/** The six digits of an authenticator app. */
export function CodeField({ label = "Code" }: { readonly label?: string }): ReactNode {
  return (
    <TextField
      label={label}
      name="code"
      className="code"
      inputMode="numeric"
      autoComplete="one-time-code"
      pattern="[0-9]{6}"
      maxLength={6}
      title="Six digits"
      required
      hint="The six digits that your authenticator app shows now. Each code is taken once."
    />
  );
}

/** The text of a form's field; empty when there is none. */
export function textOf(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === "string" ? value : "";
}
