import type { Config, OidcSettings, SamlSettings } from "../config.ts";

/** Where single sign-on begins, below the public address. */
export function startPathOf({ kind }: OidcSettings | SamlSettings): string {
  return `/sign-in/${kind}`;
}

/** The address at which single sign-on begins. */
export function startUrlOf({ publicUrl }: Config, settings: OidcSettings | SamlSettings): string {
  return `${publicUrl ?? ""}${startPathOf(settings)}`;
}
