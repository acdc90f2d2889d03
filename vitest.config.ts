import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

const NODE_TESTS = [
  "protocol/**/*.test.ts",
  "db/**/*.test.ts",
  "durable-objects/**/*.test.ts",
  "workers/**/*.test.ts",
  "client/**/*.test.ts",
  "dev/**/*.test.ts",
  "page/**/*.test.ts",
  "test/**/*.test.ts",
];

export default defineConfig({
  test: {
    globalSetup: ["test/setup/postgres.ts"],
    // Two cores are shared by PostgreSQL, workerd, browsers and the tests themselves.
    maxWorkers: 2,
    projects: [
      {
        plugins: [
          cloudflareTest(({ inject }) => ({
            wrangler: { configPath: "./wrangler.toml" },
            miniflare: {
              bindings: {
                ENVIRONMENT: "development",
                DATABASE_URL: inject("databaseUrl"),
                NEON_FETCH_ENDPOINT: inject("neonFetchEndpoint"),
                CHAT_TOKEN_SECRET: "a secret of the tests, at least 32 characters",
                ALLOWED_ORIGINS: "https://app.example.com",
              },
            },
          })),
        ],
        test: {
          name: "workerd",
          include: ["test/workerd/**/*.test.ts"],
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        test: {
          name: "node",
          include: NODE_TESTS,
          exclude: ["**/node_modules/**", "test/workerd/**"],
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
