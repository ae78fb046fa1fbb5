/** A page that a browser has come to. */
export interface Page {
  readonly url: string;
  readonly status: number;
  readonly html: string;
  readonly headers: Headers;
}

/**
 * A browser as far as signing in goes: it follows redirects and keeps cookies, each at the origin that set it. What another
 * site sends here comes without the cookies that are Strict and, if it is a form, without the Lax ones, too.
 */
export class Browser {
  readonly #jar = new Map<string, Map<string, { value: string; sameSite: string }>>();

  /** Goes to an address as if typed in, and on to wherever it redirects; `until` stops before an address that it matches. */
  async open(url: string, { until, from = url }: { until?: RegExp; from?: string } = {}): Promise<Page> {
    return this.#request(url, {}, from, until);
  }

  /** Sends a form; from another site if `from` is one. */
  async submit(url: string, form: Record<string, string>, { until, from = url }: { until?: RegExp; from?: string } = {}): Promise<Page> {
    const body = new URLSearchParams(form);
    return this.#request(url, { method: "POST", body }, from, until);
  }

  /** Goes where a page says that it goes on by itself; the page is the site it comes from. */
  async goOn(page: Page): Promise<Page> {
    const [, target] = /<meta http-equiv="refresh" content="0;url=([^"]*)">/.exec(page.html) ?? [];
    if (target === undefined) throw new Error(`The page at ${page.url} goes nowhere: ${page.status} ${page.html}`);
    return this.open(new URL(unescape(target), page.url).href, { from: page.url });
  }

  /** The value of a cookie that an origin has set. */
  cookie(url: string, name: string): string | undefined {
    return this.#jar.get(new URL(url).origin)?.get(name)?.value;
  }

  async #request(url: string, init: RequestInit, from: string, until?: RegExp): Promise<Page> {
    const { origin } = new URL(url);
    const isCrossSite = new URL(from).origin !== origin;
    const cookies = [...(this.#jar.get(origin) ?? [])].filter(
      ([, { sameSite }]) => !isCrossSite || (sameSite !== "strict" && !(sameSite === "lax" && init.method === "POST")),
    );
    const cookie = cookies.map(([name, { value }]) => `${name}=${value}`).join("; ");
    const response = await fetch(url, { ...init, redirect: "manual", headers: cookie === "" ? {} : { cookie } });
    this.#keep(origin, response);
    const location = response.headers.get("location");
    if (location === null) return { url, status: response.status, html: await response.text(), headers: response.headers };
    await response.body?.cancel();
    const next = new URL(location, url).href;
    if (until?.test(next)) return { url: next, status: response.status, html: "", headers: response.headers };
    // Who follows a redirect is the site that the browser was on, and a site on the way makes it cross-site
    return this.#request(next, {}, isCrossSite ? from : url, until);
  }

  #keep(origin: string, response: Response): void {
    const jar = this.#jar.get(origin) ?? new Map<string, { value: string; sameSite: string }>();
    this.#jar.set(origin, jar);
    for (const line of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      const sameSite = /samesite=(\w+)/i.exec(line)?.[1]?.toLowerCase() ?? "lax";
      if (value === "" || /max-age=0|expires=thu, 01 jan 1970/i.test(line)) jar.delete(name);
      else jar.set(name, { value, sameSite });
    }
  }
}

function unescape(text: string): string {
  return text.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));
}
