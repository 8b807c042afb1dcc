import { type AuditEvent, type Recorder, RingwallError } from "../core/index.ts";

/** A recorder that keeps what it was told, and fails like the real one when `down` is set. */
export interface ListeningRecorder extends Recorder {
  readonly events: AuditEvent[];
  down: boolean;
}

export function listeningRecorder(): ListeningRecorder {
  const recorder: ListeningRecorder = {
    events: [],
    down: false,
    async record(_tx, event) {
      recorder.note(event);
    },
    note(event) {
      if (recorder.down) throw new RingwallError("audit.unavailable");
      recorder.events.push(event);
    },
  };
  return recorder;
}
