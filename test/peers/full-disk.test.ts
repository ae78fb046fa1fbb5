import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { startTestApp } from "../support/app.ts";
import { member } from "../support/people.ts";
import { sql } from "../support/sql.ts";

const run = promisify(execFile);
const KB = 1024;

test("a folder on a full disk refuses uploads, still gives, and takes again once there is room", async () => {
  const app = await startTestApp();
  const folder = path.join(app.dataDir, "blobs");
  await mkdir(folder, { recursive: true });
  await run("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]);
  try {
    const { client } = await member(app);
    const id = await client.uploaded("small.bin", new Uint8Array(randomBytes(200 * KB)));
    // Several, since what the store did not take must be read all the same, or the connection's next request would wait.
    for (let n = 0; n < 5; n += 1)
      expect(await client.upload("large.bin", new Uint8Array(randomBytes(1500 * KB)))).toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    expect(app.logged).toContainEqual(expect.stringContaining("ENOSPC"));
    expect(await sql(app, "select from attachments where stored_at is null")).toEqual([]);
    expect((await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".part"))).toEqual([]);
    expect(await client.upload("small.bin", new Uint8Array(randomBytes(200 * KB)))).toMatchObject({ attachment: { size: 200 * KB } });

    await writeFile(path.join(folder, "filler"), Buffer.alloc(1024 * KB)).catch(() => undefined);
    expect(await client.upload("small.bin", new Uint8Array(randomBytes(200 * KB)))).toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    expect((await client.download(`/attachments/${id}`)).status).toBe(200);
    await rm(path.join(folder, "filler"));
    expect(await client.upload("small.bin", new Uint8Array(randomBytes(200 * KB)))).toMatchObject({ attachment: { size: 200 * KB } });
  } finally {
    await run("umount", ["--lazy", folder]);
    await app.close();
  }
});
