import { IrisvueError } from "irisvue-client";
import { useState } from "react";
import { client } from "./client";
import { JobView } from "./JobView";
import { Failure, Ring } from "./parts";
import { useJobId } from "./useJobId";

export function App() {
  const [jobId, showJob] = useJobId();
  const [sending, setSending] = useState<{ photo: string; percent: number } | null>(null);
  const [refused, setRefused] = useState<IrisvueError | null>(null);

  async function send(file: File): Promise<void> {
    const photo = URL.createObjectURL(file);
    setRefused(null);
    setSending({ photo, percent: 0 });
    try {
      const { id } = await client.uploadPhoto(file, { onProgress: (share) => setSending({ photo, percent: 100 * share }) });
      showJob((await client.submit(id, { preview: true })).job_id);
    } catch (error) {
      if (!(error instanceof IrisvueError)) throw error;
      setRefused(error);
    } finally {
      setSending(null);
      URL.revokeObjectURL(photo);
    }
  }

  return (
    <main>
      <header>
        <a href="#">irisvue</a>
        <span>example</span>
      </header>
      {sending ? <Ring photo={sending.photo} percent={sending.percent} step="Uploading..." />
      : refused ? <Failure error={refused}><button onClick={() => setRefused(null)}>New photo</button></Failure>
      : jobId ? <JobView key={jobId} jobId={jobId} show={showJob} />
      : <Choose send={send} />}
    </main>
  );
}

function Choose({ send }: { send: (file: File) => Promise<void> }) {
  return (
    <label className="choose">
      <input type="file" accept="image/*" onChange={({ target }) => target.files?.[0] && void send(target.files[0])} />
      <i aria-hidden="true" />
      <strong>Choose a photo of an eye</strong>
      <span>Close up and sharp, in daylight from the side.</span>
    </label>
  );
}
