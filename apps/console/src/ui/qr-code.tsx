import { type ReactNode, useMemo } from "react";
import { qrMatrix } from "./qr.ts";

const QUIET = 4;

/** A text as a QR code; nothing when it is too long for one, since the text stands beside it as well. */
export function QrCode({ label, text }: { readonly text: string; readonly label: string }): ReactNode {
  const matrix = useMemo(() => qrMatrix(text), [text]);
  if (matrix === undefined) return null;
  const size = matrix.length + 2 * QUIET;
  const path = matrix
    .flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x + QUIET} ${y + QUIET}h1v1h-1z`] : [])))
    .join("");
  return (
    <svg className="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shapeRendering="crispEdges">
      <path d={path} />
    </svg>
  );
}
