import { mkdir, mkdtemp, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { newId } from "../../src/ids.ts";
import { StorageUnavailable } from "../../src/vault/blob-store.ts";
import { LocalBlobStore } from "../../src/vault/local-blob-store.ts";
import { START, startTestApp } from "../support/app.ts";
import { member } from "../support/people.ts";
import { sql } from "../support/sql.ts";

describe("a folder", () => {
  let folder: string;
  let store: LocalBlobStore;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "secure-mailbox-blobs-"));
    store = new LocalBlobStore(folder);
    await store.prepare();
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  test("on a full disk refuses, keeps nothing, and takes the same blob once there is room", async () => {
    const id = newId(START);
    await mkdir(path.join(folder, id.slice(-2)));
    await symlink("/dev/full", path.join(folder, id.slice(-2), `${id}.part`));
    await expect(store.put(id, bytes("Some bytes."))).rejects.toMatchObject({ name: "StorageUnavailable", cause: { code: "ENOSPC" } });
    expect(await readdir(path.join(folder, id.slice(-2)))).toEqual([]);
    expect(await store.put(id, bytes("Some ", "bytes."))).toBe(11);
    expect(Buffer.concat(await store.get(id, { start: 5, end: 9 }).toArray()).toString()).toBe("bytes");
  });

  test("passes on what goes wrong with the bytes themselves, and keeps nothing", async () => {
    const id = newId(START);
    const broken = new Error("The sender went away");
    await expect(
      store.put(
        id,
        (async function* () {
          yield Buffer.from("Half of ");
          throw broken;
        })(),
      ),
    ).rejects.toBe(broken);
    await expect(store.get(id).toArray()).rejects.toBeInstanceOf(StorageUnavailable);
  });
});

test("while the folder is gone, say not mounted, files are refused as unavailable, and taken and given once it is back", async () => {
  const app = await startTestApp();
  try {
    const { client } = await member(app);
    const url = `/attachments/${await client.uploaded("before.txt", "Before.")}`;
    const [folder, elsewhere] = [path.join(app.dataDir, "blobs"), path.join(app.dataDir, "elsewhere")];
    await rename(folder, elsewhere);
    await writeFile(folder, "");

    expect(await client.upload("during.txt", "During.")).toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    expect(await sql(app, "select from attachments where stored_at is null")).toEqual([]);
    for (const range of ["bytes=0-", "bytes=2-4"]) {
      const response = await client.download(url, { range });
      expect([response.status, response.headers.get("retry-after"), response.headers.get("content-disposition")]).toEqual([503, "60", null]);
      expect(await response.json()).toEqual({ errors: [{ message: expect.any(String), extensions: { code: "STORAGE_UNAVAILABLE" } }] });
    }
    expect(app.logged).toContainEqual(expect.stringMatching(/"kind":"StorageUnavailable".*"code":"ENOTDIR".*a stored file could not be read/));
    expect(await sql(app, "select from events where action = 'attachment.downloaded'")).toEqual([]);

    await rm(folder);
    await rename(elsewhere, folder);
    expect(await client.upload("after.txt", "After.")).toMatchObject({ attachment: { size: 6 } });
    expect(await (await client.download(url)).text()).toBe("Before.");
    expect(await sql(app, "select from events where action = 'attachment.downloaded'")).toHaveLength(1);
  } finally {
    await app.close();
  }
});

async function* bytes(...parts: string[]): AsyncGenerator<Buffer> {
  for (const part of parts) yield Buffer.from(part);
}
