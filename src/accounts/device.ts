import { Field, ObjectType } from "type-graphql";
import { Column, Entity, PrimaryColumn } from "typeorm";
import type { NodeKind } from "../graphql/node-id.ts";
import { Node } from "../graphql/node.ts";

/** A browser or app on which an account has signed in, known again by a token of which only a hash is kept. */
@Entity("devices")
@ObjectType({ implements: Node, description: "A browser or app on which the viewer has signed in, and which is known again." })
export class Device extends Node {
  @PrimaryColumn("uuid", { name: "id" })
  uuid!: string;

  protected override get nodeKey(): [NodeKind, string] {
    return ["Device", this.uuid];
  }

  @Column("uuid", { name: "account_id" })
  accountId!: string;

  @Column("bytea", { name: "token_hash" })
  tokenHash!: Buffer;

  @Column("text")
  @Field(() => String, { description: "What it is in general words, such as `Firefox on Windows`; from a fixed list, `An app` where nothing else fits." })
  name!: string;

  @Column("timestamptz", { name: "created_at" })
  @Field(() => Date, { description: "When it was first used to sign in." })
  createdAt!: Date;

  @Column("timestamptz", { name: "last_used_at" })
  @Field(() => Date, { description: "When it was last used to sign in." })
  lastUsedAt!: Date;

  @Column("timestamptz", { name: "revoked_at", nullable: true })
  revokedAt!: Date | null;

  @Field(() => Boolean, { description: "True for the device of the session that asks." })
  isCurrent!: boolean;
}

/** A browser and a system in general words; null for what is not on the list. */
export interface DeviceKind {
  readonly browser: string | null;
  readonly system: string | null;
}

/** What a `User-Agent` names first in this order, for nearly all of them name several. */
const browsers: readonly (readonly [RegExp, string])[] = [
  [/\bEdg(e|A|iOS)?\//, "Edge"],
  [/\b(OPR|Opera)\//, "Opera"],
  [/\bSamsungBrowser\//, "Samsung Internet"],
  [/\b(Firefox|FxiOS)\//, "Firefox"],
  [/\b(Chrome|CriOS|Chromium)\//, "Chrome"],
  [/\bVersion\/[\d.]+ .*\bSafari\//, "Safari"],
];

const systems: readonly (readonly [RegExp, string])[] = [
  [/\biPhone\b/, "iPhone"],
  [/\biPad\b/, "iPad"],
  [/\bAndroid\b/, "Android"],
  [/\bWindows\b/, "Windows"],
  [/\bMac ?OS ?X\b|\bMacintosh\b/, "macOS"],
  [/\bCrOS\b/, "ChromeOS"],
  [/\bLinux\b/, "Linux"],
];

/** What a `User-Agent` says, from fixed lists and never in its own words. */
export function deviceKindOf(userAgent: string): DeviceKind {
  const known = (list: readonly (readonly [RegExp, string])[]): string | null => list.find(([form]) => form.test(userAgent.slice(0, 500)))?.[1] ?? null;
  return { browser: known(browsers), system: known(systems) };
}

/** The kind of a device as its name in the API. */
export function deviceNameOf({ browser, system }: DeviceKind): string {
  return `${browser ?? "An app"}${system === null ? "" : ` on ${system}`}`;
}
