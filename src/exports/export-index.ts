import type { Participant } from "../messages/copy.ts";
import { escapeHtml } from "../mailer/layout.ts";

/** A message as the index lists it. */
export interface IndexEntry {
  /** Where its file lies in the archive. */
  readonly path: string;
  readonly sentAt: Date;
  readonly from: Participant;
  readonly to: readonly Participant[];
  readonly subject: string;
  readonly files: readonly { readonly fileName: string; readonly size: number; readonly isIncluded: boolean }[];
}

/** A row of the index, as HTML. */
export function indexRow({ path, sentAt, from, to, subject, files }: IndexEntry): string {
  const href = path.split("/").map(encodeURIComponent).join("/");
  const instant = sentAt.toISOString();
  return `<tr>
<td><time datetime="${instant}">${instant.slice(0, 16).replace("T", " ")}</time></td>
<td>${person(from)}</td>
<td>${list(to.map(person))}</td>
<th scope="row"><a href="${escapeHtml(href)}" dir="auto">${escapeHtml(subject || "(no subject)")}</a></th>
<td>${list(files.map(({ fileName, size, isIncluded }) => `<bdi>${escapeHtml(fileName)}</bdi> <small>${isIncluded ? sizeOf(size) : "left out: not known to be harmless"}</small>`))}</td>
</tr>
`;
}

/** The whole index: a page that stands on its own, prints well and needs no script. */
export function* indexPage(organisation: string, madeAt: Date, rows: readonly string[]): Generator<string> {
  const made = madeAt.toISOString();
  yield `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Secure messages</title>
<style>
${STYLE}
</style>
</head>
<body>
<main>
<h1>Secure messages</h1>
<p>${escapeHtml(organisation)}, <time datetime="${made}">${made.slice(0, 16).replace("T", " ")}</time>. All times are UTC.</p>
<p>Confidential. Each subject leads to the message as a file that every mail program opens, with its attachments. <code>manifest-sha256.txt</code> tells whether a file was changed.</p>
<table>
<caption>${rows.length === 1 ? "1 message" : `${rows.length.toLocaleString("en")} messages`}, oldest first</caption>
<thead>
<tr><th scope="col">Sent</th><th scope="col">From</th><th scope="col">To</th><th scope="col">Subject</th><th scope="col">Files</th></tr>
</thead>
<tbody>
`;
  yield* rows;
  yield `</tbody>
</table>
</main>
</body>
</html>
`;
}

const STYLE = `:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
caption { font-weight: bold; padding: 0.5rem 0; text-align: start; }
th, td { border-bottom: 1px solid; overflow-wrap: anywhere; padding: 0.5rem; text-align: start; vertical-align: top; }
tbody th { font-weight: normal; }
time { font-variant-numeric: tabular-nums; white-space: nowrap; }
ul { list-style: none; margin: 0; padding: 0; }
@page { margin: 15mm; }
@media print {
  body { font-size: 9pt; margin: 0; max-width: none; padding: 0; }
  a { color: inherit; text-decoration: none; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
  caption, h1 { break-after: avoid; }
}`;

function person({ displayName, address }: Participant): string {
  return displayName === address ? escapeHtml(address) : `<bdi>${escapeHtml(displayName)}</bdi> &lt;${escapeHtml(address)}&gt;`;
}

function list(items: readonly string[]): string {
  return items.length === 0 ? "" : `<ul>${items.map((item) => `<li>${item}</li>`).join("")}</ul>`;
}

function sizeOf(bytes: number): string {
  return bytes < 1024 ? `${bytes} bytes` : bytes < 1024 * 1024 ? `${Math.ceil(bytes / 1024)} KB` : `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
