import { parentPort, workerData } from "node:worker_threads";
import { startNeonProxy } from "../dev/neon-proxy.ts";

// Off the thread that generates load.
const proxy = await startNeonProxy({ databaseUrl: workerData.databaseUrl });
parentPort?.postMessage(proxy.url);
