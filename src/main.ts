import { createServer } from "node:net";
import { constants, setPriority } from "node:os";
import { type App, startApp } from "./app.ts";
import { type Config, readConfig } from "./config.ts";
import { isDatabaseAway } from "./db/unavailable.ts";
import { people } from "./demo/world.ts";
import { createLog } from "./log.ts";

const SHUT_DOWN_MS = 12_000;

async function main(): Promise<void> {
  const config = readConfig();
  const log = createLog(config.logLevel);
  // Nobody waits for a job: on a machine that both share, whoever people wait for goes first.
  if (!config.parts.includes("api")) setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  const stopping = stopOnSignals();
  await portIsFree(config);
  // A start may take long, say behind another node's migrations; a signal ends it. An embedded PostgreSQL ends with us.
  const app = await Promise.race([startApp(config, { log }), stopping.promise]);
  if (typeof app === "number") process.exit(app);
  if (config.mode === "demo" && app.url) welcome(app.url, config);
  else log.info({ url: app.url, parts: config.parts, sandbox: config.sandbox }, "started");

  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error: unknown) => {
      log.fatal({ err: error }, event);
      stopping.resolve(1);
    });
  }
  const code = await stopping.promise;
  await shutDown(app);
  process.exit(code);
}

/** Resolves at the first signal to stop; repeats of it, as a process group gets them, change nothing. */
function stopOnSignals(): PromiseWithResolvers<number> {
  const stopping = Promise.withResolvers<number>();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stopping.resolve(0));
  return stopping;
}

async function shutDown(app: App): Promise<void> {
  setTimeout(() => process.exit(1), SHUT_DOWN_MS).unref();
  await app.close();
}

/** Says at once that a port is taken or an address is not ours, not after the database has started. */
async function portIsFree({ port, host, parts }: Config): Promise<void> {
  if (!parts.includes("api")) return;
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once("error", (error: NodeJS.ErrnoException) => {
      const isPort = error.code === "EADDRINUSE" || error.code === "EACCES";
      reject(isPort ? error : new Error(`HOST ${host} is no address of this machine (${error.code}).`));
    });
    probe.listen(port, host, () => probe.close(() => resolve()));
  });
}

function welcome(url: string, { organisation, demoPassword, dataDir, sandbox, mail }: Config): void {
  const accounts = people.map(({ userId, displayName, kind }) => `    ${userId.padEnd(14)} ${displayName}, ${kind.toLowerCase()}`);
  process.stdout.write(
    [
      "",
      `  ${organisation.name}: a secure mailbox, as a demo with data in ${dataDir}`,
      "",
      `  Playground  ${url}/playground`,
      `  GraphQL     ${url}/graphql`,
      mail.smtp === null ? `  Mail        ${url}/demo/mail   what would have been sent` : `  Mail        goes out by ${mail.smtp.host}`,
      ...(sandbox ? ["  Sandbox     the administrator can move the clock: docs/sandbox.md"] : []),
      "",
      `  Sign in with the password ${demoPassword ?? ""} as`,
      ...accounts,
      "",
      "  Ctrl-C stops it.",
      "",
      "",
    ].join("\n"),
  );
}

/** One clear line for what an operator can mend. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ("code" in error && error.code === "EADDRINUSE" && "port" in error)
    return `Port ${String(error.port)} is taken by another program. Stop that, or set PORT to another one.`;
  if ("code" in error && error.code === "EACCES" && "port" in error) return `Port ${String(error.port)} needs more rights. Set PORT to one above 1023.`;
  if (isDatabaseAway(error)) return `The database of DATABASE_URL cannot be reached: ${error.message || "no answer"}.`;
  return error.message || String(error);
}

main().catch((error: unknown) => {
  process.stderr.write(`${explain(error)}\n`);
  process.exit(1);
});
