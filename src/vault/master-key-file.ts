import { randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Clock } from "../clock.ts";
import { syncFolder } from "./local-blob-store.ts";
import { KeyringRefused } from "./keyring.ts";

/** One line of a key file. */
export interface MasterKey {
  readonly id: string;
  /** 32 random bytes. */
  readonly key: Buffer;
}

const LINE = /^([A-Za-z0-9][\w.-]{0,63}) ([A-Za-z0-9+/]{43}=)$/;

/**
 * Reads the master keys of a file: a line for each, `<id> <32 bytes in base64>`, of which the first wraps and all unwrap.
 * Throws one line without key material where the file is absent, open to others, or not of this form.
 */
export async function readMasterKeys(file: string): Promise<MasterKey[]> {
  const [text, fault] = await Promise.all([readFile(file, "utf8"), permissionFault(file)]).catch((error: NodeJS.ErrnoException) => {
    throw refused(`The key file ${file} cannot be read (${error.code ?? error.name}).`);
  });
  if (fault !== null) throw refused(fault);
  return parse(file, text);
}

/** Makes the demo's key file unless it is there: whole or not at all, since another process may start beside this one. */
export async function ensureKeyFile(file: string, clock: Clock): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const draft = `${file}.${randomBytes(8).toString("hex")}`;
  await writeFile(draft, lineOf(newMasterKey(clock)), { mode: 0o600, flush: true });
  await link(draft, file)
    .catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    })
    .finally(() => rm(draft));
  await syncFolder(path.dirname(file));
}

/** Puts a new master key first and keeps the others, so that they still unwrap. Returns its id. */
export async function addMasterKey(file: string, clock: Clock): Promise<string> {
  const added = newMasterKey(clock);
  await rewrite(file, (keys) => [added, ...keys]);
  return added.id;
}

/** Takes a master key out of the file; the one that wraps cannot be taken out. */
export async function removeMasterKey(file: string, id: string): Promise<void> {
  await rewrite(file, (keys) => {
    const place = keys.findIndex((key) => key.id === id);
    if (place === -1) throw refused(`The key file ${file} holds no master key ${id}.`);
    if (place === 0) throw refused(`The master key ${id} is the one that wraps. Put another one first: npm run keys -- rotate`);
    return keys.toSpliced(place, 1);
  });
}

/** Named after the day, so that its age can be seen. */
function newMasterKey(clock: Clock): MasterKey {
  return { id: `${clock.now().toISOString().slice(0, 10)}-${randomBytes(2).toString("hex")}`, key: randomBytes(32) };
}

function lineOf({ id, key }: MasterKey): string {
  return `${id} ${key.toString("base64")}\n`;
}

/** Replaces the file in one move, with the same owner and mode. Its draft is the lock: two cannot rewrite it at once. */
async function rewrite(file: string, change: (keys: MasterKey[]) => MasterKey[]): Promise<void> {
  const target = await realpath(file).catch(() => file);
  const draft = `${target}.draft`;
  const handle = await open(draft, "wx", 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "EEXIST") throw refused(`Somebody else is changing the key file ${file}. If nobody is, remove ${draft}.`);
    throw refused(`The key file ${file} cannot be changed here (${error.code ?? error.name}).`);
  });
  try {
    try {
      const keys = change(await readMasterKeys(target));
      const { uid, gid, mode } = await stat(target);
      await handle.writeFile(keys.map(lineOf).join(""));
      await handle.chown(uid, gid);
      await handle.chmod(mode & 0o777);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, target);
    await syncFolder(path.dirname(target));
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

function parse(file: string, text: string): MasterKey[] {
  const keys = text.split("\n").flatMap((line, n): MasterKey[] => {
    if (line.trim() === "") return [];
    const [, id, key] = LINE.exec(line.trim()) ?? [];
    if (id === undefined || key === undefined) throw refused(`Line ${n + 1} of the key file ${file} is not "<id> <32 bytes in base64>".`);
    return [{ id, key: Buffer.from(key, "base64") }];
  });
  const twice = keys.find(({ id }, n) => keys.findIndex((other) => other.id === id) !== n);
  if (twice !== undefined) throw refused(`The key file ${file} holds two master keys named ${twice.id}.`);
  if (keys.length === 0) throw refused(`The key file ${file} holds no master key.`);
  return keys;
}

/** What is wrong with the mode of a key file, followed through links; null on systems without owners. */
async function permissionFault(file: string): Promise<string | null> {
  const { mode, uid } = await stat(file);
  const own = process.getuid?.();
  return own === undefined ? null : modeFault(file, { mode, uid }, own);
}

/**
 * PostgreSQL's rule for private keys: nobody else may read it, except that a file of root's may be open to our group,
 * which is how Kubernetes hands a secret to a server that is not root.
 */
export function modeFault(file: string, { mode, uid }: { mode: number; uid: number }, own: number): string | null {
  const forbidden = uid === 0 && own !== 0 ? 0o037 : 0o077;
  if ((mode & forbidden) === 0) return null;
  return `The key file ${file} has mode ${(mode & 0o777).toString(8).padStart(4, "0")}, which opens it to others. Run: chmod 600 ${file}`;
}

function refused(message: string): KeyringRefused {
  return new KeyringRefused(message, "KEY_FILE");
}
