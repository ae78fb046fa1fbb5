/** What the tests use of oidc-provider, which says nothing of its types. */
declare module "oidc-provider" {
  import type { RequestListener } from "node:http";

  class Grant {
    constructor(properties: { accountId: string; clientId: string });
    addOIDCScope(scope: string): void;
    save(): Promise<string>;
  }

  export interface GrantContext {
    readonly oidc: {
      readonly client: { readonly clientId: string };
      readonly session: { readonly accountId: string };
      readonly provider: Provider;
    };
  }

  export default class Provider {
    constructor(issuer: string, configuration: object);
    readonly Grant: typeof Grant;
    callback(): RequestListener;
    on(event: string, listener: (...args: unknown[]) => void): void;
  }
}
