import { once } from "node:events";
import { createServer } from "node:net";
import { constants, setPriority } from "node:os";
import type * as AppModule from "../src/app.ts";
import type * as ConfigModule from "../src/config.ts";
import type * as ContextModule from "../src/context.ts";
import type * as SealModule from "../src/ledger/seal-ledger.ts";
import { monotonic, ownCpu, serve } from "./child.ts";
import { dataDir, masterKeys } from "./keys.ts";
import { SECRET_KEY } from "./world.ts";

/** How a server is started. */
export interface ServerOptions {
  readonly databaseUrl: string;
  /** How far its clock goes after the machine's, in ms: so nothing in the database expires between two runs. */
  readonly clockOffset: number;
  /** Which part it runs; the API if left out. */
  readonly part?: "api" | "worker";
}

const built = (file: string): string => new URL(`../dist/${file}`, import.meta.url).href;
const { startApp }: typeof AppModule = await import(built("app.js"));
const { newSecretKey, readConfig }: typeof ConfigModule = await import(built("config.js"));

const { createCtx }: typeof ContextModule = await import(built("context.js"));
const { sealLedger }: typeof SealModule = await import(built("ledger/seal-ledger.js"));

let app: AppModule.App | undefined;
let lastCommit = 0;
let watch: NodeJS.Timeout | undefined;
let longestTurn = 0;

/** Our server in a process of its own, compiled and configured as in production: one part alone. */
export const commands = {
  async start({ databaseUrl, clockOffset, part = "api" }: ServerOptions): Promise<number> {
    const port = await freePort();
    if (part === "worker") setPriority(constants.priority.PRIORITY_BELOW_NORMAL); // As main.ts does
    const config = readConfig({
      NODE_ENV: "production",
      HOST: "127.0.0.1",
      PORT: String(port),
      PUBLIC_URL: "https://mail.insurer.example",
      DATA_DIR: dataDir,
      DATABASE_URL: databaseUrl,
      SECRET_KEY: newSecretKey(),
      KEYRING: `file:${masterKeys}`,
      AUDIT_SIGNING_KEY: "made in the data folder, below",
      ORGANISATION_NAME: "Example Health",
      ORGANISATION_DOMAINS: "insurer.example",
      SMTP_URL: "smtp://localhost:1",
      MAIL_FROM: "no-reply@insurer.example",
      PARTS: part,
    });
    app = await startApp({ ...config, secretKey: SECRET_KEY, auditSigningKey: null }, { clock: { now: () => new Date(Date.now() + clockOffset) } });
    const { bus } = app.services;
    const signal = bus.signal.bind(bus);
    bus.signal = (topics) => {
      lastCommit = monotonic();
      signal(topics);
    };
    return port;
  },
  cpu: ownCpu,
  /** Begins to watch how long the turns of the event loop keep others waiting. */
  watchLoop(): void {
    clearInterval(watch);
    longestTurn = 0;
    let before = threadCpu();
    watch = setInterval(() => {
      const now = threadCpu();
      longestTurn = Math.max(longestTurn, now - before);
      before = now;
    }, 1);
  },
  /** The longest turn since then, in ms of CPU time, so that what else runs on the machine does not count; up to 1 ms too much. */
  longestTurn(): number {
    clearInterval(watch);
    return longestTurn;
  },
  /** When the last transaction was committed: the bus is signalled right after. */
  lastCommit: () => lastCommit,
  /** What the process holds after two collections, in bytes. */
  async memory(): Promise<{ rss: number; heap: number }> {
    for (let n = 0; n < 2; n += 1) global.gc?.();
    const { rss, heapUsed, external } = process.memoryUsage();
    return { rss, heap: heapUsed + external };
  },
  /** Seals all of the ledger. */
  async seal(): Promise<void> {
    if (app) await sealLedger(createCtx(app.services));
  },
  async stop(): Promise<void> {
    await app?.close();
  },
};

function threadCpu(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

serve(commands);
