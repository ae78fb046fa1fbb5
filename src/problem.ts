import { Field, Int, ObjectType, registerEnumType } from "type-graphql";
import { SecondFactorMethod } from "./graphql/second-factor-method.ts";

/** Why a request was refused. The same codes stand in `Problem.code` and in `errors[].extensions.code`. */
export enum ProblemCode {
  UNAUTHENTICATED = "UNAUTHENTICATED",
  INVALID_CREDENTIALS = "INVALID_CREDENTIALS",
  INVALID_CODE = "INVALID_CODE",
  WEAK_PASSWORD = "WEAK_PASSWORD",
  USER_ID_TAKEN = "USER_ID_TAKEN",
  ADDRESS_TAKEN = "ADDRESS_TAKEN",
  SECOND_FACTOR_REQUIRED = "SECOND_FACTOR_REQUIRED",
  STEP_UP_REQUIRED = "STEP_UP_REQUIRED",
  OWN_ACCOUNT = "OWN_ACCOUNT",
  LAST_ADMINISTRATOR = "LAST_ADMINISTRATOR",
  FORBIDDEN = "FORBIDDEN",
  NOT_FOUND = "NOT_FOUND",
  INVALID_INPUT = "INVALID_INPUT",
  INVALID_ADDRESS = "INVALID_ADDRESS",
  LIMIT_EXCEEDED = "LIMIT_EXCEEDED",
  RECIPIENT_NOT_EMPLOYEE = "RECIPIENT_NOT_EMPLOYEE",
  MESSAGE_NOT_OPENED = "MESSAGE_NOT_OPENED",
  OWN_MESSAGE = "OWN_MESSAGE",
  MAILBOX_READ_ONLY = "MAILBOX_READ_ONLY",
  MESSAGE_HELD = "MESSAGE_HELD",
  ATTACHMENT_NOT_READY = "ATTACHMENT_NOT_READY",
  ATTACHMENT_HELD = "ATTACHMENT_HELD",
  ATTACHMENT_REJECTED = "ATTACHMENT_REJECTED",
  IDEMPOTENCY_CONFLICT = "IDEMPOTENCY_CONFLICT",
  SIGN_IN_METHOD_OFF = "SIGN_IN_METHOD_OFF",
  THROTTLED = "THROTTLED",
  STORAGE_UNAVAILABLE = "STORAGE_UNAVAILABLE",
  UNAVAILABLE = "UNAVAILABLE",
}

registerEnumType(ProblemCode, {
  name: "ProblemCode",
  description: "Why a request was refused. The same codes stand in `errors[].extensions.code` where a query cannot return a Problem.",
  valuesConfig: {
    UNAUTHENTICATED: { description: "Nobody is signed in, or the session has ended. Sign in, then try again." },
    INVALID_CREDENTIALS: { description: "User ID and password do not match. Says nothing about which of them is wrong." },
    INVALID_CODE: {
      description: "The code or link is wrong, was used, is too old, or was taken back by five wrong codes or by a newer one. Ask for another.",
    },
    WEAK_PASSWORD: { description: "The password would be guessed too easily; the sentence says what to do." },
    USER_ID_TAKEN: { description: "Somebody else has this user ID. Choose another." },
    ADDRESS_TAKEN: { description: "This address belongs to an account already. Said only to administrators and to whoever has proved that they read it." },
    OWN_ACCOUNT: { description: "Nobody does this to their own account. Ask another administrator." },
    LAST_ADMINISTRATOR: { description: "No other administrator could sign in then. Make another one first." },
    SECOND_FACTOR_REQUIRED: {
      description:
        "At sign-in: the password is right, give one of `methods` as `secondFactor`, too. Once signed in: you must have a second factor; set one up, or prove yours by `confirmIdentity`, and try again.",
    },
    STEP_UP_REQUIRED: { description: "This needs a recent proof of who you are: run `confirmIdentity` or sign in again, then try again." },
    FORBIDDEN: { description: "Your role does not include this; the sentence says whose does." },
    NOT_FOUND: { description: "There is nothing with this id for you. What belongs to others, has expired or never existed gives the same answer." },
    INVALID_INPUT: { description: "A value does not have the form it must have; `field` names it." },
    INVALID_ADDRESS: { description: "One or more addresses cannot receive mail as written; `addresses` names them." },
    LIMIT_EXCEEDED: { description: "Too many or too large; `limit` is the greatest value allowed, and the query `limits` has them all." },
    RECIPIENT_NOT_EMPLOYEE: {
      description: "You may write and forward to employees and teams of the organisation only; `addresses` names each one that is neither. Nothing was sent.",
    },
    MESSAGE_NOT_OPENED: { description: "A reply is possible once the message was opened: fetch its `body` first." },
    OWN_MESSAGE: { description: "You sent this message yourself, so there is nobody else to reply to. Write a new message or forward this one." },
    MAILBOX_READ_ONLY: { description: "You may read this mailbox but not write from it or change it." },
    MESSAGE_HELD: {
      description: "A hold keeps this message from being deleted; the sentence says until when and whom to ask. Moving it to TRASH is possible.",
    },
    ATTACHMENT_NOT_READY: { description: "An attachment id is unknown, still uploading, or already on another message; upload the file again." },
    ATTACHMENT_HELD: { description: "The file is still being checked for malware. It can be fetched as soon as its state is CLEAN." },
    ATTACHMENT_REJECTED: {
      description: "The file is not passed on: malware was found in it, or it is an archive that unpacks to too much or that cannot be read. Leave it out.",
    },
    IDEMPOTENCY_CONFLICT: { description: "The idempotency key was used within the last 24 hours with other input. Use a new key for a new message." },
    SIGN_IN_METHOD_OFF: { description: "The organisation does not let people sign in by this means. Use another." },
    THROTTLED: { description: "Too many attempts at once; try again after `retryAfter` seconds." },
    STORAGE_UNAVAILABLE: { description: "The file cannot be stored or fetched for now. Nothing was kept of an upload; try again later." },
    UNAVAILABLE: { description: "The service cannot reach its database or its keys for now. Nothing was changed; try again shortly." },
  },
});

/** What a refusal can say beyond its code and sentence. */
export interface ProblemDetails {
  field?: string;
  limit?: number;
  addresses?: string[];
  retryAfter?: number;
  methods?: SecondFactorMethod[];
}

/** A refusal that was expected, as data. A plain class: graphql-js throws any Error that a resolver returns. */
@ObjectType({ description: "A refusal that was expected, as data: nothing was changed. Every mutation returns its payload or a Problem." })
export class Problem {
  @Field(() => ProblemCode, { description: "What kind of refusal this is; decide by this, never by the sentence." })
  code: ProblemCode;

  @Field(() => String, { description: "One English sentence that says what is wrong and what to do. Never repeats confidential input." })
  message: string;

  @Field(() => String, { nullable: true, description: "The input field at fault, such as `to` or `messageIds`." })
  field: string | null;

  @Field(() => Int, { nullable: true, description: "The greatest value allowed, where a limit was exceeded; its unit is that of the field." })
  limit: number | null;

  @Field(() => [String], { nullable: true, description: "The addresses at fault, as they were given." })
  addresses: string[] | null;

  @Field(() => Int, { nullable: true, description: "Seconds to wait before trying again." })
  retryAfter: number | null;

  @Field(() => [SecondFactorMethod], { nullable: true, description: "What this account can give as a second factor; told only once its password was given." })
  methods: SecondFactorMethod[] | null;

  constructor(code: ProblemCode, message: string, details: ProblemDetails = {}) {
    this.code = code;
    this.message = message;
    this.field = details.field ?? null;
    this.limit = details.limit ?? null;
    this.addresses = details.addresses ?? null;
    this.retryAfter = details.retryAfter ?? null;
    this.methods = details.methods ?? null;
  }
}

/** Carries a Problem up to the edge: a union member in mutations, a coded error in queries, a 5xx reply in SMTP. */
export class Refusal extends Error {
  constructor(readonly problem: Problem) {
    super(problem.code);
  }
}

/** Refuses the request. Everything done in the open transaction is rolled back. */
export function refuse(code: ProblemCode, message: string, details?: ProblemDetails): never {
  throw new Refusal(new Problem(code, message, details));
}

/** What is not yours does not exist: the one answer for foreign, expired and random ids alike. */
export function notFound(field?: string): never {
  refuse(ProblemCode.NOT_FOUND, "There is nothing with this id for you.", field === undefined ? {} : { field });
}

/** Refuses a number above its limit. */
export function withinLimit(count: number, limit: number, field: string, what: string): void {
  if (count > limit) refuse(ProblemCode.LIMIT_EXCEEDED, `${what}: at most ${limit.toLocaleString("en")} are allowed.`, { field, limit });
}
