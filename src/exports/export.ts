import { Field, Float, Int, ObjectType, registerEnumType } from "type-graphql";
import type { NodeKind } from "../graphql/node-id.ts";
import { Node } from "../graphql/node.ts";
import { ProblemCode } from "../problem.ts";

/** How far an export is. */
export enum ExportState {
  PENDING = "PENDING",
  RUNNING = "RUNNING",
  READY = "READY",
  FAILED = "FAILED",
  EXPIRED = "EXPIRED",
}

registerEnumType(ExportState, {
  name: "ExportState",
  description: "How far an export is.",
  valuesConfig: {
    PENDING: { description: "It waits for its turn." },
    RUNNING: { description: "It is being made; `doneCount` tells how far." },
    READY: { description: "It can be downloaded until `expiresAt`." },
    FAILED: { description: "It could not be made; `failure` tells why." },
    EXPIRED: { description: "Its hour is over and the file is gone. Ask for a new one." },
  },
});

/** What is sealed about an export. */
export interface ExportHeader {
  /** The key of its bytes, in base64. */
  readonly key: string;
}

/** An export as the database has it, but for what only its maker needs. */
export interface ExportRow {
  readonly uuid: string;
  readonly messageCount: number;
  readonly doneCount: number;
  readonly requestedAt: Date;
  readonly startedAt: Date | null;
  readonly readyAt: Date | null;
  readonly expiresAt: Date | null;
  readonly failedAt: Date | null;
  readonly failure: ProblemCode | null;
  readonly blobId: string | null;
  readonly size: number | null;
  readonly sha256: Buffer | null;
  readonly header: Buffer | null;
}

/** Messages that somebody takes along, as one file. It belongs to the account that asked for it. */
@ObjectType({
  implements: Node,
  description: "Messages to take along, as one ZIP file: each as a file that mail programs open, an index to read and print, and a list of checksums.",
})
export class Export extends Node {
  protected override get nodeKey(): [NodeKind, string] {
    return ["Export", this.row.uuid];
  }

  constructor(
    readonly row: ExportRow,
    private readonly now: Date,
  ) {
    super();
  }

  get uuid(): string {
    return this.row.uuid;
  }

  @Field(() => ExportState, { description: "How far it is." })
  get state(): ExportState {
    const { startedAt, readyAt, expiresAt, failedAt } = this.row;
    if (failedAt !== null) return ExportState.FAILED;
    if (readyAt !== null) return expiresAt !== null && expiresAt > this.now ? ExportState.READY : ExportState.EXPIRED;
    return startedAt === null ? ExportState.PENDING : ExportState.RUNNING;
  }

  @Field(() => Int, { description: "How many messages it holds; until it is ready, how many it shall hold. What expires or is deleted meanwhile is left out." })
  get messageCount(): number {
    return this.row.messageCount;
  }

  @Field(() => Int, { description: "How many of them are in the file already. Starts again from 0 if the server had to begin anew." })
  get doneCount(): number {
    return this.row.doneCount;
  }

  @Field(() => Date, { description: "When it was asked for." })
  get requestedAt(): Date {
    return this.row.requestedAt;
  }

  @Field(() => String, { description: "The name under which it is saved." })
  get fileName(): string {
    return `secure-messages-${this.row.requestedAt.toISOString().slice(0, 10)}.zip`;
  }

  @Field(() => Float, { nullable: true, description: "The length of the file in bytes, once it is ready." })
  get size(): number | null {
    return this.row.size;
  }

  @Field(() => String, { nullable: true, description: "The SHA-256 checksum of the file in hexadecimal digits, once it is ready." })
  get sha256(): string | null {
    return this.row.sha256?.toString("hex") ?? null;
  }

  @Field(() => String, {
    nullable: true,
    description: "Where to GET the file while it is READY, signed in as the account that asked for it. Range requests are supported, so a download can go on.",
  })
  get downloadUrl(): string | null {
    return this.state === ExportState.READY ? `/exports/${this.id}` : null;
  }

  @Field(() => Date, { nullable: true, description: "When the file is removed: an hour after it got ready." })
  get expiresAt(): Date | null {
    return this.row.expiresAt;
  }

  @Field(() => ProblemCode, { nullable: true, description: "Why it could not be made; null unless it FAILED." })
  get failure(): ProblemCode | null {
    return this.row.failure;
  }
}
