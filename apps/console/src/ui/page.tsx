import { type ReactNode, useEffect, useRef } from "react";

interface PageProps {
  readonly title: string;
  readonly about: string;
  readonly acts?: ReactNode;
  readonly children: ReactNode;
}

/** A page of the console: its title gets the focus, so that whoever cannot see it hears where they are. */
export function Page({ about, acts, children, title }: PageProps): ReactNode {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Ringwall`;
    heading.current?.focus({ preventScroll: true });
  }, [title]);
  return (
    <>
      <header className="page-head">
        <div>
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          <p>{about}</p>
        </div>
        {acts === undefined ? null : <div className="acts">{acts}</div>}
      </header>
      {children}
    </>
  );
}
