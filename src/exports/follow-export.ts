import { setTimeout } from "node:timers/promises";
import type { ViewerCtx } from "../context.ts";
import { isDatabaseAway } from "../db/unavailable.ts";
import { topicOfExport } from "../ledger/bus.ts";
import { Refusal } from "../problem.ts";
import { type Export, ExportState } from "./export.ts";
import { findOwnExport } from "./export-queries.ts";

/** Signals are only hints: without one it looks again after so long, and while the database is away. */
const LOOK_AGAIN_MS = 2000;

const unfinished: ReadonlySet<ExportState> = new Set([ExportState.PENDING, ExportState.RUNNING]);

/** An export as it is, then as it gets further, until it is ready or failed or no longer the viewer's. */
export async function* followExport(freshCtx: () => ViewerCtx, uuid: string, stop: AbortSignal): AsyncGenerator<Export> {
  let moved = Promise.withResolvers<void>();
  const wake = (): void => moved.resolve();
  const stopListening = freshCtx().bus.listen(topicOfExport(uuid), wake);
  stop.addEventListener("abort", wake, { once: true });
  try {
    for (let last: Export | null = null; !stop.aborted;) {
      moved = Promise.withResolvers<void>();
      const found = await lookAt(freshCtx(), uuid);
      if (found === "lost") return;
      if (found !== "away" && (found.state !== last?.state || found.doneCount !== last.doneCount)) yield (last = found);
      if (found !== "away" && !unfinished.has(found.state)) return;
      await Promise.race([moved.promise, setTimeout(LOOK_AGAIN_MS, undefined, { ref: false })]);
    }
  } finally {
    stopListening();
  }
}

async function lookAt(ctx: ViewerCtx, uuid: string): Promise<Export | "lost" | "away"> {
  try {
    return await findOwnExport(ctx, uuid);
  } catch (error) {
    if (error instanceof Refusal) return "lost";
    if (isDatabaseAway(error)) return "away";
    throw error;
  }
}
