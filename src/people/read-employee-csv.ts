import { type CsvError, parse } from "csv-parse/sync";
import { ProblemCode, refuse, withinLimit } from "../problem.ts";

/** Rows of one import, without the line of column names. */
export const MAX_IMPORT_ROWS = 10_000;
/** Bytes of one import. */
export const MAX_IMPORT_BYTES = 2 * 1024 * 1024;

const MAX_ROW_LENGTH = 10_000;
const DELIMITERS = [",", ";", "\t"];
const columns = ["address", "displayName", "kind", "language"] as const;

type Column = (typeof columns)[number];

/** A row as it was written, with the line on which it ends, from 1. A column that the file lacks is empty. */
export type WrittenRow = Readonly<Record<Column, string>> & { readonly line: number; readonly hasAllColumns: boolean };

/**
 * Reads a file of employees: comma, semicolon or tab between columns, any line ends, quotes as in RFC 4180. Its first line
 * names the columns: `address` and `display name`, and if you like `kind` and `language`. Returns the rows, and the lines
 * that cannot be read; refuses a file that cannot be read as a whole.
 */
export function readEmployeeCsv(csv: string): { rows: WrittenRow[]; unreadableLines: number[] } {
  const text = csv.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n");
  const unreadableLines: number[] = [];
  const records = parse(text, {
    delimiter: delimiterOf(text),
    record_delimiter: "\n",
    trim: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MAX_ROW_LENGTH,
    to: MAX_IMPORT_ROWS + 2,
    on_record: (record, { lines }) => [String(lines), ...record],
    skip_records_with_error: true,
    on_skip: (error) => {
      unreadableLines.push(lineOf(error));
      return undefined;
    },
  });
  const [[, ...names] = [], ...others] = records;
  withinLimit(others.length, MAX_IMPORT_ROWS, "csv", "Rows of an import");
  const places = placesOf(names);
  const rows = others.map(([line, ...record]) => ({
    line: Number(line),
    hasAllColumns: record.length === names.length,
    address: record[places.address ?? -1] ?? "",
    displayName: record[places.displayName ?? -1] ?? "",
    kind: record[places.kind ?? -1] ?? "",
    language: record[places.language ?? -1] ?? "",
  }));
  return { rows, unreadableLines };
}

/** Behind a quotation mark that nothing closes, nobody can tell where rows begin. */
function lineOf(error: CsvError | undefined): number {
  const line = Number(error?.lines ?? 0);
  if (error?.code === "CSV_QUOTE_NOT_CLOSED" || error?.code === "CSV_MAX_RECORD_SIZE")
    refuse(ProblemCode.INVALID_INPUT, `The file cannot be read: a quotation mark that opens before the end of line ${line} is never closed.`, { field: "csv" });
  return line;
}

function delimiterOf(text: string): string {
  const [names = ""] = text.trimStart().split("\n", 1);
  const count = (delimiter: string): number => names.split(delimiter).length;
  return DELIMITERS.reduce((best, delimiter) => (count(delimiter) > count(best) ? delimiter : best));
}

function placesOf(names: readonly string[]): Partial<Record<Column, number>> {
  const places: Partial<Record<Column, number>> = {};
  for (const [place, name] of names.entries()) {
    const wanted = name.toLowerCase().replace(/[\s_-]/g, "");
    const column = columns.find((known) => known.toLowerCase() === wanted);
    if (column === undefined || column in places)
      refuse(ProblemCode.INVALID_INPUT, "The first line names the columns: address, display name, and if you like kind and language, each once.", {
        field: "csv",
      });
    places[column] = place;
  }
  if (places.address === undefined || places.displayName === undefined)
    refuse(ProblemCode.INVALID_INPUT, "The first line must name the columns address and display name.", { field: "csv" });
  return places;
}
