import { describe, expect, test } from "vitest";
import { EventStreamParser, type ServerSentEvent } from "../src/sse.js";

const text = ": hello\nretry: 1500\n\nid: 1-0\nevent: progress\ndata: {\"step\":\ndata:  \"Türkis…\"}\r\n\r\nevent: x\r\rid: 2-0\ndata:y\n\n";
const want: ServerSentEvent[] = [
  { event: "progress", data: '{"step":\n "Türkis…"}', id: "1-0" },
  { event: "message", data: "y", id: "2-0" },
];

describe("the parser", () => {
  const bytes = new TextEncoder().encode(text);
  test.each(Array.from({ length: bytes.length }, (_, at) => at + 1))("in chunks of %i bytes", (size) => {
    const parser = new EventStreamParser();
    const found: ServerSentEvent[] = [];
    for (let at = 0; at < bytes.length; at += size) found.push(...parser.push(bytes.slice(at, at + size)));
    expect(found).toEqual(want);
    expect(parser.retryMs).toBe(1500);
  });

  test("an event that was cut off is dropped", () => {
    expect(new EventStreamParser().push(new TextEncoder().encode("data: half\n"))).toEqual([]);
  });
});
