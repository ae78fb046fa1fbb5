import { cleanFileName } from "../attachments/file-name.ts";

const SUBJECT_LENGTH = 60;

/** Names the messages of an export, in their order: by the minute, so only names of the same one can meet. */
export class FileNames {
  #minute = "";
  #taken = new Set<string>();

  /** `messages/2026-03-02 0912 Subject.eml`, as every file system takes it, and never the same twice. */
  nameOf({ sentAt, subject }: { readonly sentAt: Date; readonly subject: string }): string {
    const [day = "", time = ""] = sentAt.toISOString().split("T");
    const minute = `${day} ${time.slice(0, 5).replace(":", "")}`;
    if (minute !== this.#minute) this.#taken = new Set();
    this.#minute = minute;
    const words = [...subject.replace(/[/\\]/g, " ").trim()].slice(0, SUBJECT_LENGTH).join("");
    const stem = cleanFileName(`${minute} ${words || "(no subject)"}`);
    for (let n = 1; ; n += 1) {
      const name = n === 1 ? stem : `${stem} (${n})`;
      const folded = name.toLowerCase(); // As Windows and macOS compare names
      if (this.#taken.has(folded)) continue;
      this.#taken.add(folded);
      return `messages/${name}.eml`;
    }
  }
}
