import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { ClamdAddress } from "../setting-values.ts";

/** No connection came about: whatever the file, nothing can be scanned for now. */
export class ScannerAway extends Error {}

const CONNECT_MS = 5000;
const REPLY_LENGTH = 1000;
const LENGTH_BYTES = 4;

/**
 * Sends bytes through clamd's INSTREAM command (clamd(8)) and returns the name of the malware found in them, null if
 * there is none, within so many milliseconds. Throws `ScannerAway` without a connection, and an error for every answer but those two: a scan that
 * did not end in a verdict is never a clean one.
 */
export async function scanBytes(clamd: ClamdAddress, bytes: AsyncIterable<Buffer>, scanMs: number): Promise<string | null> {
  const socket = await open(clamd);
  const deadline = setTimeout(() => socket.destroy(new Error("clamd gave no verdict in time")), scanMs);
  try {
    const [written, read] = await Promise.allSettled([send(framed(bytes), socket), replyOf(socket)]);
    const reply = read.status === "fulfilled" ? read.value : "";
    if (written.status === "fulfilled" && reply === "stream: OK") return null;
    const malware = /^stream: ([ -~]{1,200}) FOUND$/.exec(reply)?.[1];
    if (malware !== undefined) return malware;
    const cause = reply === "" ? [read, written].find(({ status }) => status === "rejected") : undefined;
    throw new Error(`clamd gave no verdict${reply && `: ${reply}`}`, cause && { cause });
  } finally {
    clearTimeout(deadline);
    socket.destroy();
  }
}

async function open(clamd: ClamdAddress): Promise<Socket> {
  const socket = connect(clamd).on("error", () => undefined); // Told by whoever reads or writes
  const deadline = setTimeout(() => socket.destroy(new Error("clamd took no connection in time")), CONNECT_MS);
  try {
    await once(socket, "connect");
    return socket;
  } catch (cause) {
    throw new ScannerAway("clamd cannot be reached", { cause });
  } finally {
    clearTimeout(deadline);
  }
}

async function send(parts: AsyncIterable<Buffer>, socket: Socket): Promise<void> {
  const closed = new AbortController();
  socket.once("close", () => closed.abort());
  for await (const part of parts) {
    if (socket.destroyed) throw new Error("clamd closed before the end");
    if (!socket.write(part)) await once(socket, "drain", closed);
  }
}

/** The command, each chunk behind its length, and a length of nothing at the end. */
async function* framed(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield Buffer.from("zINSTREAM\0");
  for await (const chunk of bytes) {
    if (chunk.length === 0) continue;
    yield lengthOf(chunk);
    yield chunk;
  }
  yield Buffer.alloc(LENGTH_BYTES);
}

function lengthOf(chunk: Buffer): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(chunk.length);
  return length;
}

async function replyOf(socket: Socket): Promise<string> {
  let reply = "";
  for await (const chunk of socket.setEncoding("utf8")) {
    reply += String(chunk);
    if (reply.length > REPLY_LENGTH) throw new Error("clamd answered at too great a length");
  }
  return reply.replace(/\0$/, "").trim();
}
