import type { BrandSettings, Config } from "../config.ts";
import type { Brand } from "./mail-text.ts";

/** What texts may name, and how mail looks. */
export type MailBrand = Brand & Pick<BrandSettings, "colour" | "supportContact">;

/** The organisation as its mail shows it. Its address is the configured one, never what a request called us. */
export function brandOf({ organisation, publicUrl, port, brand: { colour, supportContact } }: Config): MailBrand {
  return { organisation: organisation.name, publicUrl: publicUrl ?? `http://localhost:${port}`, colour, supportContact };
}
