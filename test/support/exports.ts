import { createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { type Entry, fromBuffer, type ZipFile } from "yauzl";
import { ExportDocument, type ExportMessagesInput, ExportMessagesDocument, type ExportStatusFragment } from "../../operations/generated/operations.ts";
import type { TestApp } from "./app.ts";
import type { SignedInPerson } from "./people.ts";

/** Asks for an export that must be taken on. */
export async function requestExport(person: SignedInPerson, input: ExportMessagesInput): Promise<ExportStatusFragment> {
  const { exportMessages } = await person.client.run(ExportMessagesDocument, { input });
  if (!("export" in exportMessages)) throw new Error(`The export was refused: ${JSON.stringify(exportMessages)}`);
  return exportMessages.export;
}

/** An export as it is now. */
export async function exportOf(person: SignedInPerson, id: string): Promise<ExportStatusFragment> {
  const found = (await person.client.run(ExportDocument, { id })).export;
  if (found === null) throw new Error("There is no such export");
  return found;
}

/** Asks for an export and has it made. */
export async function madeExport(app: TestApp, person: SignedInPerson, input: ExportMessagesInput): Promise<ExportStatusFragment> {
  const { id } = await requestExport(person, input);
  await app.runJobsOnce();
  return exportOf(person, id);
}

/** The bytes of an export that is ready. */
export async function downloaded(person: SignedInPerson, { downloadUrl, state }: ExportStatusFragment): Promise<Buffer> {
  if (downloadUrl === null) throw new Error(`The export is ${state}`);
  const response = await person.client.download(downloadUrl);
  if (response.status !== 200) throw new Error(`The download answers ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

/** A file in an archive. */
export interface ArchivedFile {
  readonly modifiedAt: Date;
  readonly bytes: Buffer;
}

/** The files of an archive by their names, in order, as another program than ours reads them. */
export async function unzipped(archive: Buffer): Promise<Map<string, ArchivedFile>> {
  const zip = await new Promise<ZipFile>((resolve, reject) =>
    fromBuffer(archive, { lazyEntries: true, strictFileNames: true }, (error, opened) => (error ? reject(error) : resolve(opened))),
  );
  const files = new Map<string, ArchivedFile>();
  return new Promise((resolve, reject) => {
    zip.on("error", reject);
    zip.on("end", () => resolve(files));
    zip.on("entry", (entry: Entry) => {
      zip.openReadStream(entry, (error, stream) => {
        if (error) return reject(error);
        buffer(stream).then((bytes) => {
          if (files.has(entry.fileName)) reject(new Error(`${entry.fileName} is there twice`));
          files.set(entry.fileName, { modifiedAt: entry.getLastModDate(), bytes });
          zip.readEntry();
        }, reject);
      });
    });
    zip.readEntry();
  });
}

/** The messages of an archive, by the names of their files. */
export function messagesIn(files: ReadonlyMap<string, ArchivedFile>): [name: string, file: ArchivedFile][] {
  return [...files].filter(([name]) => name.startsWith("messages/"));
}

/** What the manifest says of each file, in the form that `sha256sum --check` reads. */
export function manifestOf(files: ReadonlyMap<string, ArchivedFile>): Map<string, string> {
  const lines = files.get("manifest-sha256.txt")?.bytes.toString().trimEnd().split("\n") ?? [];
  return new Map(lines.map((line) => [line.slice(66), line.slice(0, 64)]));
}

/** What it should say. */
export function checksumsOf(files: ReadonlyMap<string, ArchivedFile>): Map<string, string> {
  const covered = [...files].filter(([name]) => name !== "manifest-sha256.txt");
  return new Map(covered.map(([name, { bytes }]) => [name, createHash("sha256").update(bytes).digest("hex")]));
}
