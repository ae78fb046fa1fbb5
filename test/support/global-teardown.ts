/** Stops the PostgreSQL that the set-up started. */
export default async function globalTeardown(): Promise<void> {
  await globalThis.testPostgres?.stop();
}
