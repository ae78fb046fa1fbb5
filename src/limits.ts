/** Every bound a client can meet, in one place. The `limits` query and `docs/api.md` state the public ones. */
export interface Limits {
  /** Largest file, in bytes. */
  readonly maxAttachmentBytes: number;
  /** Files on one message. */
  readonly maxAttachments: number;
  /** All files of one message together, in bytes. */
  readonly maxTotalAttachmentBytes: number;
  /** Text and HTML of one message together, in bytes of UTF-8. */
  readonly maxMessageBytes: number;
  /** TO and CC together. */
  readonly maxRecipients: number;
  /** Characters of a subject. */
  readonly maxSubjectLength: number;
  /** Rows of one page, of any connection. */
  readonly maxPageSize: number;
  /** Ids of one bulk mutation or of `nodes`. */
  readonly maxIds: number;
  /** Drafts kept in one mailbox. */
  readonly maxDrafts: number;
  /** Uploads of one account that are on no draft and no message yet. */
  readonly maxWaitingUploads: number;
  /** Holds in force at once on one message or one thread. */
  readonly maxHolds: number;
  /** Years ahead that a hold may last. */
  readonly maxHoldYears: number;
  /** Characters of a hold's note. */
  readonly maxNoteLength: number;
  /** Files packed in one archive. */
  readonly maxArchiveMembers: number;
  /** What may come out of one archive, in bytes. */
  readonly maxUnpackedBytes: number;
  /** How many times its own size may come out of an archive; ten megabytes always may. */
  readonly maxUnpackedRatio: number;
  /** Seconds clamd may take for one file. */
  readonly scanSeconds: number;
  /** Seconds a mail server may take for one mail, from the first byte of the connection on. */
  readonly mailSeconds: number;
  /** Events a subscriber or `changes` replays; a cursor further behind gets one `RefetchRequired`. */
  readonly maxReplayedEvents: number;
  /** Seconds within which a request has come in whole, a slow upload too; after them it is cut off. */
  readonly requestSeconds: number;
  /** Seconds without a byte either way, after which a connection is cut off. */
  readonly idleSeconds: number;
  /** Seconds between two pings of a WebSocket; a client that has not answered one by the next is cut off. */
  readonly pingSeconds: number;
  /** Messages of one export. */
  readonly maxExportMessages: number;
  /** All messages of one export together, in bytes. */
  readonly maxExportBytes: number;
  /** Exports of one account that are being made or can still be downloaded. */
  readonly maxExports: number;
  /** Minutes an export can be downloaded once it is ready. */
  readonly exportMinutes: number;
  /** Notices that one mailbox gets by ordinary mail in an hour of the clock; what is beyond is told of together in the next. */
  readonly maxNoticesPerHour: number;
  /** Characters of a description, and of a link, in a report of a suspected notice. */
  readonly maxReportLength: number;
  /** Characters of a reference in such a report. */
  readonly maxReferenceLength: number;
  /** Hours an idempotency key is remembered. */
  readonly idempotencyHours: number;
}

/** The limits of every installation; tests narrow some of them. */
export const defaultLimits: Limits = Object.freeze({
  maxAttachmentBytes: 25 * 1024 * 1024,
  maxAttachments: 10,
  maxTotalAttachmentBytes: 100 * 1024 * 1024,
  maxMessageBytes: 1024 * 1024,
  maxRecipients: 100,
  maxSubjectLength: 255,
  maxPageSize: 100,
  maxIds: 100,
  maxDrafts: 1000,
  maxWaitingUploads: 50,
  maxHolds: 20,
  maxHoldYears: 10,
  maxNoteLength: 500,
  maxArchiveMembers: 10_000,
  maxUnpackedBytes: 1024 * 1024 * 1024,
  maxUnpackedRatio: 200,
  scanSeconds: 60,
  mailSeconds: 60,
  maxReplayedEvents: 10_000,
  requestSeconds: 15 * 60,
  idleSeconds: 60,
  pingSeconds: 12,
  maxExportMessages: 100_000,
  maxExportBytes: 10 * 1024 * 1024 * 1024,
  maxExports: 3,
  exportMinutes: 60,
  maxNoticesPerHour: 20,
  maxReportLength: 2000,
  maxReferenceLength: 100,
  idempotencyHours: 24,
});

/** Days a message is readable, counted from its sending; every reply and forward has its own. */
export const RETENTION_DAYS = 180;
