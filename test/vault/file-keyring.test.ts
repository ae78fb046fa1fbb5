import { randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { MovableClock } from "../../src/clock.ts";
import { FileKeyring } from "../../src/vault/file-keyring.ts";
import { KeyringRefused, MasterKeyMissing } from "../../src/vault/keyring.ts";
import { addMasterKey, ensureKeyFile, modeFault, removeMasterKey } from "../../src/vault/master-key-file.ts";

const clock = new MovableClock(new Date("2026-03-02T09:00:00.000Z"));
const dataKey = randomBytes(32);
let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "secure-mailbox-keys-"));
  file = path.join(folder, "master-keys");
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const line = (id: string): string => `${id} ${randomBytes(32).toString("base64")}\n`;
const write = (text: string): Promise<void> => writeFile(file, text, { mode: 0o600 });
const idsIn = async (): Promise<string[]> =>
  (await readFile(file, "utf8"))
    .trimEnd()
    .split("\n")
    .map((text) => text.split(" ", 1).join());

describe("a data key", () => {
  test("comes back as it was, wrapped by the first master key of the file and never twice alike", async () => {
    await write(line("second") + line("first"));
    const keyring = new FileKeyring(file);
    const [one, other] = [await keyring.wrap(dataKey, "day/2026-03-02"), await keyring.wrap(dataKey, "day/2026-03-02")];
    expect(one.masterKeyId).toBe("second");
    expect(await keyring.presentMasterKey()).toBe("second");
    expect(one.wrapped.equals(other.wrapped)).toBe(false);
    expect(one.wrapped.includes(dataKey)).toBe(false);
    expect(await keyring.unwrap(one.wrapped, "day/2026-03-02")).toEqual(dataKey);
    expect(await keyring.unwrap(other.wrapped, "day/2026-03-02")).toEqual(dataKey);
  });

  test("is laid out as documented: version, id, nonce, ciphertext, tag", async () => {
    await write(line("first"));
    const { wrapped } = await new FileKeyring(file).wrap(dataKey, "directory");
    expect(wrapped.subarray(0, 7).toString("latin1")).toBe("\x01\x05first");
    expect(wrapped).toHaveLength(2 + 5 + 12 + 32 + 16);
  });

  test("opens under no other context, and not with any byte changed, missing or added", async () => {
    await write(line("first"));
    const keyring = new FileKeyring(file);
    const { wrapped } = await keyring.wrap(dataKey, "day/2026-03-02");
    expect(await keyring.unwrap(wrapped, "day/2026-03-02")).toEqual(dataKey);
    await expect(keyring.unwrap(wrapped, "day/2026-03-03")).rejects.toThrow(KeyringRefused);
    for (let at = 0; at < wrapped.length; at += 1) {
      const changed = Buffer.from(wrapped);
      changed[at] = (wrapped[at] ?? 0) ^ 1;
      await expect(keyring.unwrap(changed, "day/2026-03-02")).rejects.toThrow(/^(What is stored as|The master key )/);
      await expect(keyring.unwrap(wrapped.subarray(0, at), "day/2026-03-02")).rejects.toThrow(/^(What is stored as|The master key )/);
    }
    await expect(keyring.unwrap(Buffer.concat([wrapped, Buffer.of(0)]), "day/2026-03-02")).rejects.toThrow(KeyringRefused);
  });

  test("does not open with another key of the same name", async () => {
    await write(line("first"));
    const { wrapped } = await new FileKeyring(file).wrap(dataKey, "directory");
    await write(line("first"));
    await expect(new FileKeyring(file).unwrap(wrapped, "directory")).rejects.toThrow(KeyringRefused);
  });

  test("whose master key is gone says which, and opens once that is back", async () => {
    await write(line("first"));
    const { wrapped } = await new FileKeyring(file).wrap(dataKey, "directory");
    const kept = await readFile(file, "utf8");
    await write(line("second"));
    const keyring = new FileKeyring(file);
    const error: unknown = await keyring.unwrap(wrapped, "directory").catch((failure: unknown) => failure);
    expect(error).toEqual(new MasterKeyMissing("first"));
    expect(error).toMatchObject({ masterKeyId: "first", message: "The master key first is missing from the keyring." });
    await write((await readFile(file, "utf8")) + kept);
    expect(await keyring.unwrap(wrapped, "directory")).toEqual(dataKey);
  });
});

describe("a running server", () => {
  test("wraps under a new master key from the moment it is first in the file, and still opens what the old one wrapped", async () => {
    await write(line("first"));
    const keyring = new FileKeyring(file);
    const before = await keyring.wrap(dataKey, "directory");
    const added = await addMasterKey(file, clock);
    const after = await keyring.wrap(dataKey, "directory");
    expect([before.masterKeyId, after.masterKeyId]).toEqual(["first", added]);
    expect(await keyring.unwrap(before.wrapped, "directory")).toEqual(dataKey);
    expect(await keyring.unwrap(after.wrapped, "directory")).toEqual(dataKey);
  });

  test("opens at once what another server wrapped under a master key it has not read yet", async () => {
    await write(line("first"));
    const [one, other] = [new FileKeyring(file), new FileKeyring(file)];
    await one.unwrap((await one.wrap(dataKey, "directory")).wrapped, "directory");
    await addMasterKey(file, clock);
    expect(await one.unwrap((await other.wrap(dataKey, "directory")).wrapped, "directory")).toEqual(dataKey);
  });

  test("takes up a secret that Kubernetes has swapped behind its link", async () => {
    const [old, fresh] = [line("first"), line("second")];
    await mkdir(path.join(folder, "..1"));
    await mkdir(path.join(folder, "..2"));
    await writeFile(path.join(folder, "..1", "master-keys"), old, { mode: 0o400 });
    await writeFile(path.join(folder, "..2", "master-keys"), fresh + old, { mode: 0o400 });
    await symlink("..1", path.join(folder, "..data"));
    await symlink("..data/master-keys", file);
    const keyring = new FileKeyring(file);
    const { wrapped } = await keyring.wrap(dataKey, "directory");
    await symlink("..2", path.join(folder, "..new"));
    await rename(path.join(folder, "..new"), path.join(folder, "..data"));
    expect(await keyring.presentMasterKey()).toBe("second");
    expect(await keyring.unwrap(wrapped, "directory")).toEqual(dataKey);
  });
});

describe("a key file", () => {
  test.each([
    ["which is empty", "", "holds no master key."],
    ["with a line of another form", `${line("first")}a-secret-without-name\n`, `is not "<id> <32 bytes in base64>".`],
    ["with a key of 31 bytes", `first ${randomBytes(31).toString("base64")}\n`, `is not "<id> <32 bytes in base64>".`],
    ["with a key of 33 bytes", `first ${randomBytes(33).toString("base64")}\n`, `is not "<id> <32 bytes in base64>".`],
    ["with two keys of the same name", line("first") + line("second") + line("first"), "holds two master keys named first."],
  ])("%s is refused in one line that shows nothing of it", async (_, text, fault) => {
    await write(text);
    const error = await failureOf(new FileKeyring(file).presentMasterKey());
    expect(error.message).toMatch(/^[^\n]+$/);
    expect(error.message).toContain(fault);
    expect(error.message).toContain(file);
    expect(error.message).not.toContain("a-secret");
    for (const word of text.split(/\s/)) if (word.length > 10) expect(error.message).not.toContain(word);
    await write(`\n${line("first")}\r\n\n`);
    expect(await new FileKeyring(file).presentMasterKey()).toBe("first");
  });

  test("which is absent is refused by name", async () => {
    expect((await failureOf(new FileKeyring(file).presentMasterKey())).message).toBe(`The key file ${file} cannot be read (ENOENT).`);
  });

  test.each(["0640", "0604", "0660", "0644", "0620"])("of mode %s is refused with the mode and what to run, also behind a link", async (mode) => {
    await write(line("first"));
    const link = path.join(folder, "link");
    await symlink(file, link);
    expect(await new FileKeyring(link).presentMasterKey()).toBe("first");
    await chmod(file, Number.parseInt(mode, 8));
    for (const name of [file, link]) {
      expect((await failureOf(new FileKeyring(name).presentMasterKey())).message).toBe(
        `The key file ${name} has mode ${mode}, which opens it to others. Run: chmod 600 ${name}`,
      );
    }
  });

  test("of root's may be open to the group of a server that is not root, as Kubernetes mounts it, and to nobody else", () => {
    const fault = (mode: number, owner: number, own: number): boolean => modeFault(file, { mode, uid: owner }, own) !== null;
    expect([fault(0o440, 0, 1000), fault(0o400, 0, 1000), fault(0o600, 1000, 1000)]).toEqual([false, false, false]);
    expect([fault(0o444, 0, 1000), fault(0o460, 0, 1000), fault(0o440, 1000, 1000), fault(0o440, 0, 0)]).toEqual([true, true, true, true]);
  });
});

describe("the demo's key file", () => {
  test("is made once, for its owner alone, however many start together", async () => {
    const below = path.join(folder, "data", "master-keys");
    const ids = await Promise.all(
      Array.from({ length: 20 }, async () => {
        await ensureKeyFile(below, clock);
        return new FileKeyring(below).presentMasterKey();
      }),
    );
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).toMatch(/^2026-03-02-[0-9a-f]{4}$/);
    expect((await stat(below)).mode & 0o777).toBe(0o600);
    expect(await readdir(path.dirname(below))).toEqual(["master-keys"]);
  });
});

describe("changing a key file", () => {
  test("puts the new master key first, keeps the others and the mode, and leaves nothing beside it", async () => {
    await writeFile(file, line("second") + line("first"), { mode: 0o400 });
    const kept = await readFile(file, "utf8");
    const added = await addMasterKey(file, clock);
    expect(await idsIn()).toEqual([added, "second", "first"]);
    expect((await readFile(file, "utf8")).endsWith(kept)).toBe(true);
    expect((await stat(file)).mode & 0o777).toBe(0o400);
    expect(await readdir(folder)).toEqual(["master-keys"]);
  });

  test("follows a link instead of replacing it", async () => {
    await write(line("first"));
    await symlink(file, path.join(folder, "link"));
    const added = await addMasterKey(path.join(folder, "link"), clock);
    expect(await idsIn()).toEqual([added, "first"]);
  });

  test("takes out an old master key, but not the one that wraps and none that is not there", async () => {
    await write(line("third") + line("second") + line("first"));
    await removeMasterKey(file, "second");
    expect(await idsIn()).toEqual(["third", "first"]);
    await expect(removeMasterKey(file, "third")).rejects.toThrow("The master key third is the one that wraps.");
    await expect(removeMasterKey(file, "second")).rejects.toThrow("holds no master key second.");
    expect(await idsIn()).toEqual(["third", "first"]);
    expect(await readdir(folder)).toEqual(["master-keys"]);
  });

  test("is done by one at a time: nothing that was put in gets lost", async () => {
    await write(line("first"));
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => addMasterKey(file, clock)));
    const added = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    expect(added.length).toBeGreaterThan(0);
    expect((await idsIn()).toSorted()).toEqual([...added, "first"].toSorted());
    for (const result of results) if (result.status === "rejected") expect(String(result.reason)).toContain("Somebody else is changing the key file");
  });

  test("leaves a file alone that it cannot read", async () => {
    await write("nonsense\n");
    await expect(addMasterKey(file, clock)).rejects.toThrow(KeyringRefused);
    expect(await readFile(file, "utf8")).toBe("nonsense\n");
    expect(await readdir(folder)).toEqual(["master-keys"]);
  });
});

async function failureOf(work: Promise<unknown>): Promise<Error> {
  const error: unknown = await work.then(
    () => null,
    (failure: unknown) => failure,
  );
  if (!(error instanceof Error)) throw new Error("It did not fail");
  return error;
}
