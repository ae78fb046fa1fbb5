import { types, type Pool, type PoolClient, type QueryResultRow } from "pg";
import type { DataSource, EntityManager } from "typeorm";
import { PostgresDriver } from "typeorm/driver/postgres/PostgresDriver.js";

/** A named prepared statement: planned once a connection, then only bound and run. `Row` is what it returns. */
export interface Statement<Row extends QueryResultRow> {
  readonly name: string;
  readonly text: string;
  /** Only for the type checker. */
  readonly row?: Row;
}

/** Declares a statement next to the operation that runs it. The name must be unique. */
export function statement<Row extends QueryResultRow = Record<string, never>>(name: string, text: string): Statement<Row> {
  return { name, text };
}

/** The database as an operation sees it: TypeORM for plain reads and writes, prepared statements for the hot ones. */
export class Db {
  constructor(
    readonly manager: EntityManager,
    private readonly connection: Pool | PoolClient,
  ) {}

  /** Runs a prepared statement and returns its rows. */
  async run<Row extends QueryResultRow>(statement: Statement<Row>, values: unknown[] = []): Promise<Row[]> {
    const { rows } = await this.connection.query<Row>({ name: statement.name, text: statement.text, values });
    return rows;
  }

  /** Runs a prepared statement that returns exactly one row. */
  async one<Row extends QueryResultRow>(statement: Statement<Row>, values: unknown[] = []): Promise<Row> {
    const [row] = await this.run(statement, values);
    if (row === undefined) throw new Error(`${statement.name} returned no row`);
    return row;
  }
}

/** The pool of a data source, for statements outside a transaction. */
export function poolOf(source: DataSource): Pool {
  if (!(source.driver instanceof PostgresDriver)) throw new Error("The data source is not PostgreSQL");
  const pool: Pool = source.driver.master;
  return pool;
}

/** An address whose connections begin with these settings, as `-c name=value`, after those it names already. */
export function withSettings(url: string, settings: string): string {
  const address = new URL(url);
  const given = address.searchParams.get("options");
  address.searchParams.set("options", given === null ? settings : `${given} ${settings}`);
  return address.href;
}

/** Runs work in one transaction of its own; commits when it returns, rolls back when it throws. */
export async function withTransaction<T>(source: DataSource, work: (db: Db) => Promise<T>): Promise<T> {
  const runner = source.createQueryRunner();
  try {
    const client: PoolClient = await runner.connect();
    await runner.startTransaction();
    try {
      const result = await work(new Db(runner.manager, client));
      await runner.commitTransaction();
      return result;
    } catch (error) {
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
      throw error;
    }
  } finally {
    await runner.release();
  }
}

const parseTimestamp = (text: string): Date => new Date(`${text.slice(0, 10)}T${text.slice(11)}:00`);

const TIMESTAMPTZ: number = types.builtins.TIMESTAMPTZ;
const INT8: number = types.builtins.INT8;

/** How column values become JavaScript: `timestamptz` a Date (sessions run in UTC), `bigint` a number (ours stay below 2^53). */
export const columnTypes = {
  getTypeParser(oid: number, format?: "text" | "binary"): (text: string) => unknown {
    if (oid === TIMESTAMPTZ) return parseTimestamp;
    if (oid === INT8) return Number;
    const parse: (text: string) => unknown = types.getTypeParser(oid, format);
    return parse;
  },
};
