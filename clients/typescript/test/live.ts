/** The running service that the tests use; tests/clients/test_typescript.py starts it and passes its address. */

import { readFile } from "node:fs/promises";
import http from "node:http";
import net, { type AddressInfo } from "node:net";

export const url = required("IRISVUE_URL");
export const token = required("IRISVUE_TOKEN");

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} must name a running Irisvue.`);
  return value;
}

export async function eye(name = "eye.jpg"): Promise<File> {
  return new File([await readFile(required("IRISVUE_PHOTO"))], name, { type: "image/jpeg" });
}

/** A grey picture of 300 by 300, in which there is no eye. */
export const BLANK_PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAASwAAAEsCAAAAABcFtGpAAABpElEQVR42u3QMREAAAgEIDX5R7eCswcR6BRXo0CWLFmyZMlSIEuWLFmyZCmQJUuWLFmyFMiSJUuWLFkKZMmSJUuWLAWyZMmSJUuWAlmyZMmSJUuBLFmyZMmSpUCWLFmyZMlSIEuWLFmyZCmQJUuWLFmyFMiSJUuWLFkKZMmSJUuWLAWyZMmSJUuWAlmyZMmSJUuBLFmyZMmSpUCWLFmyZMlSIEuWLFmyZCmQJUuWLFmyFMiSJUuWLFkKZMmSJUuWLAWyZMmSJUuWAlmyZMmSJUuBLFmyZMmSpUCWLFmyZMlSIEuWLFmyZCmQJUuWLFmyFMiSJUuWLFkKZMmSJUuWLAWyZMmSJUuWAlmyZMmSJUuBLFmyZMmSpUCWLFmyZMlSIEuWLFmyZCmQJUuWLFmyFMiSJUuWLFkKZMmSJUuWLAWyZMmSJUuWAlmyZMmSJUuBLFmyZMmSpUCWLFmyZMlSIEuWLFmyZCmQJUuWLFmyFMiSJUuWLFkKZMmSJUuWLAWyZMmSJUuWAlmyZMmSJUuBLFmyZMmSpUCWLFmyZMlSIEuWLFk/LT0tAtgd13NXAAAAAElFTkSuQmCC",
  "base64",
);

/** A proxy to the service that can cut connections: `cut` is asked before each chunk of an answer is passed on. */
export async function cuttable(cut: (path: string, sent: number) => boolean): Promise<{ url: string; close: () => void }> {
  const target = new URL(url);
  const proxy = http.createServer((request, response) => {
    const options = { host: target.hostname, port: target.port, path: request.url, method: request.method, headers: request.headers };
    const onward = http.request(options, (answer) => {
      let sent = 0;
      const path = request.url ?? "";
      if (cut(path, sent)) return void response.destroy();
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.on("data", (chunk: Buffer) => {
        response.write(chunk);
        sent += chunk.length;
        if (cut(path, sent)) {
          response.destroy();
          onward.destroy();
        }
      });
      answer.on("end", () => response.end());
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const { port } = proxy.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      proxy.closeAllConnections();
      proxy.close();
    },
  };
}

const STREAM = /^GET \/(ws|api\/v1\/processing)\/.* HTTP/;

/**
 * A way to the service on which the first stream, or the first of other requests, dies without a word after a few pieces
 * of its answer: its connection stays open, and nothing comes through it any more. Those after it live.
 */
export async function dying(kind = STREAM, after = 3): Promise<{ url: string; deaths: () => number; close: () => void }> {
  const target = new URL(url);
  const open = new Set<net.Socket>();
  let deaths = 0;
  const server = net.createServer((near) => {
    const far = net.connect(Number(target.port), target.hostname);
    let stream = false;
    let pieces = 0;
    near.on("data", (data) => {
      stream ||= kind.test(data.toString("latin1"));
      far.write(data);
    });
    far.on("data", (data) => {
      if (stream && deaths === 0 && (pieces += 1) > after) deaths += 1;
      else if (!stream || pieces <= after) near.write(data);
    });
    for (const [one, other] of [[near, far], [far, near]] as const) {
      open.add(one);
      one.on("close", () => other.destroy());
      one.on("error", () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = (): void => {
    for (const socket of open) socket.destroy();
    server.close();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, deaths: () => deaths, close };
}
