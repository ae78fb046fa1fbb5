import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";

/** Where clamd listens: a TCP port or a Unix socket. */
export type ClamdAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** No connection came about: whatever the file, nothing can be scanned for now. */
export class ScannerAway extends Error {}

/** How long clamd may take, in milliseconds. */
export interface ScanPatience {
  readonly connectMs: number;
  readonly scanMs: number;
}

const REPLY_LENGTH = 1000;
const LENGTH_BYTES = 4;

/**
 * Sends bytes through clamd's INSTREAM command (clamd(8)) and returns the name of the malware found in them, null if
 * there is none. Throws `ScannerAway` without a connection, and an error for every answer but those two: a scan that
 * did not end in a verdict is never a clean one.
 */
export async function scanBytes(clamd: ClamdAddress, bytes: AsyncIterable<Buffer>, { connectMs, scanMs }: ScanPatience): Promise<string | null> {
  const socket = await open(clamd, connectMs);
  const deadline = setTimeout(() => socket.destroy(new Error("clamd gave no verdict in time")), scanMs);
  try {
    const [written, read] = await Promise.allSettled([pipeline(framed(bytes), socket, { end: false }), replyOf(socket)]);
    const reply = read.status === "fulfilled" ? read.value : "";
    if (written.status === "fulfilled" && reply === "stream: OK") return null;
    const malware = /^stream: (.{1,200}) FOUND$/.exec(reply)?.[1];
    if (malware !== undefined) return malware;
    const cause = reply === "" ? [read, written].find(({ status }) => status === "rejected") : undefined;
    throw new Error(`clamd gave no verdict${reply && `: ${reply}`}`, cause && { cause });
  } finally {
    clearTimeout(deadline);
    socket.destroy();
  }
}

async function open(clamd: ClamdAddress, connectMs: number): Promise<Socket> {
  const socket = connect(clamd);
  const deadline = setTimeout(() => socket.destroy(new Error("clamd took no connection in time")), connectMs);
  try {
    await once(socket, "connect");
    return socket;
  } catch (cause) {
    throw new ScannerAway("clamd cannot be reached", { cause });
  } finally {
    clearTimeout(deadline);
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
