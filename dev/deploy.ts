import { spawnSync } from "node:child_process";
import { migrate } from "./migrate.ts";
import { PROJECT, QUIET, WRANGLER } from "./wrangler.ts";

/**
 * `npm run deploy`: migrates the production database, then uploads the Worker. In this order, since a
 * migration must suit the Worker that still runs as well as the one that comes.
 * `npm run deploy -- --dry-run` only bundles, into `dist/` or the folder after `--outdir`: it needs no account, database or network.
 */
async function deploy(isDryRun: boolean): Promise<number> {
  if (!isDryRun) {
    const url = process.env.DATABASE_URL_DIRECT;
    const problem = findProblem(url);
    if (url === undefined || problem !== null) {
      console.error(problem);
      return 1;
    }
    await migrate(url);
    console.log("Migrations ✓");
  }
  const args = isDryRun ? ["--dry-run", "--outdir", optionOf("--outdir") ?? "dist"] : [];
  const { status } = spawnSync(process.execPath, [WRANGLER, "deploy", ...args], {
    cwd: PROJECT,
    env: { ...process.env, ...QUIET },
    stdio: "inherit",
  });
  return status ?? 1;
}

/** The word after an option on the command line. */
function optionOf(name: string): string | undefined {
  const index = process.argv.indexOf(name);
  return index < 0 ? undefined : process.argv[index + 1];
}

function findProblem(url: string | undefined): string | null {
  if (!url) {
    return "DATABASE_URL_DIRECT is missing: set it to the direct (unpooled) connection string of the production database, which is migrated first.";
  }
  if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol)) {
    return "DATABASE_URL_DIRECT is not a postgresql:// connection string.";
  }
  if (new URL(url).hostname.includes("-pooler.")) {
    return "DATABASE_URL_DIRECT names a pooler, where migrations cannot lock: use the direct host, without -pooler.";
  }
  return null;
}

process.exitCode = await deploy(process.argv.includes("--dry-run")).catch((error: unknown) => {
  console.error(`Not deployed: ${error instanceof Error ? error.message : String(error)}`);
  return 1;
});
