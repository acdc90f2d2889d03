import Chromium from "@sparticuz/chromium";
import { type Browser, chromium } from "playwright-core";

/** The packaged defaults put every page into one process, where two windows hold each other up. */
export const CHROMIUM_ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
];

/** A Chromium without a window. `CHROME_PATH` names an installed one where the packaged one, for Linux on x64, does not run. */
export async function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: await chromiumPath(), args: CHROMIUM_ARGS, headless: true });
}

export const chromiumPath = async (): Promise<string> =>
  process.env.CHROME_PATH ?? (await Chromium.executablePath());
