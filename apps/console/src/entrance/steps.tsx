import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { api } from "../api/client.ts";
import { ApiProblem, answer } from "../api/problem.ts";
import { beginSession } from "../shell/session.ts";
import { CodeField, textOf } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { Notice } from "../ui/notice.tsx";
import { QrCode } from "../ui/qr-code.tsx";
import { Loaded } from "../ui/states.tsx";
import { Copyable } from "../ui/text.tsx";
import { EntranceFrame } from "./frame.tsx";

/** What every step of signing in answers. */
export interface SignedIn {
  readonly next: "done" | "code" | "enrol";
  readonly login?: string;
}

interface StepsProps {
  /** The first step, which gives the rest of the way. */
  readonly first: (onAnswer: (signedIn: SignedIn) => void) => ReactNode;
  /** Called when somebody is signed in. */
  readonly onDone?: () => void;
}

/** The first step, then whatever has to follow: a code, or setting up a second factor. */
export function Steps({ first, onDone }: StepsProps): ReactNode {
  const [step, setStep] = useState<{ readonly next: "code" | "enrol"; readonly login: string }>();
  const [ended, setEnded] = useState(false);
  const queries = useQueryClient();
  const onAnswer = ({ login, next }: SignedIn): void => {
    if (next !== "done" && login !== undefined) {
      setEnded(false);
      setStep({ next, login });
      return;
    }
    void beginSession(queries);
    onDone?.();
  };
  /** The unfinished sign-in lives a few minutes; then everything starts again. */
  const orBack = async (work: Promise<SignedIn>): Promise<void> => {
    try {
      onAnswer(await work);
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.code !== "identity.sign_in_required") throw error;
      setEnded(true);
      setStep(undefined);
    }
  };
  if (step?.next === "code") return <CodeStep login={step.login} onSend={orBack} />;
  if (step?.next === "enrol") return <EnrolStep login={step.login} onSend={orBack} />;
  return (
    <>
      {ended ? (
        <Notice kind="warn">
          <p>That took too long. Please begin again.</p>
        </Notice>
      ) : null}
      {first(onAnswer)}
    </>
  );
}

interface StepProps {
  readonly login: string;
  readonly onSend: (work: Promise<SignedIn>) => Promise<void>;
}

function CodeStep({ login, onSend }: StepProps): ReactNode {
  return (
    <EntranceFrame title="Second factor">
      <Form
        submit="Sign in"
        onSend={(form) => onSend(answer(api.POST("/v1/sign-in/code", { body: { login, code: textOf(form, "code") } })))}
      >
        <CodeField />
      </Form>
    </EntranceFrame>
  );
}

function EnrolStep({ login, onSend }: StepProps): ReactNode {
  const enrolment = useQuery({
    queryKey: ["enrolment", login],
    queryFn: () => answer(api.POST("/v1/sign-in/enrolment", { body: { login } })),
    // Asking again makes another secret, and the one that was scanned would be worth nothing.
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    retry: false,
  });
  const confirm = (form: FormData): Promise<void> =>
    onSend(answer(api.POST("/v1/sign-in/enrolment/confirm", { body: { login, code: textOf(form, "code") } })));
  return (
    <EntranceFrame
      title="Set up your second factor"
      about="Scan this with an authenticator app, or type the secret into it. It is shown this one time."
    >
      <Loaded query={enrolment}>
        {({ secret, uri }) => (
          <>
            <QrCode text={uri} label="The secret for your authenticator app as a QR code" />
            <Copyable label="Secret" text={secret} />
            <Form submit="Finish" onSend={confirm}>
              <CodeField />
            </Form>
            <Notice kind="warn">
              <p>Lose the app and you need a recovery link from another administrator.</p>
            </Notice>
          </>
        )}
      </Loaded>
    </EntranceFrame>
  );
}
