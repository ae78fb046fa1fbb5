import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import {
  getNamedType,
  type GraphQLNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isNonNullType,
  isObjectType,
  isSpecifiedScalarType,
  isUnionType,
  Kind,
  parse,
  print,
  printSchema,
  separateOperations,
} from "graphql";
import type { DataSource } from "typeorm";
// The schema first, as where it is printed: types of one interface stand in the order in which they were declared.
import { createSchema } from "../../src/schema.ts";
import { readConfig } from "../../src/config.ts";
import { createDataSource } from "../../src/data-source.ts";
import { createValidator, parseOptions } from "../../src/server/graphql.ts";
import { factsOf, operationLimits } from "../../src/server/operation-limits.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";

const root = path.join(import.meta.dirname, "..", "..");
const schema = createSchema();

describe("the schema", () => {
  test("stands in schema.graphql as it is printed from the code", () => {
    expect(readFileSync(path.join(root, "schema.graphql"), "utf8")).toBe(`${printSchema(schema)}\n`);
  });

  test("describes every type, field, argument, input field and enum value", () => {
    const own = Object.values(schema.getTypeMap()).filter((type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type));
    const parts = own.flatMap(partsOf);
    expect(parts.map(({ name }) => name)).toEqual(expect.arrayContaining(["Query", "Mailbox.messages(first)", "ProblemCode.NOT_FOUND", "MessageFilter.from"]));
    expect(parts.filter(({ description }) => !description?.trim()).map(({ name }) => name)).toEqual([]);
  });

  test("answers every mutation with its own payload or a Problem", () => {
    const mutations = Object.values(schema.getMutationType()?.getFields() ?? {});
    const results = mutations.map(({ name, type }) => {
      const result = getNamedType(type);
      return { name, required: isNonNullType(type), result: result.name, members: isUnionType(result) ? result.getTypes().map((member) => member.name) : [] };
    });
    expect(results).not.toEqual([]);
    expect(results).toEqual(
      mutations.map(({ name }) => {
        const capitalised = name.charAt(0).toUpperCase() + name.slice(1);
        return { name, required: true, result: `${capitalised}Result`, members: [`${capitalised}Payload`, "Problem"] };
      }),
    );
  });
});

describe("the operations that clients are written against", () => {
  const files = readdirSync(path.join(root, "operations")).filter((file) => file.endsWith(".graphql"));
  const operations = files.flatMap((file) => Object.entries(separateOperations(parse(readFileSync(path.join(root, "operations", file), "utf8")))));
  const validate = createValidator(schema, readConfig({}));

  test.each(operations)("%s is valid, and affordable with the longest pages", (_name, separated) => {
    const document = parse(print(separated), parseOptions);
    expect(validate(document)).toEqual([]);
    const costs = document.definitions.flatMap((definition) =>
      definition.kind === Kind.OPERATION_DEFINITION ? factsOf(schema, document, definition, { first: 100 }).cost : [],
    );
    expect(costs).toEqual([expect.any(Number)]);
    expect(Math.max(...costs)).toBeLessThanOrEqual(operationLimits.maxCost);
  });

  test("are typed in the generated file as codegen makes it today", async () => {
    const codegen = path.join(root, "node_modules", "@graphql-codegen", "cli", "esm", "bin.js");
    await promisify(execFile)(process.execPath, [codegen, "--config", "codegen.ts", "--check"], { cwd: root });
  });
});

describe("the entities", () => {
  let database: TestDatabase;
  let source: DataSource;

  beforeAll(async () => {
    database = await createDatabase();
    source = await createDataSource({ url: database.url, poolSize: 1 }).initialize();
  });

  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  test("have exactly the columns, types, nullability and keys of the migrated tables", async () => {
    const tables = source.entityMetadatas.map(({ tableName }) => tableName);
    const declared = source.entityMetadatas.flatMap(({ tableName, columns }) =>
      columns.map((column) => ({
        column: `${tableName}.${column.databaseName}`,
        type: column.isArray ? "ARRAY" : source.driver.normalizeType(column),
        nullable: column.isNullable,
        key: column.isPrimary,
      })),
    );
    const migrated: unknown[] = await source.query(
      `select c.table_name || '.' || c.column_name as column, c.data_type as type, c.is_nullable = 'YES' as nullable,
              exists (select from information_schema.key_column_usage k join information_schema.table_constraints t using (constraint_name, table_schema)
                      where t.constraint_type = 'PRIMARY KEY' and k.table_schema = c.table_schema and k.table_name = c.table_name
                        and k.column_name = c.column_name) as key
       from information_schema.columns c where c.table_schema = 'public' and c.table_name = any ($1) order by 1`,
      [tables],
    );
    expect(migrated.length).toBeGreaterThan(tables.length);
    expect(declared.toSorted((a, b) => (a.column < b.column ? -1 : 1))).toEqual(migrated);
  });

  test("are missing only where SQL alone reads and writes", async () => {
    const tables: { name: string }[] = await source.query("select table_name as name from information_schema.tables where table_schema = 'public' order by 1");
    const withEntity = new Set(source.entityMetadatas.map(({ tableName }) => tableName));
    expect(tables.map(({ name }) => name).filter((name) => !withEntity.has(name))).toEqual([
      "attempts",
      "dead_addresses",
      "demo_mails",
      "expiry_warnings",
      "exports",
      "idempotency_keys",
      "invitations",
      "mails",
      "migrations",
      "noticed_messages",
      "notices",
      "notification_preferences",
      "outbox",
      "passkey_challenges",
      "provider_sessions",
      "published_seals",
      "recovery_codes",
      "released_blobs",
      "reminders",
      "sandbox_clock",
      "scans",
      "sealed_ranges",
      "sealed_until",
      "seals",
      "search_days",
      "search_gathered_days",
      "search_words",
      "sign_in_codes",
      "sign_in_requests",
      "spent_logouts",
      "suspected_notices",
      "totp_secrets",
      "validations",
    ]);
  });
});

/** A type and all it is made of, each with what is said about it. */
function partsOf(type: GraphQLNamedType): { name: string; description: string | null | undefined }[] {
  const parts = [{ name: type.name, description: type.description }];
  if (isEnumType(type)) for (const { name, description } of type.getValues()) parts.push({ name: `${type.name}.${name}`, description });
  if (isInputObjectType(type)) for (const { name, description } of Object.values(type.getFields())) parts.push({ name: `${type.name}.${name}`, description });
  if (isObjectType(type) || isInterfaceType(type)) {
    for (const { name, description, args } of Object.values(type.getFields())) {
      parts.push({ name: `${type.name}.${name}`, description });
      for (const argument of args) parts.push({ name: `${type.name}.${name}(${argument.name})`, description: argument.description });
    }
  }
  return parts;
}
