import { rm } from "node:fs/promises";

/** Stops the PostgreSQL that the set-up started, and removes its folder. */
export default async function globalTeardown(): Promise<void> {
  const { postgres, directory } = globalThis.testPostgres ?? {};
  await postgres?.stop();
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
}
