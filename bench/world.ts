import "reflect-metadata";
import { createHmac } from "node:crypto";
import { encodeId } from "../src/graphql/node-id.ts";

/** How large the benchmark's world is. Everybody in it is a number, so that each process can say who is who. */
export interface Size {
  readonly messages: number;
  readonly mailboxes: number;
}

/** How many mailboxes the clerk holds, and how far they lie apart in the numbers. */
export const CLERK_HOLDS = 200;

/** A world of so many messages: a hundred come into each mailbox, and a hundred go out. */
export function sizeOf(messages: number): Size {
  return { messages, mailboxes: Math.max(CLERK_HOLDS, Math.round(messages / 100)) };
}

/** The n-th mailbox; the one after the last is the clerk's own. */
export const mailboxKey = (n: number): string => `01800000-0000-7000-8000-${n.toString(16).padStart(12, "0")}`;

/** The account that owns the n-th mailbox; the one after the last is the clerk's. */
export const accountKey = (n: number): string => `01800000-0000-7000-9000-${n.toString(16).padStart(12, "0")}`;

/** The n-th mailbox as the API names it. */
export const mailboxId = (n: number): string => encodeId("Mailbox", mailboxKey(n));

/** Every tenth mailbox is an employee's. */
export const isEmployee = (n: number): boolean => n % 10 === 0;

/** The address of the n-th mailbox. */
export const addressOf = (n: number): string => (isEmployee(n) ? `employee-${n}@insurer.example` : `person-${n}@mail.example`);

/** The mailboxes that the clerk, an employee, holds beside their own. */
export function heldByClerk({ mailboxes }: Size): number[] {
  return Array.from({ length: CLERK_HOLDS }, (_, n) => n * Math.floor(mailboxes / CLERK_HOLDS));
}

/** The secret key of the benchmark's servers. */
export const SECRET_KEY = Buffer.alloc(32, 7);

/** The token of the n-th account's session. */
export function tokenOf(n: number): string {
  return createHmac("sha256", SECRET_KEY).update(`session ${n}`).digest("base64url");
}
