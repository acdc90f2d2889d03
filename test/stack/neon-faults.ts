import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** What happens to requests on their way to Postgres. */
export type NeonFault =
  /** The connection is reset before anything reaches Postgres. */
  | { kind: "refuse" }
  /** Each request waits first. */
  | { kind: "slow"; delayMs: number }
  /** Postgres does it, and the answer is lost: a connection reset after COMMIT. */
  | { kind: "lose_answer" }
  /** Something in front of Postgres answers with an error of its own. */
  | { kind: "unavailable" };

/** Stands in front of Neon's `/sql` and breaks it. */
export class NeonFaults {
  readonly #target: string;
  readonly #server: Server;
  #fault: NeonFault | null = null;
  #onFired: () => void = () => {};
  #sqlStates = new Map<string, () => void>();

  /** @param target the address of the `/sql` behind */
  constructor(target: string) {
    this.#target = target;
    this.#server = createServer((request, response) => {
      this.#pass(request, response).catch(() => response.destroy());
    });
  }

  /** @returns its own address of `/sql` */
  async listen(): Promise<string> {
    await new Promise<void>((listening) => this.#server.listen(0, "127.0.0.1", listening));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/sql`;
  }

  /** Breaks every request from now on. @param onFired called at the first that is really broken */
  break(fault: NeonFault, onFired: () => void): void {
    this.#fault = fault;
    this.#onFired = onFired;
  }

  mend(): void {
    this.#fault = null;
    this.#onFired = () => {};
  }

  /** Calls back when Postgres answers with this SQLSTATE for the first time from now on. */
  onSqlState(state: string, callback: () => void): void {
    this.#sqlStates.set(state, callback);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const fault = this.#fault;
    switch (fault?.kind) {
      case "refuse":
        this.#fired();
        request.socket.resetAndDestroy();
        return;
      case "unavailable":
        this.#fired();
        response.writeHead(502).end("bad gateway");
        return;
      case "slow":
        this.#fired();
        await sleep(fault.delayMs);
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { host: _, connection: __, "content-length": ___, ...headers } = request.headers;
    const answer = await fetch(this.#target, {
      method: request.method ?? "POST",
      headers: headers as Record<string, string>,
      body: Buffer.concat(chunks),
    });
    const text = await answer.text();
    if (fault?.kind === "lose_answer" && answer.status === 200) {
      this.#fired();
      request.socket.resetAndDestroy();
      return;
    }
    if (answer.status === 400) this.#note(text);
    response.writeHead(answer.status, { "content-type": "application/json" }).end(text);
  }

  #fired(): void {
    const onFired = this.#onFired;
    this.#onFired = () => {};
    onFired();
  }

  #note(text: string): void {
    for (const [state, callback] of this.#sqlStates) {
      if (!text.includes(`"code":"${state}"`)) continue;
      this.#sqlStates.delete(state);
      callback();
    }
  }
}
