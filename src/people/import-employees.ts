import { inTransaction, type ViewerCtx } from "../context.ts";
import { record } from "../ledger/record.ts";
import { ProblemCode, refuse, withinLimit } from "../problem.ts";
import { addEmployees, mailInvitation, type NewEmployee, takenAddresses } from "./add-employees.ts";
import { employeeOf, ImportFault } from "./import-policy.ts";
import { MAX_IMPORT_BYTES, readEmployeeCsv } from "./read-employee-csv.ts";

/** How many accounts are made in one transaction. */
const BATCH = 500;

/** A row that cannot be imported. */
export interface BadRow {
  readonly line: number;
  readonly fault: ImportFault;
}

/** What an import did, or would do. */
export interface ImportReport {
  readonly rowCount: number;
  readonly invitedCount: number;
  readonly unchangedCount: number;
  /** In the order of their lines. */
  readonly badRows: readonly BadRow[];
  /** Whether anything was done at all. */
  readonly isApplied: boolean;
}

/**
 * Makes an account for each row whose address has none, and queues the invitations. Nothing is done if a row is bad, unless
 * bad rows are to be skipped. Addresses that belong to somebody stay as they are, so the same file twice does no more than
 * once: what a crash left undone, the next run does.
 */
export async function importEmployees(
  ctx: ViewerCtx,
  { csv, dryRun, skipBadRows }: { csv: Buffer | string; dryRun: boolean; skipBadRows: boolean },
): Promise<ImportReport> {
  withinLimit(Buffer.byteLength(csv), MAX_IMPORT_BYTES, "csv", "Bytes of an import");
  const { rows, unreadableLines } = readEmployeeCsv(textOf(csv));
  const badRows: BadRow[] = unreadableLines.map((line) => ({ line, fault: ImportFault.UNREADABLE }));
  const lines = new Map<string, number>();
  const employees: NewEmployee[] = [];
  for (const row of rows) {
    const employee = employeeOf(row, ctx.config.organisation);
    if (typeof employee === "string") badRows.push({ line: row.line, fault: employee });
    else if (lines.has(employee.address)) badRows.push({ line: row.line, fault: ImportFault.REPEATED });
    else {
      lines.set(employee.address, row.line);
      employees.push(employee);
    }
  }
  const taken = new Map((await takenAddresses(ctx, [...lines.keys()])).map(({ address, isTeam }) => [address, isTeam]));
  for (const [address, isTeam] of taken) if (isTeam) badRows.push({ line: lines.get(address) ?? 0, fault: ImportFault.TEAM_ADDRESS });
  badRows.sort((a, b) => a.line - b.line);
  const wanted = employees.filter(({ address }) => !taken.has(address));
  const unchangedCount = [...taken.values()].filter((isTeam) => !isTeam).length;
  const report = { rowCount: rows.length + unreadableLines.length, unchangedCount, badRows };
  if (dryRun || (badRows.length > 0 && !skipBadRows)) return { ...report, invitedCount: dryRun ? wanted.length : 0, isApplied: false };
  let invitedCount = 0;
  for (let n = 0; n < wanted.length; n += BATCH) invitedCount += await inviteBatch(ctx, wanted.slice(n, n + BATCH));
  await record(ctx, { action: "employees.imported", code: `${invitedCount}/${report.rowCount}` });
  return { ...report, invitedCount, unchangedCount: unchangedCount + wanted.length - invitedCount, isApplied: true };
}

async function inviteBatch(ctx: ViewerCtx, employees: readonly NewEmployee[]): Promise<number> {
  const languages = new Map(employees.map(({ address, language }) => [address, language]));
  return inTransaction(ctx, async (ctx) => {
    const invited = await addEmployees(ctx, employees);
    for (const { address, token } of invited) {
      const language = languages.get(address);
      if (language !== undefined) await mailInvitation(ctx, { address, language, token });
    }
    return invited.length;
  });
}

function textOf(csv: Buffer | string): string {
  if (typeof csv === "string") return csv;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(csv);
  } catch {
    refuse(ProblemCode.INVALID_INPUT, "The file is not in UTF-8. Save it as CSV UTF-8.", { field: "file" });
  }
}
