import type { ReactNode } from "react";
import { api } from "../api/client.ts";
import { answer } from "../api/problem.ts";
import { TextField, textOf } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { EntranceFrame } from "./frame.tsx";
import { type SignedIn, Steps } from "./steps.tsx";

/** The links that let somebody in. */
export type LinkKind = "bootstrap" | "invitation" | "recovery";

interface LinkProps {
  readonly kind: LinkKind;
  /** The token that stood in the address; undefined when there was none. */
  readonly token: string | undefined;
  readonly onDone: () => void;
}

const WORDS: Readonly<Record<LinkKind, { title: string; about: string; submit: string }>> = {
  bootstrap: {
    title: "First administrator",
    about: "You are setting up this installation's first administrator. The link works once.",
    submit: "Enrol",
  },
  invitation: { title: "Join", about: "You were invited. The link works once.", submit: "Join" },
  recovery: {
    title: "Recover your account",
    about:
      "For a lost password, choose a new one; for a lost second factor, give your present password. All your sessions end.",
    submit: "Continue",
  },
};

/** A page that a link leads to: who comes, with a password, and then the second factor. */
export function LinkPage({ kind, onDone, token }: LinkProps): ReactNode {
  const { about, submit, title } = WORDS[kind];
  if (token === undefined) {
    return (
      <EntranceFrame
        title={title}
        about="This address needs a link with its token, and the token is used or missing. Open the whole link, or ask for a new one."
      >
        <p>
          <a href="/">Sign in instead</a>
        </p>
      </EntranceFrame>
    );
  }
  return (
    <Steps
      onDone={onDone}
      first={(onAnswer) => (
        <EntranceFrame title={title} about={about}>
          <Form submit={submit} onSend={async (form) => onAnswer(await redeem(kind, token, form))}>
            {kind === "bootstrap" ? (
              <TextField label="E-mail" name="email" type="email" autoComplete="username" required />
            ) : null}
            {kind === "recovery" ? null : (
              <TextField label="Name" name="name" autoComplete="name" maxLength={100} required />
            )}
            <TextField
              label="Password"
              name="password"
              type="password"
              autoComplete={kind === "recovery" ? "on" : "new-password"}
              required
              hint="Twelve characters or more with a second factor, fifteen without. A sentence does well."
            />
          </Form>
        </EntranceFrame>
      )}
    />
  );
}

async function redeem(kind: LinkKind, token: string, form: FormData): Promise<SignedIn> {
  const password = textOf(form, "password");
  const name = textOf(form, "name").trim();
  switch (kind) {
    case "bootstrap": {
      const email = textOf(form, "email").trim();
      return await answer(api.POST("/v1/bootstrap", { body: { token, email, name, password } }));
    }
    case "invitation":
      return await answer(api.POST("/v1/invitations/accept", { body: { token, name, password } }));
    case "recovery":
      return await answer(api.POST("/v1/recoveries", { body: { token, password } }));
  }
}
