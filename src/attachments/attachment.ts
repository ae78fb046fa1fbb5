import { Field, Float, ObjectType, registerEnumType } from "type-graphql";
import { Column, Entity, PrimaryColumn } from "typeorm";
import type { NodeKind } from "../graphql/node-id.ts";
import { Node } from "../graphql/node.ts";
import type { Opener } from "../vault/seal.ts";
import type { SealedBlob } from "../vault/sealed-blob.ts";

/** What is sealed about a file. */
export interface FileHeader {
  readonly fileName: string;
  readonly mediaType: string;
  /** The key of its bytes, in base64. */
  readonly key: string;
}

/** How far the check for malware has come. */
export enum AttachmentState {
  UPLOADED = "UPLOADED",
  SCANNING = "SCANNING",
  CLEAN = "CLEAN",
  REJECTED = "REJECTED",
}

registerEnumType(AttachmentState, {
  name: "AttachmentState",
  description: "How far the check of a file for malware has come. Nobody can fetch a file, not even its uploader, before it is CLEAN.",
  valuesConfig: {
    UPLOADED: { description: "It is stored and waits to be checked." },
    SCANNING: { description: "It is being checked, or is to be checked again because the scanner gave no verdict." },
    CLEAN: { description: "No malware was found, or this installation has no scanner: it can be fetched." },
    REJECTED: { description: "Malware was found: nobody can fetch it, and no message can take it." },
  },
});

/** What came of scanning the bytes of a file so far; all null while it waits, and in the row of a file that was never queued. */
export interface Scan {
  readonly scanStartedAt: Date | null;
  readonly heldAt: Date | null;
  readonly scannedAt: Date | null;
  readonly malware: string | null;
}

/** A file on a draft or a message, or waiting for one. */
@Entity("attachments")
@ObjectType({ implements: Node, description: "A file on a draft or a message, or uploaded and waiting for one." })
export class Attachment extends Node implements Scan {
  @PrimaryColumn("uuid", { name: "id" })
  uuid!: string;

  protected override get nodeKey(): [NodeKind, string] {
    return ["Attachment", this.uuid];
  }

  /** Where its bytes are; forwarding shares them. */
  @Column("uuid", { name: "blob_id" })
  blobId!: string;

  @Column("uuid", { name: "uploaded_by" })
  uploadedBy!: string;

  @Column("uuid", { name: "message_id", nullable: true })
  messageId!: string | null;

  @Column("uuid", { name: "draft_id", nullable: true })
  draftId!: string | null;

  @Column("smallint")
  position!: number;

  @Column("bigint")
  @Field(() => Float, { description: "Its length in bytes." })
  size!: number;

  /** Sealed name and type; null while the bytes are still coming. */
  @Column("bytea", { nullable: true })
  header!: Buffer | null;

  @Column("timestamptz", { name: "created_at" })
  createdAt!: Date;

  @Column("timestamptz", { name: "stored_at", nullable: true })
  storedAt!: Date | null;

  scanStartedAt!: Date | null;
  heldAt!: Date | null;
  scannedAt!: Date | null;
  malware!: string | null;

  @Field(() => AttachmentState, { description: "How far the check for malware has come; `AttachmentChanged` tells when that changes." })
  get state(): AttachmentState {
    if (this.scannedAt !== null) return this.malware === null ? AttachmentState.CLEAN : AttachmentState.REJECTED;
    return this.scanStartedAt === null ? AttachmentState.UPLOADED : AttachmentState.SCANNING;
  }

  @Field(() => Date, {
    nullable: true,
    description: "Since when it is held because the scanner gave no verdict; it is tried again until there is one. Null while all goes as it should.",
  })
  get heldSince(): Date | null {
    return this.scannedAt === null ? this.heldAt : null;
  }

  @Field(() => String, { description: "Its name, cleaned of paths and control characters; at most 200 characters." })
  get fileName(): string {
    return this.file.fileName;
  }

  @Field(() => String, { description: "Its media type as its content shows it, such as `application/pdf`; `application/octet-stream` if unknown." })
  get mediaType(): string {
    return this.file.mediaType;
  }

  @Field(() => String, { description: "Where to GET it, signed in like every request; always as a file to save. Range requests are supported." })
  get downloadUrl(): string {
    return `/attachments/${this.id}`;
  }

  /** What it takes to read its bytes. */
  get blob(): SealedBlob {
    return { blobId: this.blobId, key: Buffer.from(this.file.key, "base64"), size: this.size };
  }

  /** Has the key of its header. */
  opener!: Opener;
  #file: FileHeader | undefined;

  private get file(): FileHeader {
    if (this.header === null) throw new Error("An attachment is shown only once it is stored");
    return (this.#file ??= this.opener.open<FileHeader>({ id: this.uuid, field: "file" }, this.header));
  }
}
