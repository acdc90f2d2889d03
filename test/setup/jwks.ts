import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair } from "jose";
import type { TestProject } from "vitest/node";

/** The key set of a host application. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const keys = [{ ...(await exportJWK(publicKey)), kid: "one", alg: "ES256" }];
  const server = createServer(({ url }, response) => {
    response.writeHead(url?.endsWith("/away") ? 503 : 200, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ keys }));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  project.provide("jwksUrl", `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`);
  project.provide("signingKey", await exportJWK(privateKey));
  return async () => {
    await new Promise((closed) => server.close(closed));
  };
}
