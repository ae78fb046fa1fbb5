import type { Ctx } from "../context.ts";

/** Sends the mails that are due, until none is left or it is told to stop. */
export async function sendMails(_ctx: Ctx, _stop: AbortSignal): Promise<void> {}
