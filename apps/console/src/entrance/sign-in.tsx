import type { ReactNode } from "react";
import { api } from "../api/client.ts";
import { answer } from "../api/problem.ts";
import { TextField, textOf } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { Notice } from "../ui/notice.tsx";
import { EntranceFrame } from "./frame.tsx";
import { type SignedIn, Steps } from "./steps.tsx";

/** Signing in with tenant, address and password, and then the second factor. */
export function SignIn({ ended }: { readonly ended: boolean }): ReactNode {
  return <Steps first={(onAnswer) => <Credentials ended={ended} onAnswer={onAnswer} />} />;
}

interface CredentialsProps {
  readonly ended: boolean;
  readonly onAnswer: (signedIn: SignedIn) => void;
}

function Credentials({ ended, onAnswer }: CredentialsProps): ReactNode {
  const send = async (form: FormData): Promise<void> => {
    const body = {
      tenant: textOf(form, "tenant").trim(),
      email: textOf(form, "email").trim(),
      password: textOf(form, "password"),
    };
    onAnswer(await answer(api.POST("/v1/sign-in", { body })));
  };
  return (
    <EntranceFrame title="Sign in">
      {ended ? (
        <Notice kind="warn">
          <p>Your session has ended.</p>
        </Notice>
      ) : null}
      <Form submit="Continue" onSend={send}>
        <TextField
          label="Tenant"
          name="tenant"
          autoComplete="organization"
          autoCapitalize="none"
          pattern="[a-z0-9_\-]{3,50}"
          title="3 to 50 small letters, digits, - or _"
          required
          hint="The operators of this installation sign in to platform."
        />
        <TextField label="E-mail" name="email" type="email" autoComplete="username" required />
        <TextField label="Password" name="password" type="password" autoComplete="current-password" required />
      </Form>
    </EntranceFrame>
  );
}
