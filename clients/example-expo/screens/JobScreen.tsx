import { IrisvueError, type CompletedJob, type FailedJob, type Job } from "irisvue-client";
import { useJob } from "irisvue-client/react";
import { useState, type ReactNode } from "react";
import { Image, StyleSheet, Text, View } from "react-native";
import { client } from "../client";
import { offersFor } from "../logic/outcome";
import type { Route } from "../logic/route";
import { save, share } from "../native/files";
import { useReturn } from "../native/useReturn";
import { useStillHere } from "../native/useStillHere";
import { BeforeAfter } from "../parts/BeforeAfter";
import { Button } from "../parts/Button";
import { colour, look } from "../parts/look";
import { Ring } from "../parts/Ring";

/** One job: its progress, then its picture or its reason. */
export function JobScreen({ jobId, show }: { jobId: string; show: (route: Route) => void }) {
  const { progress, step, connection, message, error, job, pictures, refresh } = useJob(client, jobId);
  const [words, setWords] = useState("");
  const stillHere = useStillHere();
  useReturn(refresh);

  const attempt = async (action: () => Promise<string>): Promise<void> => {
    try {
      setWords(await action());
    } catch (error) {
      setWords(error instanceof IrisvueError ? error.message : String(error));
    }
  };
  const fresh = async (): Promise<CompletedJob> => {
    const now: Job = await client.getJob(jobId); // the addresses that it came with may have run out
    if (now.status !== "completed") throw new IrisvueError("This picture is gone.", 404, "not_found");
    return now;
  };
  const reprocess = async (): Promise<string> => {
    const { job_id } = await client.reprocess(jobId);
    if (stillHere()) show({ screen: "job", jobId: job_id });
    return "";
  };
  const again = <Button title="Reprocess" onPress={() => void attempt(reprocess)} />;

  return (
    <View style={look.screen}>
      <View style={styles.bar}><Button title="‹  Gallery" onPress={() => show({ screen: "gallery" })} /></View>
      <View style={look.middle}>
        {job?.status === "completed" ? (
          <>
            <BeforeAfter before={job.before_url} after={job.result_url} />
            <View style={look.row}>
              <Button title="Save" first onPress={() => void attempt(async () => save(await fresh()))} />
              <Button title="Share" onPress={() => void attempt(async () => share(await fresh()))} />
              {again}
            </View>
          </>
        )
        : job?.status === "failed" ? <Failure job={job} again={again} camera={() => show({ screen: "camera" })} />
        : job?.status === "cancelled" ? <><Text style={look.title}>Cancelled</Text>{again}</>
        : error && message?.status !== "failed" ? <Text style={look.title}>{error.message}</Text>
        : <Running photo={pictures.preview ?? pictures.original} percent={progress} step={connection === "waiting" ? "Connection lost. Your job goes on." : step || "Connecting..."} />}
        <Text role="status" style={look.words}>{words}</Text>
      </View>
    </View>
  );
}

function Running({ photo, percent, step }: { photo: string | null; percent: number; step: string }) {
  return (
    <>
      <View style={styles.round}>
        {photo && <Image source={{ uri: photo }} style={[StyleSheet.absoluteFill, { opacity: 0.4 }]} resizeMode="cover" alt="" />}
        <Ring percent={percent} size={280} />
      </View>
      <Text style={look.words}>{step}</Text>
    </>
  );
}

function Failure({ job, again, camera }: { job: FailedJob; again: ReactNode; camera: () => void }) {
  const offers = offersFor(job);
  return (
    <>
      <Text role="heading" style={look.title}>{job.error_message}</Text>
      {job.suggestion && <Text style={look.words}>{job.suggestion}</Text>}
      <Text style={styles.code}>{job.error_code ?? job.error_type}</Text>
      <View style={look.row}>
        {offers.includes("reprocess") && again}
        <Button title="Take another photo" first={offers[0] === "camera"} onPress={camera} />
      </View>
    </>
  );
}

const styles = StyleSheet.create({
  bar: { padding: 12, alignItems: "flex-start" },
  round: { width: 280, height: 280, borderRadius: 140, overflow: "hidden" },
  code: { color: colour.quiet, fontSize: 13, fontFamily: "monospace", paddingHorizontal: 12, paddingVertical: 4, borderRadius: 12, backgroundColor: colour.raised },
});
