import importX from "eslint-plugin-import-x";
import tseslint from "typescript-eslint";

/** The house: what stands left knows nothing of what stands right. Files at the root of src/ outside the kernel see all. */
const order = [
  ["kernel"],
  ["mailer"],
  ["accounts"],
  ["factors"],
  ["mailboxes"],
  ["single-sign-on"],
  ["people"],
  ["attachments"],
  ["words"],
  ["messages"],
  ["search"],
  ["retention"],
  ["notifications"],
  ["enrolment"],
  ["exports"],
  ["audit"],
  ["sandbox"],
  ["server"],
  ["demo"],
];

const kernel = ["config", "settings", "setting-values", "limits", "clock", "ids", "log", "context", "problem"]
  .map((file) => `./src/${file}.ts`)
  .concat(["./src/db", "./src/ledger", "./src/vault", "./src/graphql"]);
const root = [
  "app",
  "main",
  "migrate",
  "keys",
  "admin",
  "audit-verify",
  "audit-prune",
  "bounce",
  "data-source",
  "mail-outcomes",
  "worker",
  "schema",
  "node-resolver",
].map((file) => `./src/${file}.ts`);
const placesOf = (name) => (name === "kernel" ? kernel : [`./src/${name}`]);

const zones = order.flatMap(([name], n) => {
  const right = order.slice(n + 1).flatMap(([other]) => placesOf(other));
  return placesOf(name).map((target) => ({ target, from: [...right, ...root], message: "Imports lean left: see docs/decisions.md." }));
});

export default tseslint.config(
  { ignores: ["dist", "node_modules", "data", "coverage", ".runtime", "**/generated"] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: { allowDefaultProject: ["*.mjs", "scripts/*.mjs"] }, tsconfigRootDir: import.meta.dirname },
    },
    plugins: { "import-x": importX },
    settings: { "import-x/resolver": { typescript: { project: "tsconfig.json" } } },
    rules: {
      "import-x/no-restricted-paths": ["error", { basePath: import.meta.dirname, zones }],
      "import-x/no-cycle": "error",
      "no-console": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: false }],
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      // Adapters implement asynchronous interfaces that they need not await.
      "@typescript-eslint/require-await": "off",
      // Libraries type what they hand over as `any`; every such value is given a type where it enters.
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-argument": "off",
    },
  },
  {
    files: ["src/**/*.ts"],
    // The embedded database hands its environment on to the processes it starts.
    ignores: ["src/config.ts", "src/db/embedded-postgres*.ts"],
    rules: { "no-restricted-properties": ["error", { object: "process", property: "env", message: "config.ts alone reads the environment." }] },
  },
  {
    files: ["src/**/*.ts"],
    ignores: ["src/mailer/transport.ts"],
    rules: {
      "@typescript-eslint/no-restricted-imports": [
        "error",
        {
          patterns: [
            {
              // By itself it sends in the clear, and to anyone; writing a message to a stream is harmless.
              regex: "^nodemailer(?!/lib/mail-composer/)",
              allowTypeImports: true,
              message: "mailer/transport.ts alone sends mail.",
            },
          ],
        },
      ],
    },
  },
  { files: ["**/*.mjs"], ...tseslint.configs.disableTypeChecked },
  { files: ["scripts/**", "bench/**"], rules: { "no-console": "off" } },
);
