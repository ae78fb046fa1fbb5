import "reflect-metadata";
import { parseArgs } from "node:util";
import type { DataSource } from "typeorm";
import { systemClock } from "./clock.ts";
import { type Config, readConfig } from "./config.ts";
import { createCtx, type Ctx } from "./context.ts";
import { createDataSource } from "./data-source.ts";
import { asApplication } from "./db/app-role.ts";
import { poolOf } from "./db/database.ts";
import { Bus } from "./ledger/bus.ts";
import { Relay } from "./ledger/relay.ts";
import { createLog } from "./log.ts";
import { welcomeUrl } from "./mailer/texts/invitation.ts";
import { createFirstAdministrator } from "./people/create-first-administrator.ts";
import { INVITATION_DAYS } from "./people/invitation.ts";
import { resetAdministrator } from "./people/reset-administrator.ts";
import { Refusal } from "./problem.ts";
import { createBlobStore } from "./vault/create-blob-store.ts";
import { createKeyring } from "./vault/create-keyring.ts";
import { DataKeys } from "./vault/data-keys.ts";
import { createKeyedHash } from "./vault/keyed-hash.ts";

const USAGE = `npm run admin -- create --user-id <user ID> --address <address> --name <name>   makes the first administrator
npm run admin -- reset <user ID>                                                  lets an administrator in again who is locked out
`;

// Makes the first administrator, and helps one who is locked out, for operators: see docs/operations.md.
try {
  const { command, userId, ...options } = readArguments();
  if (command === "create")
    await withCtx(readConfig(), async (ctx) => announce(ctx, await createFirstAdministrator(ctx, { userId, ...options }), userId.toLowerCase()));
  else await withCtx(readConfig(), async (ctx) => announce(ctx, await resetAdministrator(ctx, userId), userId.toLowerCase()));
} catch (error) {
  const sentence = error instanceof Refusal ? error.problem.message : error instanceof Error ? error.message : String(error);
  process.stderr.write(`${sentence.trimEnd()}\n`);
  process.exitCode = 1;
}

function readArguments(): { command: "create" | "reset"; userId: string; address: string; displayName: string } {
  const text = { type: "string" } as const;
  const { positionals, values } = parseOrExplain({ "user-id": text, address: text, name: text });
  const [command, userId] = positionals;
  const { "user-id": newId, address, name: displayName } = values;
  if (command === "create" && positionals.length === 1 && newId && address && displayName) return { command, userId: newId, address, displayName };
  if (command === "reset" && positionals.length === 2 && userId && Object.keys(values).length === 0) return { command, userId, address: "", displayName: "" };
  throw new Error(USAGE);
}

function parseOrExplain<const Options extends Record<string, { type: "string" }>>(options: Options) {
  try {
    return parseArgs({ allowPositionals: true, options });
  } catch {
    throw new Error(USAGE);
  }
}

function announce({ config }: Ctx, token: string, userId: string): void {
  process.stdout.write(
    `${userId} chooses a password here, once, within ${INVITATION_DAYS} days. Whoever has this link is the administrator:\n${welcomeUrl(config.publicUrl ?? "", token)}\n`,
  );
}

/** Works as the application does, over connections of its own; what it ends is ended on all running servers. */
async function withCtx(config: Config, work: (ctx: Ctx) => Promise<void>): Promise<void> {
  const { databaseUrl: ownUrl, secretKey } = config;
  if (ownUrl === null || secretKey === null) throw new Error("Set DATABASE_URL and what else the server needs. The demo has an administrator already.");
  const databaseUrl = asApplication(ownUrl);
  const dataSource = await createDataSource({ url: databaseUrl, poolSize: 2, patient: true }).initialize();
  const log = createLog("silent");
  const bus = new Bus(poolOf(dataSource), databaseUrl, log);
  const relay = new Relay(dataSource, log);
  const dataKeys = new DataKeys(databaseUrl, await createKeyring(config, systemClock), systemClock);
  try {
    if (!(await isReady(dataSource))) throw new Error("The database is not up to date. Start the server once, or run the migration.");
    const blobs = await createBlobStore(config, log);
    await work(createCtx({ config, dataSource, bus, relay, blobs, dataKeys, keyedHash: createKeyedHash(secretKey), clock: systemClock, log }));
  } finally {
    await relay.close();
    await bus.close();
    await dataKeys.close();
    await dataSource.destroy();
  }
}

/** Looks for TypeORM's table first, which it would otherwise make, as the application may not. */
async function isReady(dataSource: DataSource): Promise<boolean> {
  const { rows } = await poolOf(dataSource).query<{ found: boolean }>("select to_regclass('public.migrations') is not null as found");
  return rows[0]?.found === true && !(await dataSource.showMigrations());
}
