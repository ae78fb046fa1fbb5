import config from "../../jest.config.mjs";

/** Against servers that nobody here wrote. `.ci/run` installs them. */
export default {
  ...config,
  rootDir: "../..",
  testMatch: ["<rootDir>/test/peers/**/*.test.ts"],
  testPathIgnorePatterns: [],
  testTimeout: 120_000,
  maxWorkers: 1,
};
