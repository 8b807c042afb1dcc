import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import { Button } from "./button.tsx";
import { TextField } from "./field.tsx";
import { Form } from "./form.tsx";
import { Icon } from "./icons.tsx";

interface DialogProps {
  readonly title: string;
  readonly side?: boolean;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

/** A modal dialog of the browser's own: it holds the focus, closes with Escape and gives the focus back. */
export function Dialog({ children, onClose, side = false, title }: DialogProps): ReactNode {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={element}
      className={side ? "dialog side" : "dialog"}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <header className="dialog-head">
        <h2 id={id}>{title}</h2>
        <Button kind="quiet" aria-label="Close" onClick={onClose}>
          <Icon name="close" />
        </Button>
      </header>
      <div className="dialog-body">{children}</div>
    </dialog>
  );
}

interface ConfirmProps {
  readonly title: string;
  readonly submit: string;
  /** What must be typed before the act can be done; left out for acts that are easily undone. */
  readonly typed?: string;
  readonly onClose: () => void;
  readonly onConfirm: () => Promise<void>;
  readonly children: ReactNode;
}

/** Asks before an act that takes something away; for grave ones the name has to be typed. */
export function Confirm({ children, onClose, onConfirm, submit, title, typed }: ConfirmProps): ReactNode {
  const [text, setText] = useState("");
  const confirm = async (): Promise<void> => {
    await onConfirm();
    onClose();
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <Form
        submit={submit}
        kind="danger"
        disabled={typed !== undefined && text !== typed}
        onSend={confirm}
        onCancel={onClose}
      >
        <div className="prose">{children}</div>
        {typed === undefined ? null : (
          <TextField
            label={`Type ${typed} to go on`}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            autoComplete="off"
            autoCapitalize="none"
          />
        )}
      </Form>
    </Dialog>
  );
}
