import type { Upload } from "graphql-upload-minimal";
import { Arg, Ctx as Context, Field, InputType, Int, Mutation, ObjectType, Resolver } from "type-graphql";
import { asConfirmedAdministrator, type Ctx } from "../context.ts";
import { orProblem, resultOf } from "../graphql/mutation-result.ts";
import { UploadScalar } from "../graphql/upload-scalar.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { type BadRow, importEmployees, type ImportReport } from "./import-employees.ts";
import { ImportFault } from "./import-policy.ts";
import { MAX_IMPORT_BYTES } from "./read-employee-csv.ts";

const MAX_REPORTED_ROWS = 1000;

@InputType({ description: "A file of employees, and what to do with it. Give `csv` or `file`." })
class ImportEmployeesInput {
  @Field(() => String, {
    nullable: true,
    description:
      "The file's text, at most 2 MB and 10,000 rows: comma, semicolon or tab between columns. The first line names the columns: address, display name, and if you like kind (EMPLOYEE, ADMINISTRATOR) and language (EN, ES).",
  })
  csv?: string | null;

  @Field(() => UploadScalar, { nullable: true, description: "The file itself in UTF-8, by the GraphQL multipart request specification." })
  file?: Upload | null;

  @Field(() => Boolean, { description: "True only reports what would happen." })
  dryRun!: boolean;

  @Field(() => Boolean, { defaultValue: false, description: "True imports the good rows although others are bad; otherwise one bad row keeps all out." })
  skipBadRows!: boolean;
}

@ObjectType({ description: "A row that cannot be imported." })
class ImportBadRow implements BadRow {
  @Field(() => Int, { description: "The line of the file on which it ends, from 1; the column names stand on the first." })
  line!: number;

  @Field(() => ImportFault, { description: "Why." })
  fault!: ImportFault;
}

@ObjectType({ description: "What the import did, or would do." })
class ImportEmployeesPayload {
  @Field(() => Boolean, { description: "Whether it was done: false for a dry run, and where bad rows kept all out." })
  isApplied!: boolean;

  @Field(() => Int, { description: "Rows in the file." })
  rowCount!: number;

  @Field(() => Int, { description: "How many accounts were made and invited; in a dry run, how many would be." })
  invitedCount!: number;

  @Field(() => Int, { description: "How many have an account already, and stay as they are." })
  unchangedCount!: number;

  @Field(() => Int, { description: "How many rows are bad." })
  badRowCount!: number;

  @Field(() => [ImportBadRow], { description: "The first 1,000 bad rows, in the order of their lines." })
  badRows!: readonly BadRow[];
}

const ImportEmployeesResult = resultOf("ImportEmployees", ImportEmployeesPayload);

@Resolver()
export class ImportResolver {
  @Mutation(() => ImportEmployeesResult, {
    description: "Makes accounts for employees from a CSV file and invites them; the same file again changes nothing. For administrators.",
  })
  async importEmployees(
    @Context() ctx: Ctx,
    @Arg("input", () => ImportEmployeesInput, { description: "The file, and what to do with it." }) input: ImportEmployeesInput,
  ) {
    return orProblem(ctx, async () => {
      const csv = await csvOf(input, () => asConfirmedAdministrator(ctx));
      return payloadOf(await importEmployees(await asConfirmedAdministrator(ctx), { csv, dryRun: input.dryRun, skipBadRows: input.skipBadRows }));
    });
  }
}

/** The text, or the bytes of the file, which are read only for whoever may import. */
async function csvOf({ csv, file }: ImportEmployeesInput, mayImport: () => Promise<unknown>): Promise<Buffer | string> {
  if (file == null) {
    await mayImport();
    return csv ?? giveOne();
  }
  const bytes = await file.promise
    .then((upload) => upload.createReadStream())
    .catch(() => refuse(ProblemCode.INVALID_INPUT, "The form ended before the file came. Try again.", { field: "file" }));
  try {
    await mayImport();
    if (csv != null) giveOne();
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of bytes.iterator({ destroyOnReturn: false })) {
      if (!Buffer.isBuffer(chunk)) continue;
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_IMPORT_BYTES) break; // The whole is refused by its length
    }
    return Buffer.concat(chunks);
  } finally {
    bytes.resume();
  }
}

function giveOne(): never {
  refuse(ProblemCode.INVALID_INPUT, "Give `csv` or `file`.", { field: "csv" });
}

function payloadOf({ badRows, ...counts }: ImportReport): ImportEmployeesPayload {
  return Object.assign(new ImportEmployeesPayload(), { ...counts, badRowCount: badRows.length, badRows: badRows.slice(0, MAX_REPORTED_ROWS) });
}
