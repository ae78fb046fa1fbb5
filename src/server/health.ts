import type { FastifyInstance } from "fastify";

/** Whether the server can do its work. */
export interface Readiness {
  /** Resolves if the database answers and its tables are up to date; otherwise rejects with the reason. */
  check(): Promise<void>;
}

/** `GET /health/live`: the process answers. `GET /health/ready`: send it requests. */
export async function health(app: FastifyInstance, { readiness }: { readiness: Readiness }): Promise<void> {
  app.get("/health/live", async (_request, reply) => reply.header("cache-control", "no-store").send({ status: "live" }));
  app.get("/health/ready", async (_request, reply) => {
    void reply.header("cache-control", "no-store");
    try {
      await readiness.check();
      return { status: "ready" };
    } catch {
      return reply.code(503).send({ status: "not ready" });
    }
  });
}
