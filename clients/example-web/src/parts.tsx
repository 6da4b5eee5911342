import type { IrisvueError } from "irisvue-client";
import { useState, type CSSProperties, type ReactNode } from "react";

/** A photo in a ring that closes as the work goes on. */
export function Ring({ photo, percent, step }: { photo: string | null; percent: number; step: string }) {
  return (
    <section className="running">
      <div className="ring" role="progressbar" aria-label={step} aria-valuenow={Math.round(percent)} style={{ "--percent": percent } as CSSProperties}>
        {photo && <img src={photo} alt="" />}
        <strong aria-hidden="true"><span>{Math.round(percent)}<small>%</small></span></strong>
      </div>
      <p role="status">{step}</p>
    </section>
  );
}

/** The crop as it was photographed, and over it the result; a slider uncovers one or the other. */
export function BeforeAfter({ before, after }: { before: string | null; after: string }) {
  const [share, setShare] = useState(50);
  return (
    <div className="slider" style={{ "--share": `${share}%` } as CSSProperties}>
      {before && <img src={before} alt="Before" />}
      <img className="after" src={after} alt="After" />
      <input type="range" aria-label="Before and after" value={share} onChange={({ target }) => setShare(target.valueAsNumber)} />
    </div>
  );
}

/** What went wrong, what helps, and the code that a program or a report would name. */
export function Failure({ error, suggestion, children }: { error: IrisvueError; suggestion?: string | null; children: ReactNode }) {
  return (
    <section className="failure" role="alert">
      <h1>{error.message}</h1>
      {suggestion && <p>{suggestion}</p>}
      <code>{error.code}</code>
      <nav>{children}</nav>
    </section>
  );
}
