import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

/** Builds the playground into `dist/playground`, to be served below `/playground/`. */
export default defineConfig({
  root: import.meta.dirname,
  base: "/playground/",
  build: {
    outDir: join(import.meta.dirname, "../dist/playground"),
    emptyOutDir: true,
    // Nothing as a data: URL, so that the page's policy can keep fonts to 'self'.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Monaco alone is 2.5 MB; it is asked for once and then cached for good.
    chunkSizeWarningLimit: 4000,
    rolldownOptions: {
      // "use client" in packages means nothing to a page that is all client.
      checks: { moduleLevelDirective: false },
      // GraphiQL makes its icons' accessible names from the names of their functions.
      output: { keepNames: true },
    },
  },
  worker: { format: "es" },
  plugins: [compress()],
});

/** Puts a Brotli copy beside each large text file; @fastify/static serves it to browsers that accept it. */
function compress(): Plugin {
  return {
    name: "compress",
    async writeBundle({ dir }) {
      if (!dir) return;
      const files = (await readdir(dir, { recursive: true })).filter((file) => /\.(js|css|svg|ttf)$/.test(file));
      for (const file of files) {
        const bytes = await readFile(join(dir, file));
        if (bytes.length < 2048) continue;
        await writeFile(join(dir, `${file}.br`), brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }));
      }
    },
  };
}
